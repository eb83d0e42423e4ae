"""`createSubscription` of the peers on the ORM: objects added to the session of one transaction.

Writes the same as this project's server for a customer without a balance and a paid plan without a trial. Rejects all
other cases.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from billing.enums import (
    EventType,
    InvoiceKind,
    InvoiceStatus,
    LineKind,
    ObjectType,
    PeriodKind,
    PlanInterval,
    SubscriptionStatus,
)
from billing.ids import InvoiceId, InvoiceLineId, SubscriptionId
from billing.periods import NOMINAL_MONTH, billing_interval
from billing.records import BillTo
from billing.rounding import divide
from db.models import (
    Base,
    BillingPeriod,
    Customer,
    Event,
    Invoice,
    InvoiceLine,
    MrrMovement,
    Plan,
    Subscription,
)

NET_DAYS = 14


class Refused(Exception):
    """The operation is not allowed. Nothing is stored."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Subscribed:
    subscription: Subscription
    invoice: Invoice
    line: InvoiceLine


async def create_subscription(session: AsyncSession, customer_id: UUID, plan_id: UUID) -> Subscribed:
    """Subscribes the customer to the plan and bills the first period. The caller commits. Raises `Refused`."""
    customer = await billable_customer(session, customer_id)
    plan = await open_plan(session, plan_id, customer)
    at = max(datetime.now(UTC).replace(microsecond=0), customer.updated_at)
    ends_at = end_of_period(at, plan)

    subscription = new_subscription(customer, plan, at, ends_at)
    await stored(session, subscription)
    events = []
    if customer.currency is None:
        customer.currency = plan.currency
        customer.version += 1
        customer.updated_at = at
        changed = (EventType.CUSTOMER_UPDATED, ObjectType.CUSTOMER, customer.id, customer.version, ["currency"])
        events.append(an_event(customer, *changed, at))
    customer.last_invoice_number += 1
    customer.subscription_status, customer.subscription_plan_id = subscription.status, plan.id
    period = BillingPeriod(
        subscription_id=subscription.id,
        customer_id=customer.id,
        ordinal=0,
        after_ordinal=None,
        kind=PeriodKind.BILLING,
        starts_at=at,
        ends_at=ends_at,
        plan_id=plan.id,
        quantity=1,
    )
    await stored(session, period, new_movement(customer, plan, subscription, at))
    invoice = new_invoice(customer, plan, subscription, at, ends_at)
    await stored(session, invoice)
    line = new_line(plan, invoice)
    created, finalized = EventType.SUBSCRIPTION_CREATED, EventType.INVOICE_FINALIZED
    events.append(an_event(customer, created, ObjectType.SUBSCRIPTION, subscription.id, 1, [], at))
    events.append(an_event(customer, finalized, ObjectType.INVOICE, invoice.id, 1, [], at))
    await stored(session, line, *events)
    return Subscribed(subscription, invoice, line)


async def stored(session: AsyncSession, *rows: Base) -> None:
    """Inserts rows. Called in order of dependency, because the models have no relationships to derive it from."""
    session.add_all(rows)
    await session.flush()


async def billable_customer(session: AsyncSession, id: UUID) -> Customer:
    customer = await session.scalar(select(Customer).where(Customer.id == id).with_for_update(key_share=True))
    if customer is None:
        raise Refused("CUSTOMER_NOT_FOUND", "There is no customer with this id.")
    if customer.archived_at is not None:
        raise Refused("CUSTOMER_ARCHIVED", "This customer is archived.")
    assert customer.balance_cents == 0, "not in the bench"
    assert customer.test_clock_id is None, "not in the bench"
    live = select(Subscription.id).where(
        Subscription.customer_id == id, Subscription.status != SubscriptionStatus.CANCELED
    )
    if await session.scalar(live) is not None:
        raise Refused("CUSTOMER_ALREADY_SUBSCRIBED", "This customer already has a live subscription.")
    return customer


async def open_plan(session: AsyncSession, id: UUID, customer: Customer) -> Plan:
    plan = await session.get(Plan, id)
    if plan is None:
        raise Refused("PLAN_NOT_FOUND", "There is no plan with this id.")
    if plan.archived_at is not None:
        raise Refused("PLAN_ARCHIVED", "This plan is archived.")
    if customer.currency not in (None, plan.currency):
        raise Refused("CURRENCY_MISMATCH", f"This customer is billed in {customer.currency}: use that currency.")
    assert plan.trial_days == 0, "not in the bench"
    assert plan.amount_cents > 0, "not in the bench"
    return plan


