"""Reads of what decides taxes: the seller and the tax rates."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import TaxCategory, TaxKind
from billing.ids import SellerId, TaxRateId
from billing.taxes import Tax, TaxRules
from db.models import Seller, TaxRate
from db.models.base import table_of

# Tables instead of models: a change by a customer session, which may not see them, is taxed like any other.
sellers, tax_rates = table_of(Seller), table_of(TaxRate)


def latest_seller_id() -> Select[Any]:
    """Selects the id of the version of the seller's profile that is in force."""
    return select(sellers.c.id).order_by(sellers.c.revision.desc()).limit(1)


async def tax_rules(session: AsyncSession, seller_id: SellerId) -> TaxRules:
    """Returns the rules of a seller, with all tax rates, archived ones included. Sends one statement."""
    columns = [tax_rates.c[name] for name in ("id", "name", "kind", "category", "reason")]
    pairs = [part for column in columns for part in (column.name, column)]
    # As text: a JSON number would be read as a float.
    rate = func.jsonb_build_object(*pairs, "percent", cast(tax_rates.c.percent, Text))
    rates = select(func.jsonb_agg(rate, type_=JSONB())).scalar_subquery()
    statement = select(sellers.c.home_country, sellers.c.registrations, sellers.c.cash_rounding, rates)
    found = await session.execute(statement.where(sellers.c.id == seller_id))
    country, registrations, rounding, all_rates = found.one()
    taxes = map(tax_of, all_rates or ())
    return TaxRules(seller_id, country, registrations, rounding, {tax.rate_id: tax for tax in taxes if tax.rate_id})


def tax_of(rate: dict[str, Any]) -> Tax:
    category = rate["category"]
    return Tax(
        name=rate["name"],
        kind=TaxKind(rate["kind"]),
        category=category and TaxCategory(category),
        percent=Decimal(rate["percent"]),
        reason=rate["reason"],
        rate_id=TaxRateId(UUID(rate["id"])),
    )
