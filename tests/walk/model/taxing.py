"""Taxes of invoices: the ones that apply, and their amounts in exact fractions."""

from datetime import datetime
from fractions import Fraction

from tests.walk.model.arithmetic import nearest, split
from tests.walk.model.lines import Line, Tax
from tests.walk.model.shared import Registration, Seller, TaxRate
from tests.walk.model.world import Customer, Invoice

EU = {"AT", "DE", "FR", "IT"}
"""The countries of the European Union that occur in a walk."""

OUTSIDE = Tax("VAT", "VAT", "O", Fraction(0), "Not subject to tax")
REVERSE_CHARGE = Tax("VAT", "VAT", "AE", Fraction(0), "Reverse charge")


def tax(customer: Customer, invoice: Invoice, at: datetime) -> None:
    """Sets the taxes of the lines of an invoice. `at` is the tax date."""
    choose(customer, invoice, at)
    groups: dict[object, list[tuple[Line, int, Fraction]]] = {}
    for line in invoice.lines:
        whole = 100 + sum(each.percent for each, _ in line.taxes) if line.inclusive else Fraction(100)
        for place, (each, _) in enumerate(line.taxes):
            exact = line.discounted * each.percent / whole
            groups.setdefault((each.group, line.inclusive), []).append((line, place, exact))
    for group in groups.values():
        exact_parts = [exact for _, _, exact in group]
        parts = split(nearest(sum(exact_parts, Fraction(0))), exact_parts)
        for (line, place, _), cents in zip(group, parts, strict=True):
            line.taxes[place] = line.taxes[place][0], cents


def choose(customer: Customer, invoice: Invoice, at: datetime) -> None:
    """Decides which taxes apply to each line. A credit has those of the line that it reverses."""
    seller = customer.sellers.versions[-1] if customer.sellers.versions else None
    for line in invoice.lines:
        if line.kind != "PRORATION_CREDIT":
            chosen = chosen_for(customer, invoice, line, seller, at) if seller else []
            line.taxes = [(each, 0) for each in chosen]
    for line in invoice.lines:
        if line.kind == "PRORATION_CREDIT" and line.reverses in invoice.lines:
            line.taxes = list(line.reverses.taxes)


def chosen_for(customer: Customer, invoice: Invoice, line: Line, seller: Seller, at: datetime) -> list[Tax]:
    if customer.tax_status == "EXEMPT":
        return [Tax("VAT", "VAT", "E", Fraction(0), customer.exemption_reason)]
    if customer.tax_status == "REVERSE_CHARGE" or is_business_elsewhere(customer, seller):
        return [REVERSE_CHARGE]
    if not (seller.registrations or customer.tax_rates or any(other.rates for other in invoice.lines)):
        # Nobody has set up taxes.
        return []
    return list(map(tax_of, line.rates or customer.tax_rates)) or taxes_of_place(customer, seller, at)


def is_business_elsewhere(customer: Customer, seller: Seller) -> bool:
    """Returns True for a customer with a verified tax id of another country of the EU."""
    return seller.country in EU and any(
        verified_at is not None and country in EU and country != seller.country
        for country, _, verified_at in customer.tax_ids
    )


def tax_of(rate: TaxRate) -> Tax:
    return Tax(rate.name, rate.kind, rate.category, Fraction(rate.percent), None, rate)


def taxes_of_place(customer: Customer, seller: Seller, at: datetime) -> list[Tax]:
    country, region = customer.address or (None, None)
    found = registered(seller, country, region, at)
    if not found and (country is None or {country, seller.country} <= EU):
        found = registered(seller, seller.country, None, at)
    return found or [OUTSIDE]


def registered(seller: Seller, country: str | None, region: str | None, at: datetime) -> list[Tax]:
    """Returns the taxes of the latest registration that is valid: of the region, else of the country."""
    for wanted in (region, None):
        valid = [each for each in seller.registrations if each.is_for(country, wanted) and each.valid_from <= at]
        if valid:
            return list(map(tax_of, max(valid, key=valid_from).rates))
    return []


def valid_from(registration: Registration) -> datetime:
    return registration.valid_from
