"""Operations on the seller, tax rates and tax ids. Each raises `Refused`.

No rate of the walk is chosen for anything, and the seller has no registrations, so every tax is 0.
"""

from decimal import Decimal

from tests.walk.model.shared import Seller, TaxRate, refuse
from tests.walk.model.world import Customer, World


def update_seller(world: World, name: str | None, phone: str | None) -> Seller:
    before = world.sellers[-1] if world.sellers else None
    named = name if name is not None else before.name if before else ""
    refuse(INVALID_INPUT=not named.strip())
    seller = Seller(named, phone or (before.phone if before else None))
    world.sellers.append(seller)
    return seller


def create_tax_rate(world: World, rate: TaxRate) -> TaxRate:
    percent = Decimal(rate.percent)
    refuse(
        SELLER_MISSING=not world.sellers,
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


def confirm_tax_id(world: World, customer: Customer) -> None:
    world.time_of(customer)
    refuse(TAX_ID_NOT_FOUND=True)
