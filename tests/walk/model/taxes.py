"""Operations on the seller, tax rates and tax ids. Each raises `Refused`."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from tests.walk.model.shared import Registration, Seller, TaxRate, refuse
from tests.walk.model.world import Customer, World

MOST_RATES = 10


def update_seller(
    world: World, name: str | None, phone: str | None, registrations: Sequence[Registration] | None
) -> Seller:
    versions = world.sellers.versions
    before = versions[-1] if versions else Seller("")
    named = name if name is not None else before.name
    places = [(each.country, (each.region or "").casefold(), each.valid_from) for each in registrations or ()]
    registered_before = {rate for each in before.registrations for rate in each.rates}
    refuse(
        INVALID_INPUT=not named.strip() or any(not each.rates for each in registrations or ()),
        TAX_REGISTRATIONS_OVERLAP=len(set(places)) < len(places),
        **wrong_rates([each.rates for each in registrations or ()], registered_before),
    )
    kept = before.registrations if registrations is None else tuple(registrations)
    seller = Seller(named, phone or before.phone, kept)
    versions.append(seller)
    return seller


def wrong_rates(chosen: Iterable[Sequence[TaxRate]], before: Iterable[TaxRate] = ()) -> dict[str, bool]:
    """Returns reasons to refuse rates that apply together. Those that were chosen before may be archived."""
    known = [list(rates) for rates in chosen]
    return {
        "TAX_RATE_ARCHIVED": any(rate.archived and rate not in before for rates in known for rate in rates),
        "TAX_RATES_CONFLICT": any(
            len(set(rates)) < len(rates) or [rate.kind for rate in rates].count("VAT") > 1 for rates in known
        ),
    }


def are_too_many(rates: Sequence[TaxRate]) -> bool:
    return len(rates) > MOST_RATES


def create_tax_rate(world: World, rate: TaxRate) -> TaxRate:
    percent = Decimal(rate.percent)
    refuse(
        SELLER_MISSING=not world.sellers.versions,
        INVALID_INPUT=(rate.kind == "VAT") != (rate.category is not None),
        TAX_PERCENT_INVALID=not 0 <= percent <= 100
        or percent != round(percent, 4)
        or (rate.category == "S" and percent == 0)
        or (rate.category == "Z" and percent != 0),
    )
    world.tax_rates.append(rate)
    return rate


def archive_tax_rate(rate: TaxRate) -> TaxRate:
    refuse(TAX_RATE_ARCHIVED=rate.archived)
    rate.archived = True
    rate.version += 1
    return rate


def confirm_tax_id(world: World, customer: Customer, country: str, value: str) -> None:
    at = max(world.time_of(customer), customer.updated_at)
    refuse(TAX_ID_NOT_FOUND=(country, value) not in [number[:2] for number in customer.tax_ids])
    confirmed = tuple(
        (*number[:2], number[2] or at) if number[:2] == (country, value) else number for number in customer.tax_ids
    )
    if confirmed != customer.tax_ids:
        customer.tax_ids = confirmed
        customer.note("CUSTOMER_UPDATED", customer, at)
