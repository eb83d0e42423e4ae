"""What billing reads of what is stored: rows as plain values, some of which the rules change."""

from dataclasses import dataclass
from datetime import datetime

from billing.periods import Interval, Period
from db.values import (
    BillTo,
    CustomerId,
    InvoiceId,
    InvoiceKind,
    InvoiceLineId,
    InvoiceStatus,
    PlanId,
    PlanInterval,
    SubscriptionId,
    SubscriptionStatus,
    TestClockId,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is billed for each period: so many units of a plan."""

    plan_id: PlanId
    plan_name: str
    unit_amount_cents: int
    currency: str
    interval: Interval
    quantity: int
    net_days: int | None

    @property
    def amount_cents(self) -> int:
        """The price of one whole period, which may be more than an amount can be."""
        return self.unit_amount_cents * self.quantity

    @property
    def label(self) -> str:
        """How the terms are called on an invoice."""
        return self.plan_name if self.quantity == 1 else f"{self.quantity} × {self.plan_name}"


@dataclass(frozen=True, slots=True)
class PlanState:
    """The columns of a plan that a new or changed subscription depends on."""

    id: PlanId
    name: str
    amount_cents: int
    currency: str
    interval: PlanInterval
    interval_count: int
    net_days: int | None
    trial_days: int
    archived_at: datetime | None


@dataclass(slots=True)
class CustomerState:
    """The columns of a customer that billing reads or changes."""

    id: CustomerId
    currency: str | None
    invoice_prefix: str
    last_invoice_number: int
    balance_cents: int
    last_ledger_number: int
    net_days: int | None
    test_clock_id: TestClockId | None
    archived_at: datetime | None
    version: int
    updated_at: datetime
    bill_to: BillTo


@dataclass(slots=True)
class SubscriptionState:
    """The columns of a subscription that billing reads or changes."""

    id: SubscriptionId
    customer_id: CustomerId
    plan_id: PlanId
    quantity: int
    status: SubscriptionStatus
    anchor_at: datetime
    anchor_ordinal: int
    next_ordinal: int
    """The ordinal of the first period that is not billed yet: no column, but one more than the last period's."""
    started_at: datetime | None
    current_period_start: datetime | None
    current_period_end: datetime | None
    next_billing_at: datetime | None
    cancel_at_period_end: bool
    canceled_at: datetime | None
    ended_at: datetime | None
    trial_start: datetime | None
    trial_end: datetime | None
    terms_at: datetime | None
    pending_plan_id: PlanId | None
    pending_quantity: int | None
    pending_since: datetime | None
    test_clock_id: TestClockId | None
    version: int
    updated_at: datetime

    @property
    def is_live(self) -> bool:
        return self.status is not SubscriptionStatus.CANCELED

    @property
    def current_period(self) -> Period:
        assert self.current_period_start is not None, "the subscription has begun"
        assert self.current_period_end is not None, "the subscription has begun"
        return Period(self.current_period_start, self.current_period_end)


@dataclass(slots=True)
class InvoiceState:
    """The columns of an invoice that change once it is finalized, and those that it is judged by."""

    id: InvoiceId
    subscription_id: SubscriptionId | None
    kind: InvoiceKind
    status: InvoiceStatus
    currency: str
    amount_cents: int
    amount_due_cents: int
    due_at: datetime | None
    paid_at: datetime | None
    version: int
    updated_at: datetime


@dataclass(slots=True)
class BilledLine:
    """A charge that may be given back in part: what was billed on it (0 on a void invoice) and credited since."""

    id: InvoiceLineId
    invoice_id: InvoiceId | None
    description: str
    plan_id: PlanId | None
    quantity: int
    unit_amount_cents: int
    amount_cents: int
    period_ordinal: int | None
    span: Period
    credited_cents: int
