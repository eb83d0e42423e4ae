"""Reads of what decides taxes: the seller and the tax rates."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import TaxCategory, TaxKind
from billing.ids import SellerId, TaxRateId
from billing.taxes import Tax, TaxRules
from db.models import Seller, TaxRate


def latest_seller_id() -> Select[SellerId]:
    """Selects the id of the version of the seller's profile that is in force."""
    return select(Seller.id).order_by(Seller.revision.desc()).limit(1)


async def tax_rules(session: AsyncSession, seller_id: SellerId) -> TaxRules:
    """Returns the rules of a seller, with all tax rates, archived ones included. Sends one statement."""
    names = (TaxRate.id, TaxRate.name, TaxRate.kind, TaxRate.category, TaxRate.percent, TaxRate.reason)
    pairs = [part for column in names for part in (column.key, column)]
    rates = select(func.jsonb_agg(func.jsonb_build_object(*pairs), type_=JSONB())).scalar_subquery()
    statement = select(Seller.home_country, Seller.registrations, Seller.cash_rounding, rates)
    country, registrations, rounding, found = (await session.execute(statement.where(Seller.id == seller_id))).one()
    taxes = map(tax_of, found or ())
    return TaxRules(seller_id, country, registrations, rounding, {tax.rate_id: tax for tax in taxes if tax.rate_id})


def tax_of(rate: dict[str, Any]) -> Tax:
    category = rate["category"]
    return Tax(
        name=rate["name"],
        kind=TaxKind(rate["kind"]),
        category=category and TaxCategory(category),
        percent=Decimal(str(rate["percent"])),
        reason=rate["reason"],
        rate_id=TaxRateId(UUID(rate["id"])),
    )
