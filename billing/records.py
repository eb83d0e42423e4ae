"""Plain values for the rows that billing reads and writes. The rules change some of them in place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import ClassVar, Protocol
from uuid import UUID

from billing.enums import (
    AllocationKind,
    CreditNoteStatus,
    FirstPeriod,
    InvoiceKind,
    InvoiceStatus,
    ObjectType,
    PlanInterval,
    Settlement,
    SubscriptionStatus,
)
from billing.ids import (
    CreditNoteId,
    CustomerId,
    InvoiceId,
    InvoiceLineId,
    PaymentId,
    PlanId,
    SellerId,
    SubscriptionId,
    TestClockId,
)
from billing.periods import Interval, Period, billing_interval
from billing.taxes import LineTax, TaxId, TaxProfile


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address. `country` is an ISO 3166-1 alpha-2 code."""

    line1: str | None = None
    line2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class BillTo:
    """The recipient of an invoice, copied from the customer when the invoice is finalized."""

    name: str
    email: str
    address: Address | None
    tax_id: str | None
    tax_ids: tuple[TaxId, ...] = ()
    """The customer's VAT numbers. A verified one may be the reason why no tax is charged."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that a subscription is billed on for each period: a plan, its price and a quantity."""

    plan_id: PlanId
    plan_name: str
    unit_amount_cents: int
    currency: str
    interval: Interval
    quantity: int
    net_days: int | None
    tax: LineTax | None = None
    """The tax behavior and rates that the plan sets for its lines, if any."""

    @property
    def amount_cents(self) -> int:
        """The price of one whole period. May exceed `MAX_CENTS`: check it with `checked_cents`."""
        return self.unit_amount_cents * self.quantity

    @property
    def label(self) -> str:
        """The description of these terms on an invoice line."""
        return self.plan_name if self.quantity == 1 else f"{self.quantity} × {self.plan_name}"


@dataclass(slots=True)
class Price:
    """The columns of a plan that determine its price and billing interval."""

    id: PlanId
    name: str
    amount_cents: int
    currency: str
    interval: PlanInterval
    interval_count: int
    net_days: int | None
    tax: LineTax | None

    def terms(self, quantity: int) -> Terms:
        """Returns the terms for `quantity` units of the plan."""
        interval = billing_interval(self.interval, self.interval_count)
        return Terms(self.id, self.name, self.amount_cents, self.currency, interval, quantity, self.net_days, self.tax)


@dataclass(slots=True)
class PlanState(Price):
    """The columns of a plan that a new or changed subscription depends on."""

    trial_days: int
    archived_at: datetime | None


class ValuesOfColumns(Protocol):
    """Reads attributes of a record."""

    def __call__(self, record: object, /) -> tuple[object, ...]: ...


class VersionedState:
    """A record with versions. Each version has an event that names the changed columns.

    `event_columns` contains the columns that events name: those that rules change and the API shows, except `version`
    and `updated_at`.
    """

    __slots__ = ("_event_values",)

    object_type: ClassVar[ObjectType]
    event_columns: ClassVar[tuple[str, ...]]
    _values: ClassVar[ValuesOfColumns]

    def __init_subclass__(cls) -> None:
        cls._values = attrgetter(*cls.event_columns)

    def __post_init__(self) -> None:
        self._event_values = self._values(self)

    @property
    def has_changed(self) -> bool:
        """True if columns changed since the record was created or `changed_columns` was last called."""
        return self._event_values != self._values(self)

    def changed_columns(self) -> list[str]:
        """Returns the columns that changed since the record was created or this was last called."""
        before, self._event_values = self._event_values, self._values(self)
        if before == self._event_values:
            return []
        return [
            name for name, was, is_ in zip(self.event_columns, before, self._event_values, strict=True) if was != is_
        ]


@dataclass(slots=True)
class CustomerState(VersionedState):
    """The columns of a customer that billing reads or changes.

    `subscription_status` and `subscription_plan_id` are copies of the live subscription's, None without one. The status
    is text, since a conversion would cost each renewal more than the copy is worth.
    """

    object_type: ClassVar = ObjectType.CUSTOMER
    event_columns: ClassVar = ("currency", "balance_cents")

    id: CustomerId
    currency: str | None
    invoice_prefix: str
    last_invoice_number: int
    balance_cents: int
    last_ledger_number: int
    net_days: int | None
    po_number: str | None
    invoice_memo: str | None
    test_clock_id: TestClockId | None
    archived_at: datetime | None
    tax_profile: TaxProfile | None
    seller_id: SellerId | None
    """The seller in force, if any. Not a column: the latest version of the seller's profile."""
    subscription_status: str | None
    subscription_plan_id: PlanId | None
    version: int
    updated_at: datetime
    bill_to: BillTo


