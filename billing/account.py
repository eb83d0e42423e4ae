"""One customer's account in memory: all that billing decides by, and all that it has decided and not yet stored.

Pure: `services.accounts.read` fills an account from the database, the rules change it, `services.accounts.write` stores
what they changed. A preview is the same without the last step.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing.ids import InvoiceId, NewId, PlanId, SubscriptionId, new_id
from billing.periods import Period
from billing.records import (
    BilledLine,
    CustomerState,
    InvoiceState,
    Line,
    NewAllocation,
    NewEvent,
    NewInvoice,
    NewLedgerEntry,
    NewPayment,
    NewPeriod,
    NewSubscription,
    NewTrial,
    PeriodChange,
    SubscriptionState,
    Terms,
)
from billing.words import CHARGES, EventType, ObjectType


@dataclass(slots=True)
class Account:
    """A customer, the subscription in question, what is unpaid, and what was decided.

    `unpaid` are the invoices that are OPEN or UNCOLLECTIBLE, oldest due first; `billed_lines` the charges whose span is
    not over, read only where something may be given back; `waiting` the lines that wait for the next invoice;
    `trials_before` says in which subscription the customer was on trial of a plan, of the plan in question. `actor`
    and `recorded_at` (the wall clock, where the account itself may live in the time of a test clock) go to the events.
    """

    customer: CustomerState
    subscription: SubscriptionState | None = None
    terms: Terms | None = None
    pending_terms: Terms | None = None
    unpaid: list[InvoiceState] = field(default_factory=list)
    billed_lines: list[BilledLine] = field(default_factory=list)
    pending_lines: list[Line] = field(default_factory=list)
    trials_before: dict[PlanId, SubscriptionId] = field(default_factory=dict)
    held: bool = False
    actor: str = "api"
    recorded_at: datetime | None = None
    make_id: NewId = new_id

    # What was decided.
    periods: list[NewPeriod] = field(default_factory=list)
    changed_periods: list[PeriodChange] = field(default_factory=list)
    trials: list[NewTrial] = field(default_factory=list)
    invoices: list[NewInvoice] = field(default_factory=list)
    changed_invoices: dict[InvoiceId, InvoiceState] = field(default_factory=dict)
    new_pending_lines: list[Line] = field(default_factory=list)
    removed_pending_lines: list[Line] = field(default_factory=list)
    payments: list[NewPayment] = field(default_factory=list)
    allocations: list[NewAllocation] = field(default_factory=list)
    released_allocations: list[tuple[UUID, datetime]] = field(default_factory=list)
    ledger_entries: list[NewLedgerEntry] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    customer_changed: bool = False
    subscription_changed: bool = False

    @property
    def known_subscription(self) -> SubscriptionState:
        """The subscription, of an account that has one."""
        assert self.subscription is not None, "an account that is asked has a subscription"
        return self.subscription

    @property
    def is_new(self) -> bool:
        """Whether the subscription is to be stored for the first time."""
        return isinstance(self.subscription, NewSubscription)

    @property
    def known_terms(self) -> Terms:
        assert self.terms is not None, "an account with a subscription has terms"
        return self.terms

    def record_change(
        self,
        type_: EventType,
        subject: CustomerState | SubscriptionState | InvoiceState,
        at: datetime,
        also: Sequence[str] = (),
    ) -> None:
        """Marks `subject` as changed at `at`: its version goes up, and an event says so. Call it after the change.

        The event names the columns of `subject` that have changed since its last event, and `also` others of its row.
        """
        changed = subject.changed_columns()
        # Of what is new, nothing was something else before.
        changes = [*changed, *also] if subject.version else []
        subject.version += 1
        # A run may be made as of an earlier instant than the last change.
        subject.updated_at = max(subject.updated_at, at)
        match subject:
            case CustomerState():
                self.customer_changed = True
            case SubscriptionState():
                self.subscription_changed = True
            # A new invoice is stored as it is; a planned one of another account may be stored already.
            case InvoiceState() if subject not in self.invoices:
                self.changed_invoices[subject.id] = subject
        self.add_event(type_, subject.object_type, subject.id, subject.version, at, changes)

    def add_event(
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
        """Lays lines aside at `at`, for the next invoice."""
        for line in lines:
            line.created_at = at
            self.pending_lines.append(line)
            self.new_pending_lines.append(line)
            self._can_be_reversed(line, None)

    def take_pending_lines(self) -> list[Line]:
        """The lines that waited; they wait no longer."""
        taken, self.pending_lines = self.pending_lines, []
        stored = {line.id for line in taken} - {line.id for line in self.new_pending_lines}
        self.removed_pending_lines.extend(line for line in taken if line.id in stored)
        self.new_pending_lines = []
        return taken

    def remove_pending_lines(self, lines: Iterable[Line]) -> None:
        """Lets lines that are stored wait no longer."""
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


def use_currency(account: Account, currency: str, at: datetime) -> None:
    """Fixes the currency of a customer who has none yet: the first money does."""
    if account.customer.currency is None:
        account.customer.currency = currency
        account.record_change(EventType.CUSTOMER_UPDATED, account.customer, at)
    assert account.customer.currency == currency, (account.customer.currency, currency)
