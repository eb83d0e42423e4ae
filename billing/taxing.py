"""Which taxes apply to the lines of an invoice. Pure.

The customer's tax status comes first. If the customer is taxed, the rates are those of the line or its plan, else those
of the customer, else those of the customer's place.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from billing.enums import LineKind, TaxCategory, TaxKind, TaxStatus
from billing.ids import TaxRateId
from billing.new_records import Line
from billing.records import CustomerState
from billing.taxes import NO_PROFILE, UNTAXED, LineTax, Tax, TaxAmount, TaxProfile, TaxRules

EU_COUNTRIES = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905
)
"""The member states of the European Union, by their ISO 3166-1 codes. VAT numbers of Greece begin with EL."""

REASONS = {TaxCategory.AE: "Reverse charge", TaxCategory.O: "Not subject to tax", TaxCategory.G: "Export"}
"""Reasons why a tax is 0, for categories that need one, if none is given."""


def assign_taxes(lines: Sequence[Line], customer: CustomerState, rules: TaxRules, at: datetime) -> None:
    """Sets the taxes of lines, without amounts. `at` is the tax date. A credit has the taxes of the line that it
    reverses.
    """
    by_status = taxes_by_status(customer, rules)
    if not by_status and not is_configured(lines, customer, rules):
        for line in lines:
            # The lines of a draft have the taxes that applied when it was last changed.
            if line.tax and line.tax.amounts and line.kind is not LineKind.PRORATION_CREDIT:
                line.tax = LineTax(line.tax.behavior, line.tax.rate_ids)
        return
    own = {line.id: line for line in lines}
    for line in sorted(lines, key=lambda line: line.kind is LineKind.PRORATION_CREDIT):
        tax = line.tax or UNTAXED
        if line.kind is not LineKind.PRORATION_CREDIT:
            taxes = by_status or configured_taxes(tax.rate_ids, customer, rules, at)
            line.tax = LineTax(tax.behavior, tax.rate_ids, tuple(map(without_amount, taxes)))
        elif line.reverses_line_id in own:
            line.tax = own[line.reverses_line_id].tax


def is_configured(lines: Sequence[Line], customer: CustomerState, rules: TaxRules) -> bool:
    """Returns True if a rate is chosen anywhere that matters to these lines.

    A rate that only exists changes nothing: there is a time between its creation and its first registration.
    """
    profile = customer.tax_profile or NO_PROFILE
    return bool(rules.registrations or profile.rate_ids or any(line.tax and line.tax.rate_ids for line in lines))


def without_amount(tax: Tax) -> TaxAmount:
    return TaxAmount(tax.name, tax.kind, tax.category, tax.percent, tax.reason, tax.rate_id)


def taxes_by_status(customer: CustomerState, rules: TaxRules) -> Sequence[Tax]:
    """Returns the tax of 0 % that the customer's tax status decides, or nothing for a customer that is taxed."""
    profile = customer.tax_profile or NO_PROFILE
    match profile.status:
        case TaxStatus.EXEMPT:
            return [untaxed_vat(TaxCategory.E, profile.exemption_reason)]
        case TaxStatus.REVERSE_CHARGE:
            return [untaxed_vat(TaxCategory.AE)]
        case TaxStatus.TAXABLE if is_business_elsewhere_in_the_eu(profile, rules):
            return [untaxed_vat(TaxCategory.AE)]
        case TaxStatus.TAXABLE:
            return []


def untaxed_vat(category: TaxCategory, reason: str | None = None) -> Tax:
    """Returns a VAT of 0 % that no configured rate decided, by default with the reason of its category."""
    return Tax("VAT", TaxKind.VAT, category, Decimal(0), reason or REASONS.get(category))


def is_business_elsewhere_in_the_eu(profile: TaxProfile, rules: TaxRules) -> bool:
    """Returns True if the customer owes the tax: a business with a verified VAT number of another member state."""
    home = rules.home_country
    return home in EU_COUNTRIES and any(
        number.verified_at is not None and number.country in EU_COUNTRIES and number.country != home
        for number in profile.ids
    )


def configured_taxes(
    rate_ids: Sequence[TaxRateId], customer: CustomerState, rules: TaxRules, at: datetime
) -> Sequence[Tax]:
    """Returns the taxes of a line with the rates `rate_ids`, if any, for a customer that is taxed."""
    profile = customer.tax_profile or NO_PROFILE
    return [rules.rates[id_] for id_ in rate_ids or profile.rate_ids] or taxes_of_place(customer, rules, at)


def taxes_of_price(price: LineTax, customer: CustomerState, rules: TaxRules, at: datetime) -> Sequence[Tax]:
    """Returns the taxes of a plan's price, as on an invoice with one line for it."""
    by_status = taxes_by_status(customer, rules)
    profile = customer.tax_profile or NO_PROFILE
    if by_status or not (rules.registrations or profile.rate_ids or price.rate_ids):
        return by_status
    return configured_taxes(price.rate_ids, customer, rules, at)


def taxes_of_place(customer: CustomerState, rules: TaxRules, at: datetime) -> Sequence[Tax]:
    """Returns the taxes of the customer's country and region.

    Without a registration there, those of the seller's home country apply within the European Union and to customers
    whose country is unknown. Everybody else is outside the scope of tax.
    """
    address, home = customer.bill_to.address, rules.home_country
    country, region = (None, None) if address is None else (address.country, address.region)
    if country is not None:
        found = registered_rates(rules, country, region, at)
        if found:
            return found
    if country is None or country == home or {country, home} <= EU_COUNTRIES:
        found = registered_rates(rules, home, None, at)
    return found or [untaxed_vat(TaxCategory.O)]


def registered_rates(rules: TaxRules, country: str, region: str | None, at: datetime) -> Sequence[Tax]:
    """Returns the rates of the registration that is valid at `at`: that of the region, else that of the country."""
    for wanted in (region, None):
        valid = [
            each
            for each in rules.registrations
            if each.country == country and is_same_region(each.region, wanted) and each.valid_from <= at
        ]
        if valid:
            latest = max(valid, key=lambda each: each.valid_from)
            return [rules.rates[id_] for id_ in latest.rate_ids]
    return []


def is_same_region(one: str | None, other: str | None) -> bool:
    """Returns True if both are None, or the same name regardless of case."""
    if one is None or other is None:
        return one is other
    return one.casefold() == other.casefold()
