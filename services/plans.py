"""Plans that customers subscribe to. Price, currency and interval never change: a new price needs a new plan."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import EventType, PlanInterval, TaxBehavior
from billing.errors import (
    PlanArchived,
    PlanCodeTaken,
    PlanNotArchived,
    PlanNotFound,
)
from billing.ids import PlanId, TaxRateId, new_id
from billing.limits import MAX_NAME, MAX_PLAN_DESCRIPTION
from billing.tax_validation import valid_line_tax
from billing.taxes import UNTAXED
from billing.validation import (
    UNCHANGED,
    Unchanged,
    optional_text,
    required_text,
    valid_currency,
    valid_interval_count,
    valid_metadata,
    valid_net_days,
    valid_plan_code,
    valid_price,
    valid_trial_days,
)
from db.driver.errors import violated_constraint
from db.models import Plan
from db.models.base import mark_changed
from db.queries.arrays import among
from db.queries.locks import locked_plan
from services.events import record
from services.idempotency import Outcome
from services.tax_rates import checked_rate_ids


async def create_plan(
    session: AsyncSession,
    *,
    code: str,
    name: str,
    description: str | None = None,
    amount_cents: int,
    currency: str,
    interval: PlanInterval = PlanInterval.DAY,
    interval_count: int | None = None,
    trial_days: int = 0,
    net_days: int | None = None,
    tax_behavior: TaxBehavior = TaxBehavior.EXCLUSIVE,
    tax_rate_ids: Sequence[TaxRateId] = (),
    metadata: Mapping[str, str] | None = None,
    now: datetime,
) -> Outcome:
    """Creates a plan. By default it bills every `PLAN_DAYS` days.

    `interval_count` defaults to `PLAN_DAYS` for days and to 1 for other intervals. Raises `InvalidInput`,
    `PlanCodeTaken`, `AmountNegative`, `AmountTooLarge`, `CurrencyUnknown`, `TaxRateNotFound`, `TaxRateArchived`,
    `TaxRatesConflict`.
    """
    interval_count = valid_interval_count(interval, interval_count)
    valid_price(amount_cents)
    valid_currency(currency)
    plan = Plan(
        id=PlanId(new_id()),
        code=valid_plan_code(code),
        name=required_text(name, "name", MAX_NAME),
        description=optional_text(description, "description", MAX_PLAN_DESCRIPTION),
        amount_cents=amount_cents,
        currency=currency,
        interval=interval,
        interval_count=interval_count,
        trial_days=valid_trial_days(trial_days),
        net_days=valid_net_days(net_days),
        tax=valid_line_tax(tax_behavior, await checked_rate_ids(session, tax_rate_ids, "tax_rate_ids")),
        custom_metadata=valid_metadata(metadata),
        archived_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(plan)
    try:
        await record(session, EventType.PLAN_CREATED, plan, at=now, now=now)
    except IntegrityError as error:
        if violated_constraint(error) == "uq_plans_code":
            raise PlanCodeTaken("Another plan has this code.") from None
        raise
    return Outcome(plan_id=plan.id)


async def update_plan(
    session: AsyncSession,
    *,
    plan_id: PlanId,
    name: str | None | Unchanged = UNCHANGED,
    description: str | None | Unchanged = UNCHANGED,
    trial_days: int | None | Unchanged = UNCHANGED,
    net_days: int | None | Unchanged = UNCHANGED,
    tax_rate_ids: Sequence[TaxRateId] | None | Unchanged = UNCHANGED,
    metadata: Mapping[str, str] | None | Unchanged = UNCHANGED,
    now: datetime,
) -> Outcome:
    """Updates the given fields. `metadata` and `tax_rate_ids` are replaced as a whole.

    Raises `PlanNotFound`, `InvalidInput`, `TaxRateNotFound`, `TaxRateArchived`, `TaxRatesConflict`.
    """
    plan = await lock_existing_plan(session, plan_id)
    if name is not UNCHANGED:
        plan.name = required_text(name, "name", MAX_NAME)
    if description is not UNCHANGED:
        plan.description = optional_text(description, "description", MAX_PLAN_DESCRIPTION)
    if trial_days is not UNCHANGED:
        plan.trial_days = valid_trial_days(trial_days or 0)
    if net_days is not UNCHANGED:
        plan.net_days = valid_net_days(net_days)
    also = []
    if tax_rate_ids is not UNCHANGED:
        before = plan.tax or UNTAXED
        rate_ids = await checked_rate_ids(session, tax_rate_ids or (), "tax_rate_ids", chosen_before=before.rate_ids)
        if rate_ids != before.rate_ids:
            plan.tax = valid_line_tax(before.behavior, rate_ids)
            also.append("tax_rates")
    if metadata is not UNCHANGED:
        plan.custom_metadata = valid_metadata(metadata)

    if session.is_modified(plan):
        mark_changed(plan, now)
        await record(session, EventType.PLAN_UPDATED, plan, also=also, at=now, now=now)
    return Outcome(plan_id=plan.id)


async def archive_plan(session: AsyncSession, *, plan_id: PlanId, now: datetime) -> Outcome:
    """Archives a plan, which then accepts no new subscriptions. Existing subscriptions continue.

    Raises `PlanNotFound`, `PlanArchived`.
    """
    plan = await lock_existing_plan(session, plan_id)
    if plan.archived_at is not None:
        raise PlanArchived("This plan is already archived.")
    plan.archived_at = now
    mark_changed(plan, now)
    await record(session, EventType.PLAN_ARCHIVED, plan, at=now, now=now)
    return Outcome(plan_id=plan.id)


async def unarchive_plan(session: AsyncSession, *, plan_id: PlanId, now: datetime) -> Outcome:
    """Unarchives a plan, which accepts new subscriptions again. Raises `PlanNotFound`, `PlanNotArchived`."""
    plan = await lock_existing_plan(session, plan_id)
    if plan.archived_at is None:
        raise PlanNotArchived("This plan is not archived.")
    plan.archived_at = None
    mark_changed(plan, now)
    await record(session, EventType.PLAN_UNARCHIVED, plan, at=now, now=now)
    return Outcome(plan_id=plan.id)


async def lock_existing_plan(session: AsyncSession, plan_id: PlanId) -> Plan:
    """Returns the plan, locked. Raises `PlanNotFound`."""
    plan = await locked_plan(session, plan_id)
    if plan is None:
        raise PlanNotFound("There is no plan with this id.")
    return plan


async def require_plans(session: AsyncSession, plan_ids: Collection[PlanId]) -> None:
    """Raises `PlanNotFound` for the input `plan_ids` if one of the plans does not exist."""
    if await session.scalar(select(func.count()).where(among(Plan.id, list(plan_ids)))) != len(set(plan_ids)):
        raise PlanNotFound("At least one of these plan ids does not exist.", "plan_ids")
