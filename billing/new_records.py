"""Plain values for the rows that billing inserts, and for the lines of invoices."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.discounts import AppliedDiscount
from billing.enums import (
    AllocationKind,
    EventType,
    LedgerEntryKind,
    LineKind,
    ObjectType,
    PaymentMethod,
    PeriodKind,
)
from billing.ids import (
    ChangeId,
    CreditNoteId,
    CreditNoteLineId,
    CustomerId,
    InvoiceId,
    InvoiceLineId,
    PaymentId,
    PlanId,
    SellerId,
    SubscriptionId,
    TestClockId,
)
from billing.records import BillTo, CreditNoteState, InvoiceState, SubscriptionState
from billing.taxes import LineTax, TaxAmount


@dataclass(slots=True)
class NewSubscription(SubscriptionState):
    """A subscription to insert."""

    metadata: dict[str, str]
    created_at: datetime


@dataclass(slots=True)
class NewPeriod:
    """A period of a subscription's timeline to insert."""

    subscription_id: SubscriptionId
    customer_id: CustomerId
    ordinal: int
    after_ordinal: int | None
    kind: PeriodKind
    starts_at: datetime
    ends_at: datetime
    plan_id: PlanId
    quantity: int
    billed_until: datetime | None = None
    whole_seconds: int | None = None
    changed_at: datetime | None = None


@dataclass(slots=True)
class PeriodChange:
    """An update of a stored period: its terms changed at `changed_at`, or its end moved. None keeps the value."""

    ordinal: int
    changed_at: datetime | None = None
    ends_at: datetime | None = None
    billed_until: datetime | None = None
    whole_seconds: int | None = None


@dataclass(slots=True)
class NewTrial:
    """A trial of a plan to insert. If `promised`, it is skipped when the customer already has a trial of the plan."""

    customer_id: CustomerId
    plan_id: PlanId
    subscription_id: SubscriptionId
    started_at: datetime
    promised: bool = False


@dataclass(slots=True)
class Line:
    """A line to insert, on an invoice or as a pending line."""

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
    """The invoice that contains the reversed line, or None if that line is pending. Not a column."""
    created_at: datetime | None = None
    """Time when the line became pending. None for a line that was never pending."""
    change_id: ChangeId | None = None
    """The change that this line charges or credits, if any. All lines of a change share it. Older servers leave it
    null.
    """
    period_seconds: int | None = None
    """Length of the billed period, if the line charges for the rest of it after a change. Not a column of invoice
    lines.
    """
    discount_cents: int = 0
    tax: LineTax | None = None
    """The taxation of the line: None if nothing was requested and nothing is configured."""

    @property
    def discounted_cents(self) -> int:
        """The amount after discounts, with the tax that it includes, if any."""
        return self.amount_cents - self.discount_cents

    @property
    def net_cents(self) -> int:
        """The amount after discounts, without tax."""
        return self.discounted_cents - (self.tax.included_cents if self.tax else 0)


@dataclass(slots=True)
class NewPendingLine:
    """A pending line of a subscription."""

    subscription_id: SubscriptionId
    line: Line


@dataclass(slots=True)
class OtherInvoiceLine:
    """A line of another invoice. `is_void` is the state of that invoice."""

    line: Line
    is_void: bool


@dataclass(slots=True)
class NumberedLine:
    """A line of an invoice. `position` starts at 1."""

    invoice_id: InvoiceId
    position: int
    line: Line


@dataclass(slots=True)
class NewInvoice(InvoiceState):
    """A finalized invoice to insert with its lines."""

    period_ordinal: int | None
    sequence: int
    number: str
    subtotal_cents: int
    discount_cents: int
    tax_cents: int
    rounding_cents: int
    discounts: tuple[AppliedDiscount, ...] | None
    taxes: tuple[TaxAmount, ...] | None
    seller_id: SellerId | None
    tax_date: datetime | None
    bill_to: BillTo
    period_start: datetime
    period_end: datetime
    issued_at: datetime
    replaces_id: InvoiceId | None
    po_number: str | None
    memo: str | None
    test_clock_id: TestClockId | None
    created_at: datetime
    lines: list[Line]


@dataclass(slots=True)
class NewPayment:
    """A payment to insert."""

    id: PaymentId
    customer_id: CustomerId
    amount_cents: int
    overpayment_cents: int
    currency: str
    method: PaymentMethod
    reference: str | None
    received_at: datetime
    metadata: dict[str, str]
    test_clock_id: TestClockId | None
    created_at: datetime


@dataclass(slots=True)
class NewAllocation:
    """An allocation to insert: money applied to an invoice."""

    id: UUID
    customer_id: CustomerId
    invoice_id: InvoiceId
    kind: AllocationKind
    amount_cents: int
    payment_id: PaymentId | None
    source_invoice_id: InvoiceId | None
    credit_note_id: CreditNoteId | None
    created_at: datetime


@dataclass(slots=True)
class ReleasedAllocation:
    """An update of a stored allocation: the money no longer counts as applied."""

    id: UUID
    released_at: datetime


@dataclass(slots=True)
class NewReversal:
    """A reversal of a payment to insert."""

    id: UUID
    customer_id: CustomerId
    payment_id: PaymentId
    amount_cents: int
    reason: str
    created_at: datetime


@dataclass(slots=True)
class NewRefund:
    """A refund of a payment to insert. `credit_note_id` is the credit note whose refund it is, if any."""

    id: UUID
    customer_id: CustomerId
    payment_id: PaymentId
    credit_note_id: CreditNoteId | None
    amount_cents: int
    reference: str | None
    created_at: datetime


@dataclass(slots=True)
class NewCreditNoteLine:
    """A line of a credit note to insert: an amount credited for a line of its invoice."""

    id: CreditNoteLineId
    customer_id: CustomerId
    credit_note_id: CreditNoteId
    invoice_line_id: InvoiceLineId
    position: int
    description: str
    amount_cents: int
    discount_cents: int
    tax: LineTax | None


@dataclass(slots=True)
class NewCreditNote(CreditNoteState):
    """A credit note to insert with its lines."""

    sequence: int
    number: str
    currency: str
    tax_cents: int
    rounding_cents: int
    taxes: tuple[TaxAmount, ...] | None
    reason: str
    memo: str | None
    bill_to: BillTo
    issued_at: datetime
    test_clock_id: TestClockId | None
    created_at: datetime
    lines: list[NewCreditNoteLine]


@dataclass(slots=True)
class NewLedgerEntry:
    """A change of a customer's balance to insert."""

    id: UUID
    customer_id: CustomerId
    sequence: int
    kind: LedgerEntryKind
    amount_cents: int
    balance_after_cents: int
    currency: str
    invoice_id: InvoiceId | None
    payment_id: PaymentId | None
    credit_note_id: CreditNoteId | None
    reason: str | None
    created_at: datetime


@dataclass(slots=True)
class NewEvent:
    """An event to insert."""

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
