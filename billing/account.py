"""One customer's account in memory: all that billing decides by, and all that it has decided and not yet stored.

Pure: `billing.reader` fills an account from the database, the rules change it, `billing.writer` stores what they
changed. A preview is the same without the last step.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.ids import NewId, new_id
from billing.periods import Interval, Period
from db.values import (
    CHARGES,
    AllocationKind,
    BillTo,
    CustomerId,
    EventType,
    InvoiceId,
    InvoiceKind,
    InvoiceLineId,
    InvoiceStatus,
    LedgerEntryKind,
    LineKind,
    ObjectType,
    PaymentId,
    PaymentMethod,
    PeriodKind,
    PlanId,
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


@dataclass(slots=True)
class Account:
    """A customer, the subscription in question, what is unpaid, and what was decided.

    `unpaid` are the invoices that are OPEN or UNCOLLECTIBLE, oldest due first; `billed_lines` the charges whose span is
    not over, read only where something may be given back; `waiting` the lines that wait for the next invoice. `actor`
    and `recorded_at` (the wall clock, where the account itself may live in the time of a test clock) go to the events.
    """

    customer: CustomerState
    subscription: SubscriptionState | None = None
    terms: Terms | None = None
    pending_terms: Terms | None = None
    unpaid: list[InvoiceState] = field(default_factory=list)
    billed_lines: list[BilledLine] = field(default_factory=list)
    waiting: list[PlannedLine] = field(default_factory=list)
    held: bool = False
    actor: str = "api"
    recorded_at: datetime | None = None
    make_id: NewId = new_id

    # What was decided.
    periods: list[PlannedPeriod] = field(default_factory=list)
    cut_periods: list[tuple[int, datetime]] = field(default_factory=list)
    invoices: list[PlannedInvoice] = field(default_factory=list)
    changed_invoices: dict[InvoiceId, InvoiceState] = field(default_factory=dict)
    now_waiting: list[PlannedLine] = field(default_factory=list)
    no_longer_waiting: list[PlannedLine] = field(default_factory=list)
    payments: list[PlannedPayment] = field(default_factory=list)
    allocations: list[PlannedAllocation] = field(default_factory=list)
    released_allocations: list[tuple[UUID, datetime]] = field(default_factory=list)
    ledger_entries: list[PlannedLedgerEntry] = field(default_factory=list)
    events: list[PlannedEvent] = field(default_factory=list)
    customer_changed: bool = False
    subscription_changed: bool = False

    @property
    def live_subscription(self) -> SubscriptionState:
        """The subscription, of an account that has one."""
        assert self.subscription is not None, "an account that is asked has a subscription"
        return self.subscription

    @property
    def live_terms(self) -> Terms:
        assert self.terms is not None, "an account with a subscription has terms"
        return self.terms

    def note(
        self,
        type_: EventType,
        subject: CustomerState | SubscriptionState | InvoiceState,
        at: datetime,
        changes: Sequence[str] = (),
    ) -> None:
        """Marks `subject` as changed at `at`: its version goes up, and an event says so."""
        subject.version += 1
        # A run may be made as of an earlier instant than the last change.
        subject.updated_at = max(subject.updated_at, at)
        match subject:
            case CustomerState():
                object_type = ObjectType.CUSTOMER
                self.customer_changed = True
            case SubscriptionState():
                object_type = ObjectType.SUBSCRIPTION
                self.subscription_changed = True
            case InvoiceState():
                object_type = ObjectType.INVOICE
                if not isinstance(subject, PlannedInvoice):
                    self.changed_invoices[subject.id] = subject
        self.tell(type_, object_type, subject.id, subject.version, at, changes)

    def tell(
        self,
        type_: EventType,
        object_type: ObjectType,
        object_id: UUID,
        version: int,
        at: datetime,
        changes: Sequence[str] = (),
    ) -> None:
        """Adds an event."""
        self.events.append(
            PlannedEvent(
                id=self.make_id(),
                customer_id=self.customer.id,
                type=type_,
                object_type=object_type,
                object_id=object_id,
                version=version,
                actor=self.actor,
                changes=list(changes),
                occurred_at=at,
                recorded_at=self.recorded_at or at,
            )
        )

    def wait(self, lines: Iterable[PlannedLine], at: datetime) -> None:
        """Lays lines aside at `at`, for the next invoice."""
        for line in lines:
            line.created_at = at
            self.waiting.append(line)
            self.now_waiting.append(line)
            self._can_be_reversed(line, None)

    def take_waiting(self) -> list[PlannedLine]:
        """The lines that waited; they wait no longer."""
        taken, self.waiting = self.waiting, []
        stored = {line.id for line in taken} - {line.id for line in self.now_waiting}
        self.no_longer_waiting.extend(line for line in taken if line.id in stored)
        self.now_waiting = []
        return taken

    def add_invoice(self, invoice: PlannedInvoice) -> None:
        self.invoices.append(invoice)
        for line in invoice.lines:
            self._can_be_reversed(line, invoice.id)

    def _can_be_reversed(self, line: PlannedLine, invoice_id: InvoiceId | None) -> None:
        if line.amount_cents <= 0 or line.kind not in CHARGES:
            return
        for billed in self.billed_lines:
            if billed.id == line.id:
                billed.invoice_id = invoice_id
                return
        assert line.period_start is not None, "what a plan costs, it costs for a span"
        assert line.period_end is not None, "what a plan costs, it costs for a span"
        self.billed_lines.append(
            BilledLine(
                id=line.id,
                invoice_id=invoice_id,
                description=line.description,
                plan_id=line.plan_id,
                quantity=line.quantity,
                unit_amount_cents=line.unit_amount_cents,
                amount_cents=line.amount_cents,
                period_ordinal=line.period_ordinal,
                span=Period(line.period_start, line.period_end),
                credited_cents=0,
            )
        )