@dataclass(slots=True)
class SubscriptionState(VersionedState):
    """The columns of a subscription that billing reads or changes."""

    object_type: ClassVar = ObjectType.SUBSCRIPTION
    event_columns: ClassVar = (
        *("plan_id", "quantity", "status", "anchor_at", "started_at", "current_period_start", "current_period_end"),
        *("next_billing_at", "cancel_at_period_end", "cancel_at", "canceled_at", "ended_at"),
        *("trial_start", "trial_end"),
        *("pending_plan_id", "pending_quantity", "pending_since"),
    )

    id: SubscriptionId
    customer_id: CustomerId
    plan_id: PlanId
    quantity: int
    status: SubscriptionStatus
    anchor_at: datetime
    anchor_ordinal: int
    first_period: FirstPeriod | None
    """Policy for the next period, if it ends at a new billing anchor and may be shorter than a whole one."""
    next_ordinal: int
    """Ordinal of the first period that is not billed yet. Not a column: the highest stored ordinal plus one, or 0."""
    billed_until: datetime | None
    """End of the billed part of the current period. None if all of it is billed. A column of the latest period."""
    whole_seconds: int | None
    """Length of a whole period, if only a part of one is billed. A column of the latest period."""
    started_at: datetime | None
    current_period_start: datetime | None
    current_period_end: datetime | None
    next_billing_at: datetime | None
    cancel_at_period_end: bool
    cancel_at: datetime | None
    cancel_settlement: Settlement | None
    canceled_at: datetime | None
    ended_at: datetime | None
    trial_start: datetime | None
    trial_end: datetime | None
    terms_at: datetime | None
    pending_plan_id: PlanId | None
    pending_quantity: int | None
    pending_since: datetime | None
    test_clock_id: TestClockId | None
    mrr_cents: int | None
    """The MRR that the figures count for it. None on test clocks and, like `counted_status`, if an older server wrote
    it."""
    counted_status: str | None
    """The status that the figures count it as. Text, like the customer's copy of the status."""
    version: int
    updated_at: datetime

    @property
    def is_live(self) -> bool:
        return self.status is not SubscriptionStatus.CANCELED

    @property
    def is_set_to_cancel(self) -> bool:
        return self.cancel_at_period_end or self.cancel_at is not None

    @property
    def current_period(self) -> Period:
        assert self.current_period_start is not None, "the subscription has started"
        assert self.current_period_end is not None, "the subscription has started"
        return Period(self.current_period_start, self.current_period_end)

    @property
    def billed_part(self) -> Period:
        """The part of the current period that its price is for."""
        period = self.current_period
        return period if self.billed_until is None else Period(period.start, self.billed_until)


@dataclass(slots=True)
class InvoiceState(VersionedState):
    """The columns of an invoice that change after it is finalized, and those that the rules read."""

    object_type: ClassVar = ObjectType.INVOICE
    event_columns: ClassVar = ("status", "amount_due_cents", "paid_at")

    id: InvoiceId
    customer_id: CustomerId
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
class AllocationState:
    """Money applied to an invoice."""

    id: UUID
    invoice_id: InvoiceId
    kind: AllocationKind
    amount_cents: int
    payment_id: PaymentId | None
    source_invoice_id: InvoiceId | None
    credit_note_id: CreditNoteId | None
    created_at: datetime


@dataclass(slots=True)
class PaymentState(VersionedState):
    """The columns of a payment that reversals and refunds read or change."""

    object_type: ClassVar = ObjectType.PAYMENT
    event_columns: ClassVar = ("refunded_cents", "reversed_cents", "reversed_at")

    id: PaymentId
    customer_id: CustomerId
    amount_cents: int
    refunded_cents: int
    reversed_cents: int
    reversed_at: datetime | None
    version: int
    updated_at: datetime

    @property
    def kept_cents(self) -> int:
        """The part that was neither refunded nor reversed."""
        return self.amount_cents - self.refunded_cents - self.reversed_cents


@dataclass(slots=True)
class CreditNoteState(VersionedState):
    """The columns of a credit note that change after it is issued, and those that the rules read.

    The amount is the sum of its parts: `applied_cents` lowered the amount due, `restored_cents` returned balance that
    had paid the invoice, `balance_cents` was added to the balance, `refund_cents` is for refunds, and `outside_cents`
    is settled outside this server.
    """

    object_type: ClassVar = ObjectType.CREDIT_NOTE
    event_columns: ClassVar = ("status", "refunded_cents", "voided_at")

    id: CreditNoteId
    customer_id: CustomerId
    invoice_id: InvoiceId
    status: CreditNoteStatus
    amount_cents: int
    applied_cents: int
    restored_cents: int
    balance_cents: int
    refund_cents: int
    outside_cents: int
    refunded_cents: int
    voided_at: datetime | None
    version: int
    updated_at: datetime

    @property
    def to_distribute_cents(self) -> int:
        """The part that the caller distributed, or that went to the balance by default."""
        return self.balance_cents + self.refund_cents + self.outside_cents


@dataclass(slots=True)
class CreditedLine:
    """A line of an invoice, the amounts of the invoice, and all that was credited on both.

    `noted_…` are sums over credit notes that are not void. `prorated_cents` is the sum of proration credits on
    invoices that are not void, `pending_cents` that of pending ones. All credits are positive, except the taxes of
    `prorated_taxes`.
    """

    id: InvoiceLineId
    invoice_id: InvoiceId
    status: InvoiceStatus
    description: str
    amount_cents: int
    discount_cents: int
    tax: LineTax | None
    noted_cents: int
    noted_discount_cents: int
    noted_taxes: Sequence[LineTax]
    prorated_cents: int
    prorated_taxes: Sequence[LineTax]
    pending_cents: int
    total_cents: int
    rounding_cents: int
    invoice_noted_cents: int
    noted_rounding_cents: int


@dataclass(slots=True)
class BilledLine:
    """A charge that can be credited in part.

    `amount_cents` is what was billed after discounts, less credit notes that are not void. `credited_cents` is the
    total of proration credits so far. `invoice_id` is None for a pending line.
    """

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
    tax: LineTax | None