def end_of_period(at: datetime, plan: Plan) -> datetime:
    """Returns the end of the period that starts at `at`. If the month is too short, it ends on its last day."""
    if plan.interval in (PlanInterval.DAY, PlanInterval.WEEK):
        return at + timedelta(days=plan.interval_count * (7 if plan.interval is PlanInterval.WEEK else 1))
    months = at.month - 1 + plan.interval_count * (12 if plan.interval is PlanInterval.YEAR else 1)
    year, month = at.year + months // 12, months % 12 + 1
    return at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1]))


def new_subscription(customer: Customer, plan: Plan, at: datetime, ends_at: datetime) -> Subscription:
    return Subscription(
        id=SubscriptionId(uuid7()),
        customer_id=customer.id,
        plan_id=plan.id,
        quantity=1,
        status=SubscriptionStatus.ACTIVE,
        anchor_at=at,
        anchor_ordinal=0,
        started_at=at,
        current_period_start=at,
        current_period_end=ends_at,
        next_billing_at=ends_at,
        cancel_at_period_end=False,
        terms_at=at,
        custom_metadata={},
        mrr_cents=mrr_of(plan),
        counted_status=SubscriptionStatus.ACTIVE,
        version=1,
        created_at=at,
        updated_at=at,
    )


def mrr_of(plan: Plan) -> int:
    """Returns the price of an average month."""
    seconds = billing_interval(plan.interval, plan.interval_count).nominal_seconds
    return divide(plan.amount_cents * NOMINAL_MONTH, seconds)


def new_movement(customer: Customer, plan: Plan, subscription: Subscription, at: datetime) -> MrrMovement:
    """Returns the first movement of a customer."""
    mrr_cents = mrr_of(plan)
    return MrrMovement(
        customer_id=customer.id,
        sequence=1,
        subscription_id=subscription.id,
        currency=plan.currency,
        at=at,
        mrr_cents=mrr_cents,
        new_cents=mrr_cents,
        expansion_cents=0,
        contraction_cents=0,
        churned_cents=0,
        reactivated_cents=0,
        active=1,
        trialing=0,
        past_due=0,
        after_cents=mrr_cents,
        month_start_cents=0,
        first_at=at,
    )


def new_invoice(customer: Customer, plan: Plan, subscription: Subscription, at: datetime, ends_at: datetime) -> Invoice:
    sequence = customer.last_invoice_number
    days = next(days for days in (customer.net_days, plan.net_days, NET_DAYS) if days is not None)
    return Invoice(
        id=InvoiceId(uuid7()),
        customer_id=customer.id,
        subscription_id=subscription.id,
        period_ordinal=0,
        kind=InvoiceKind.RECURRING,
        status=InvoiceStatus.OPEN,
        sequence=sequence,
        number=f"{customer.invoice_prefix}-{sequence:04d}",
        currency=plan.currency,
        subtotal_cents=plan.amount_cents,
        tax_cents=0,
        amount_cents=plan.amount_cents,
        amount_due_cents=plan.amount_cents,
        bill_to=BillTo(customer.name, customer.email, customer.address, customer.tax_id),
        period_start=at,
        period_end=ends_at,
        issued_at=at,
        tax_date=at,
        due_at=at + timedelta(days=days),
        version=1,
        created_at=at,
        updated_at=at,
    )


def new_line(plan: Plan, invoice: Invoice) -> InvoiceLine:
    return InvoiceLine(
        id=InvoiceLineId(uuid7()),
        customer_id=invoice.customer_id,
        invoice_id=invoice.id,
        position=1,
        kind=LineKind.RECURRING,
        description=plan.name,
        plan_id=plan.id,
        quantity=1,
        unit_amount_cents=plan.amount_cents,
        amount_cents=plan.amount_cents,
        period_ordinal=0,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
    )


def an_event(
    customer: Customer,
    type: EventType,
    object_type: ObjectType,
    object_id: UUID,
    version: int,
    changes: list[str],
    at: datetime,
) -> Event:
    return Event(
        id=uuid7(),
        customer_id=customer.id,
        type=type,
        object_type=object_type,
        object_id=object_id,
        version=version,
        actor="bench",
        changes=changes,
        occurred_at=at,
        recorded_at=at,
    )
