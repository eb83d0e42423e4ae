"""Tax rates. They never change: they are archived, and replaced by new ones."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import EventType, TaxCategory, TaxKind
from billing.errors import SellerMissing, TaxRateArchived, TaxRateNotFound, TooManyTaxRates
from billing.ids import TaxRateId, new_id
from billing.limits import MAX_NAME, MAX_TAX_RATES
from billing.tax_validation import valid_category, valid_percent, valid_rate_ids, valid_tax_reason
from billing.taxes import Tax
from billing.validation import required_text
from db.models import Seller, TaxRate
from db.models.base import mark_changed
from services.events import record
from services.idempotency import Outcome


async def create_tax_rate(
    session: AsyncSession,
    *,
    name: str,
    kind: TaxKind,
    category: TaxCategory | None,
    percent: Decimal,
    reason: str | None = None,
    now: datetime,
) -> Outcome:
    """Creates a tax rate, which never changes.

    Raises `SellerMissing`, `InvalidInput`, `TaxPercentInvalid`, `TooManyTaxRates`.
    """
    if await session.scalar(select(Seller.id).limit(1)) is None:
        raise SellerMissing("Configure the seller with updateSeller first: every taxed invoice has one.")
    category = valid_category(kind, category)
    rate = TaxRate(
        id=TaxRateId(new_id()),
        name=required_text(name, "name", MAX_NAME),
        kind=kind,
        category=category,
        percent=valid_percent(percent, category),
        reason=valid_tax_reason(reason, category),
        archived_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    await session.execute(text("LOCK TABLE tax_rates IN SHARE ROW EXCLUSIVE MODE"))
    if (await session.scalar(select(func.count()).select_from(TaxRate)) or 0) >= MAX_TAX_RATES:
        raise TooManyTaxRates(f"There may be at most {MAX_TAX_RATES} tax rates, archived ones included.")
    session.add(rate)
    await record(session, EventType.TAX_RATE_CREATED, rate, at=now, now=now)
    return Outcome(tax_rate_id=rate.id)


async def archive_tax_rate(session: AsyncSession, *, tax_rate_id: TaxRateId, now: datetime) -> Outcome:
    """Archives a tax rate: it can no longer be chosen, and still applies where it was.

    Raises `TaxRateNotFound`, `TaxRateArchived`.
    """
    rate = await session.scalar(select(TaxRate).where(TaxRate.id == tax_rate_id).with_for_update())
    if rate is None:
        raise TaxRateNotFound("There is no tax rate with this id.")
    if rate.archived_at is not None:
        raise TaxRateArchived("This tax rate is already archived.")
    rate.archived_at = now
    mark_changed(rate, now)
    await record(session, EventType.TAX_RATE_ARCHIVED, rate, at=now, now=now)
    return Outcome(tax_rate_id=rate.id)


async def read_tax_rates(session: AsyncSession) -> tuple[dict[TaxRateId, Tax], set[TaxRateId]]:
    """Returns all tax rates, and the ids of those that are archived."""
    # A caller may have changed a row already, and reports a violated constraint when it stores that.
    with session.no_autoflush:
        rows = (await session.scalars(select(TaxRate))).all()
    rates = {row.id: Tax(row.name, row.kind, row.category, row.percent, row.reason, row.id) for row in rows}
    return rates, {row.id for row in rows if row.archived_at is not None}


async def checked_rate_ids(
    session: AsyncSession, rate_ids: Sequence[TaxRateId], *field: str, chosen_before: Sequence[TaxRateId] = ()
) -> tuple[TaxRateId, ...]:
    """Returns the ids of tax rates that exist and apply together. `field` is the input that names them.

    Rates that were `chosen_before` may be archived. Raises the errors of `valid_rate_ids`.
    """
    if not rate_ids:
        return ()
    rates, archived = await read_tax_rates(session)
    return valid_rate_ids(rate_ids, rates, archived.difference(chosen_before), *field)
