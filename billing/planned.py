"""Rows that were decided and are about to be stored: their fields are the columns."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.states import InvoiceState
from db.values import (
    AllocationKind,
    BillTo,
    CustomerId,
    EventType,
    InvoiceId,
    InvoiceLineId,
    LedgerEntryKind,
    LineKind,
    ObjectType,
    PaymentId,
    PaymentMethod,
    PeriodKind,
    PlanId,
    SubscriptionId,
    TestClockId,
)


@dataclass(slots=True)
class PlannedPeriod:
    """A link of a subscription's timeline that is about to be stored."""

    subscription_id: SubscriptionId
    customer_id: CustomerId
    ordinal: int
    after_ordinal: int | None
    kind: PeriodKind
    starts_at: datetime
    ends_at: datetime
    plan_id: PlanId
    quantity: int


@dataclass(slots=True)
class PlannedLine:
    """A line that is about to be stored: on an invoice, or among those that wait for one."""

    id: InvoiceLineId
    customer_id: CustomerId
    kind: LineKind
    description: str
    plan_id: PlanId | None
    quantity: int
    unit_amount_cents: int
    amount_cents: int
    period_ordinal: int | None
    period_start: datetime | None
    period_end: datetime | None
    reverses_line_id: InvoiceLineId | None = None
    reverses_invoice_id: InvoiceId | None = None
    """The invoice that the reversed line is on, where it is on one: no column."""
    created_at: datetime | None = None
    """Since when it waits for an invoice; a line of an invoice is as old as that."""


@dataclass(slots=True)
class PlannedInvoice(InvoiceState):
    """A finalized invoice that is about to be stored with its lines."""

    customer_id: CustomerId
    period_ordinal: int | None
    sequence: int
    number: str
    subtotal_cents: int
    tax_cents: int
    bill_to: BillTo
    period_start: datetime
    period_end: datetime
    issued_at: datetime
    replaces_id: InvoiceId | None
    test_clock_id: TestClockId | None
    created_at: datetime
    lines: list[PlannedLine]


@dataclass(slots=True)
class PlannedPayment:
    """Money received that is about to be stored."""

    id: PaymentId
    customer_id: CustomerId
    amount_cents: int
    overpayment_cents: int
    currency: str
    method: PaymentMethod
    reference: str | None
    received_at: datetime
    created_at: datetime


@dataclass(slots=True)
class PlannedAllocation:
    """Money put against an invoice that is about to be stored."""

    id: UUID
    customer_id: CustomerId
    invoice_id: InvoiceId
    kind: AllocationKind
    amount_cents: int
    payment_id: PaymentId | None
    source_invoice_id: InvoiceId | None
    created_at: datetime


@dataclass(slots=True)
class PlannedLedgerEntry:
    """A change of the balance that is about to be stored."""

    id: UUID
    customer_id: CustomerId
    sequence: int
    kind: LedgerEntryKind
    amount_cents: int
    balance_after_cents: int
    currency: str
    invoice_id: InvoiceId | None
    payment_id: PaymentId | None
    created_at: datetime


@dataclass(slots=True)
class PlannedEvent:
    """An event that is about to be stored."""

    id: UUID
    customer_id: CustomerId | None
    type: EventType
    object_type: ObjectType
    object_id: UUID
    version: int
    actor: str
    changes: list[str]
    occurred_at: datetime
    recorded_at: datetime
