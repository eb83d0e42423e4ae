"""A customer's account in memory: the stored state that the rules read, and decisions that are not stored yet.

Pure, without I/O. `services.accounts.read` loads an account, the rules change it, and `services.accounts.write` stores
the decisions. A preview skips the last step.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.discounts import DiscountState, NewDiscount
from billing.enums import API_ACTOR, CHARGES, EventType, ObjectType
from billing.errors import CurrencyMismatch, CustomerArchived
from billing.ids import CreditNoteId, DiscountId, InvoiceId, NewId, PaymentId, PlanId, SubscriptionId, new_id
from billing.movements import CountedChange
from billing.new_records import (
    Line,
    NewAllocation,
    NewCreditNote,
    NewEvent,
    NewInvoice,
    NewLedgerEntry,
    NewPayment,
    NewPeriod,
    NewRefund,
    NewReversal,
    NewSubscription,
    NewTrial,
    PeriodChange,
    ReleasedAllocation,
)
from billing.periods import Period
from billing.records import (
    BilledLine,
    CreditNoteState,
    CustomerState,
    InvoiceState,
    PaymentState,
    SubscriptionState,
    Terms,
)
from billing.taxes import TaxRules


@dataclass(slots=True)
class Account:
    """The state of a customer and of one of its subscriptions, and the decisions made so far.

    `trials_before` maps plans to the subscription in which the customer had a trial of them. It is filled only for the
    plan of a requested change.

    Events contain `actor` and `recorded_at`. `recorded_at` is wall-clock time, even if the customer is on a test clock.
    """

    customer: CustomerState
    subscription: SubscriptionState | None = None
    terms: Terms | None = None
    pending_terms: Terms | None = None
    unpaid: list[InvoiceState] = field(default_factory=list)
    """OPEN and UNCOLLECTIBLE invoices of the customer, in no particular order. See `oldest_due_first`."""
    billed_lines: list[BilledLine] = field(default_factory=list)
    """Charges whose period has not ended. Loaded only for operations that may credit them."""
    pending_lines: list[Line] = field(default_factory=list)
    """Lines to put on the next invoice."""
    discounts: list[DiscountState] = field(default_factory=list)
    """Discounts of the customer, and of the subscription, that are not removed."""
    trials_before: dict[PlanId, SubscriptionId] = field(default_factory=dict)
    held: bool = False
    """True if the subscription has a billing hold."""
    actor: str = API_ACTOR
    recorded_at: datetime | None = None
    make_id: NewId = new_id
    tax_rules: TaxRules | None = None
    """The rules that decide the taxes of invoices. None if no seller is configured."""
    not_stored: "Account | None" = None
    """For previews: the account of a subscription whose end was due, with decisions that are not stored."""

    # Decisions, to be stored by `services.accounts.write`.
    counted_changes: list[CountedChange] = field(default_factory=list)
    """Changes of what the figures count the subscription as, in order. See `billing.mrr`."""
    is_counted: bool = True
    """False if the subscription or a discount changed since `billing.mrr` last counted the subscription."""
    periods: list[NewPeriod] = field(default_factory=list)
    changed_periods: list[PeriodChange] = field(default_factory=list)
    trials: list[NewTrial] = field(default_factory=list)
    new_discounts: list[NewDiscount] = field(default_factory=list)
    changed_discounts: dict[DiscountId, DiscountState] = field(default_factory=dict)
    invoices: list[NewInvoice] = field(default_factory=list)
    finalized_drafts: list[NewInvoice] = field(default_factory=list)
    """Invoices that are already stored, as drafts."""
    changed_invoices: dict[InvoiceId, InvoiceState] = field(default_factory=dict)
    new_pending_lines: list[Line] = field(default_factory=list)
    removed_pending_lines: list[Line] = field(default_factory=list)
    payments: list[NewPayment] = field(default_factory=list)
    changed_payments: dict[PaymentId, PaymentState] = field(default_factory=dict)
    reversals: list[NewReversal] = field(default_factory=list)
    refunds: list[NewRefund] = field(default_factory=list)
    credit_notes: list[NewCreditNote] = field(default_factory=list)
    changed_credit_notes: dict[CreditNoteId, CreditNoteState] = field(default_factory=dict)
    allocations: list[NewAllocation] = field(default_factory=list)
    released_allocations: list[ReleasedAllocation] = field(default_factory=list)
    ledger_entries: list[NewLedgerEntry] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    customer_changed: bool = False
    subscription_changed: bool = False

    @property
    def known_subscription(self) -> SubscriptionState:
        """The subscription. Asserts that the account has one."""
        assert self.subscription is not None, "this operation needs a subscription"
        return self.subscription

    @property
    def is_new(self) -> bool:
        """True if the subscription is not stored yet."""
        return isinstance(self.subscription, NewSubscription)

    @property
    def known_terms(self) -> Terms:
        assert self.terms is not None, "an account with a subscription has terms"
        return self.terms

    def record_change(
        self,
        type_: EventType,
        subject: CustomerState | SubscriptionState | InvoiceState | PaymentState | CreditNoteState | DiscountState,
        at: datetime,
        also: Sequence[str] = (),
    ) -> None:
        """Marks `subject` as changed at `at`: increments its version and adds an event. Call it after the change.

        The event lists the columns of `subject` that changed since its last event, and `also`, other columns of its
        row.
        """
        changed = subject.changed_columns()
        # A new object has no earlier values.
        changes = [*changed, *also] if subject.version else []
        subject.version += 1
        # A run can bill as of an instant before the latest change.
        subject.updated_at = max(subject.updated_at, at)
        match subject:
            case CustomerState():
                self.customer_changed = True
            case SubscriptionState():
                self.subscription_changed = True
                self.is_counted = False
                customer = self.customer
                copies = (subject.status, subject.plan_id) if subject.is_live else (None, None)
                # If this subscription had already ended, the customer may have another one that is live.
                is_copied = subject.is_live or "status" in changed
                # The API does not show the copies, so the customer gets no event and no new version.
                if is_copied and copies != (customer.subscription_status, customer.subscription_plan_id):
                    customer.subscription_status, customer.subscription_plan_id = copies
                    self.customer_changed = True
            # New invoices of this account are stored as a whole, so they need no update.
            case InvoiceState() if subject not in self.invoices and subject not in self.finalized_drafts:
                self.changed_invoices[subject.id] = subject
            case PaymentState():
                self.changed_payments[subject.id] = subject
            case CreditNoteState() if subject not in self.credit_notes:
                self.changed_credit_notes[subject.id] = subject
            case DiscountState():
                self.change_discount(subject)
        self.add_event(type_, subject.object_type, subject.id, subject.version, at, changes)

    def change_discount(self, discount: DiscountState) -> None:
        """Marks a discount as changed, so that it is stored."""
        self.is_counted = False
        if not isinstance(discount, NewDiscount):
            self.changed_discounts[discount.id] = discount

    def add_event(
        self,
        type_: EventType,
        object_type: ObjectType,
        object_id: UUID,
        version: int,
        at: datetime,
        changes: Sequence[str] = (),
    ) -> None:
        self.events.append(
            NewEvent(
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

    def add_pending_lines(self, lines: Iterable[Line], at: datetime) -> None:
        """Keeps lines pending for the next invoice, with `at` as their `created_at`."""
        for line in lines:
            line.created_at = at
            self.pending_lines.append(line)
            self.new_pending_lines.append(line)
            self._can_be_reversed(line, None)

    def take_pending_lines(self) -> list[Line]:
        """Removes all pending lines and returns them, to put them on an invoice."""
        taken, self.pending_lines = self.pending_lines, []
        stored = {line.id for line in taken} - {line.id for line in self.new_pending_lines}
        self.removed_pending_lines.extend(line for line in taken if line.id in stored)
        self.new_pending_lines = []
        return taken

    def remove_pending_lines(self, lines: Iterable[Line]) -> None:
        """Removes pending lines that are already stored."""
        dropped = {line.id for line in lines}
        self.removed_pending_lines.extend(line for line in self.pending_lines if line.id in dropped)
        self.pending_lines = [line for line in self.pending_lines if line.id not in dropped]

    def add_invoice(self, invoice: NewInvoice) -> None:
        self.invoices.append(invoice)
        for line in invoice.lines:
            self._can_be_reversed(line, invoice.id)

    def _can_be_reversed(self, line: Line, invoice_id: InvoiceId | None) -> None:
        if line.amount_cents <= 0 or line.kind not in CHARGES:
            return
        for billed in self.billed_lines:
            if billed.id == line.id:
                billed.invoice_id, billed.tax = invoice_id, line.tax
                billed.amount_cents -= line.discount_cents
                return
        assert line.period_start is not None, "a charge for a plan has a period"
        assert line.period_end is not None, "a charge for a plan has a period"
        self.billed_lines.append(
            BilledLine(
                id=line.id,
                invoice_id=invoice_id,
                description=line.description,
                plan_id=line.plan_id,
                quantity=line.quantity,
                unit_amount_cents=line.unit_amount_cents,
                amount_cents=line.discounted_cents,
                period_ordinal=line.period_ordinal,
                span=Period(line.period_start, line.period_end),
                credited_cents=0,
                tax=line.tax,
            )
        )


def require_not_archived(archived_at: datetime | None) -> None:
    """Raises `CustomerArchived` if the customer's `archived_at` is set."""
    if archived_at is not None:
        raise CustomerArchived("This customer is archived.")


def require_currency(account: Account, currency: str, *field: str) -> None:
    """Raises `CurrencyMismatch` for the input `field` if the customer is billed in another currency."""
    if account.customer.currency not in (None, currency):
        raise CurrencyMismatch(f"This customer is billed in {account.customer.currency}, not in {currency}.", *field)


def use_currency(account: Account, currency: str, at: datetime) -> None:
    """Sets the customer's currency if it has none yet. It never changes afterwards."""
    if account.customer.currency is None:
        account.customer.currency = currency
        account.record_change(EventType.CUSTOMER_UPDATED, account.customer, at)
    assert account.customer.currency == currency, (account.customer.currency, currency)
