"""Reads of the records that billing rules need, for one or many customers.

The number of statements does not depend on the number of customers. The results are plain records, not ORM objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from billing.enums import UNPAID, EventType, InvoiceStatus, PeriodKind, SubscriptionStatus
from billing.ids import CustomerId, InvoiceId, PlanId, SubscriptionId, TestClockId
from billing.records import (
    AllocationState,
    BillTo,
    CustomerState,
    InvoiceState,
    PlanState,
    Price,
    SubscriptionState,
)
from db.access.records import bind
from db.access.statements import Statement, cached, send
from db.models import (
    Allocation,
    BillingHold,
    BillingPeriod,
    Customer,
    Discount,
    Event,
    Invoice,
    InvoiceLine,
    Plan,
    Subscription,
    Trial,
)
from db.queries.tax_rules import latest_seller_id

PendingPlan = aliased(Plan, name="pending_plans")

LATEST_PERIOD = (
    select(BillingPeriod.ordinal, BillingPeriod.billed_until, BillingPeriod.whole_seconds)
    .where(BillingPeriod.subscription_id == Subscription.id, BillingPeriod.customer_id == Subscription.customer_id)
    .order_by(BillingPeriod.ordinal.desc())
    .limit(1)
    .lateral("latest_periods")
)


@dataclass(slots=True)
class Head:
    """A customer and its subscription, with the plans, the failed billing attempts, and flags for unpaid invoices and
    for discounts.
    """

    customer: CustomerState
    subscription: SubscriptionState | None
    plan: Price | None
    pending_plan: Price | None
    hold_attempts: int | None
    has_unpaid: bool
    has_discounts: bool


def is_unpaid() -> ColumnElement[bool]:
    # Literals, not parameters: otherwise PostgreSQL cannot use the partial index on unpaid invoices.
    return Invoice.status.in_([literal_column(f"'{status.value}'") for status in UNPAID])


NO_TAX_IDS: ColumnElement[Any] = literal_column("NULL")
"""In place of the tax ids of `bill_to`, which the rules take from the tax profile when they finalize an invoice."""

HEAD = bind(
    Head,
    customer=bind(
        CustomerState,
        Customer,
        subscription_status=type_coerce(Customer.subscription_status, Text()),
        seller_id=latest_seller_id().scalar_subquery(),
        bill_to=bind(BillTo, Customer, tax_ids=NO_TAX_IDS),
    ),
    subscription=bind(
        SubscriptionState,
        Subscription,
        counted_status=type_coerce(Subscription.counted_status, Text()),
        next_ordinal=func.coalesce(LATEST_PERIOD.c.ordinal + 1, 0),
        billed_until=LATEST_PERIOD.c.billed_until,
        whole_seconds=LATEST_PERIOD.c.whole_seconds,
    ),
    plan=bind(Price, Plan),
    pending_plan=bind(Price, PendingPlan),
    hold_attempts=BillingHold.attempts,
    has_unpaid=exists().where(Invoice.customer_id == Customer.id, is_unpaid()),
    has_discounts=exists().where(Discount.customer_id == Customer.id, Discount.removed_at.is_(None)),
)
PLAN = bind(PlanState, Plan)
INVOICE = bind(InvoiceState, Invoice)
ALLOCATION = bind(AllocationState, Allocation)


async def heads_by_subscription(session: AsyncSession, ids: Sequence[SubscriptionId]) -> Sequence[Head]:
    """Returns the heads of subscriptions and their customers, ordered by `next_billing_at` of the subscriptions."""
    return HEAD.read(await send(session, heads_of_subscriptions(), ids=ids))


async def head_by_customer(session: AsyncSession, customer_id: CustomerId) -> Head | None:
    """Returns the head of a customer and its live subscription, if any. None if the customer does not exist."""
    rows = await send(session, heads_of_customer(), customer_id=customer_id)
    return HEAD.make(*rows[0]) if rows else None


@cached
def heads_of_subscriptions() -> Statement:
    return Statement(
        account_heads(live=False)
        .where(Subscription.id == any_(bindparam("ids", type_=ARRAY(Subscription.id.type))))
        .order_by(Subscription.next_billing_at, Subscription.id)
    )


@cached
def heads_of_customer() -> Statement:
    return Statement(account_heads(live=True).where(Customer.id == bindparam("customer_id", type_=Customer.id.type)))


def account_heads(*, live: bool) -> Select[*tuple[Any, ...]]:
    """Selects customers with each of their subscriptions or, if `live`, with the live one or none."""
    theirs = Subscription.customer_id == Customer.id
    return (
        select(*HEAD.columns)
        .select_from(Customer)
        .join(
            Subscription,
            and_(theirs, Subscription.status != SubscriptionStatus.CANCELED) if live else theirs,
            isouter=live,
        )
        .outerjoin(LATEST_PERIOD, true())
        .outerjoin(Plan, Plan.id == Subscription.plan_id)
        .outerjoin(PendingPlan, PendingPlan.id == Subscription.pending_plan_id)
        .outerjoin(
            BillingHold,
            and_(
                BillingHold.subscription_id == Subscription.id,
                BillingHold.customer_id == Subscription.customer_id,
            ),
        )
    )


def overdue_on(test_clock_id: TestClockId | None, due_before: datetime) -> ColumnElement[bool]:
    """Returns the condition for ACTIVE subscriptions with an OPEN invoice that was due before `due_before`.

    Covers subscriptions on the test clock, or those in real time if it is None.
    """
    return and_(
        on_test_clock(Subscription.test_clock_id, test_clock_id),
        Subscription.status == SubscriptionStatus.ACTIVE,
        exists().where(
            Invoice.subscription_id == Subscription.id,
            Invoice.customer_id == Subscription.customer_id,
            Invoice.status == InvoiceStatus.OPEN,
            Invoice.due_at < due_before,
            on_test_clock(Invoice.test_clock_id, test_clock_id),
        ),
    )


def on_test_clock(
    column: InstrumentedAttribute[TestClockId | None], test_clock_id: TestClockId | None
) -> ColumnElement[bool]:
    return column.is_(None) if test_clock_id is None else column == test_clock_id


def not_held(now: datetime) -> ColumnElement[bool]:
    return or_(BillingHold.retry_at.is_(None), BillingHold.retry_at <= now)


async def unpaid_invoices_by_customer(session: AsyncSession, customer_ids: Sequence[CustomerId]) -> list[InvoiceState]:
    """Returns the OPEN and UNCOLLECTIBLE invoices of the customers, in no particular order."""
    return INVOICE.read(await send(session, unpaid_invoices(), customer_ids=customer_ids))


@cached
def unpaid_invoices() -> Statement:
    customers = bindparam("customer_ids", type_=ARRAY(Customer.id.type))
    return Statement(select(*INVOICE.columns).where(Invoice.customer_id == any_(customers), is_unpaid()))


async def trial_subscription(session: AsyncSession, customer_id: CustomerId, plan_id: PlanId) -> SubscriptionId | None:
    """Returns the subscription in which the customer had or has a trial of the plan, or None."""
    trials = select(Trial.subscription_id).where(Trial.customer_id == customer_id, Trial.plan_id == plan_id)
    # Servers of earlier releases do not write to `trials`: see `services.repairs`.
    periods = select(BillingPeriod.subscription_id).where(
        BillingPeriod.customer_id == customer_id,
        BillingPeriod.plan_id == plan_id,
        BillingPeriod.kind == PeriodKind.TRIAL,
    )
    changed_to = select(Subscription.id).where(
        Subscription.customer_id == customer_id,
        Subscription.plan_id == plan_id,
        Subscription.trial_start <= Subscription.terms_at,
        Subscription.terms_at < Subscription.trial_end,
    )
    found: SubscriptionId | None = await session.scalar(union_all(trials, periods, changed_to).limit(1))
    return found


def due_on(test_clock_id: TestClockId | None, as_of: datetime) -> ColumnElement[bool]:
    """Returns the condition for subscriptions that are due on the test clock, or in real time if it is None."""
    return and_(
        on_test_clock(Subscription.test_clock_id, test_clock_id),
        Subscription.next_billing_at <= as_of,
    )


async def allocations_of_invoice(session: AsyncSession, invoice_id: InvoiceId) -> list[AllocationState]:
    """Returns the allocations of an invoice that are not released."""
    statement = select(*ALLOCATION.columns).where(Allocation.invoice_id == invoice_id, Allocation.released_at.is_(None))
    return ALLOCATION.read(await session.execute(statement))


async def period_was_changed(
    session: AsyncSession, subscription_id: SubscriptionId, ordinal: int, ends_at: datetime
) -> bool:
    """Returns True if the plan or quantity changed within a period, or if the period ends before `ends_at`."""
    changed = exists().where(
        BillingPeriod.subscription_id == subscription_id,
        BillingPeriod.ordinal == ordinal,
        or_(BillingPeriod.changed_at.is_not(None), BillingPeriod.ends_at < ends_at),
    )
    return bool(await session.scalar(select(changed)))


async def is_later_event(session: AsyncSession, one: tuple[UUID, EventType], other: tuple[UUID, EventType]) -> bool:
    """Returns True if the last event `one` is later than the last event `other`. False if either does not exist.

    Both objects must belong to the same customer, whose lock makes the order of positions reliable.
    """

    def position(subject: tuple[UUID, EventType]) -> ScalarSelect[int | None]:
        object_id, type_ = subject
        last = select(func.max(Event.position)).where(Event.object_id == object_id, Event.type == type_)
        return last.scalar_subquery()

    return bool(await session.scalar(select(position(one) > position(other))))


async def was_changed_since(
    session: AsyncSession, subscription_id: SubscriptionId, invoice_id: InvoiceId, *, before: datetime
) -> bool:
    """Returns True if the period that an invoice of a change is for was changed or cut short since.

    The plan or quantity changed after the invoice was finalized and before `before`, or a later period than those of
    its lines starts before `before`. The customer's lock makes the order of positions reliable.
    """
    finalized = (
        select(Event.position)
        .where(Event.object_id == invoice_id, Event.type == EventType.INVOICE_FINALIZED)
        .scalar_subquery()
    )
    changed = exists().where(
        Event.object_id == subscription_id,
        Event.type == EventType.SUBSCRIPTION_CHANGED,
        Event.position > finalized,
        Event.occurred_at < before,
    )
    billed = select(func.max(InvoiceLine.period_ordinal)).where(InvoiceLine.invoice_id == invoice_id).scalar_subquery()
    shortened = exists().where(
        BillingPeriod.subscription_id == subscription_id,
        BillingPeriod.ordinal > billed,
        BillingPeriod.starts_at < before,
    )
    return bool(await session.scalar(select(or_(changed, shortened))))


async def read_plan(session: AsyncSession, plan_id: PlanId) -> PlanState | None:
    rows = await send(session, plan_by_id(), plan_id=plan_id)
    return PLAN.make(*rows[0]) if rows else None


@cached
def plan_by_id() -> Statement:
    return Statement(select(*PLAN.columns).where(Plan.id == bindparam("plan_id", type_=Plan.id.type)))
