"""Model of everything the walk has created: plain values, each named as in the API."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from tests.walk.model.lines import Credit, Credited, Line
from tests.walk.model.shared import Clock, Coupon, Key, Plan, Sellers, TaxRate, WebhookEndpoint, order, refuse


@dataclass(eq=False)
class Discount:
    """A coupon that a customer redeemed: for a subscription, or for all invoices if it is None."""

    coupon: Coupon
    subscription: "Subscription | None"
    number: int
    """Position among the customer's discounts."""
    used: int = 0
    """Number of billing periods and one-off invoices that it lowered."""
    last: "tuple[Subscription, int] | None" = None
    """The last billing period that it covers: the subscription, and the number of its period."""
    removed_at: datetime | None = None
    version: int = 0
    id: str | None = None

    @property
    def has_periods_left(self) -> bool:
        return self.coupon.periods is None or self.used < self.coupon.periods


@dataclass(eq=False)
class Applied:
    """A discount on an invoice. `uses` are the periods that it covers, or None for a one-off invoice."""

    discount: Discount
    amount: int
    uses: list[int | None]


@dataclass(eq=False)
class Allocation:
    """A part of what an invoice was paid. `source` is what paid it, or None for the balance."""

    kind: str
    amount: int
    at: datetime
    source: "Invoice | Payment | CreditNote | None" = None
    released_at: datetime | None = None
    made: int = field(default_factory=lambda: next(order))
    """A number of `order`. The rest of an allocation that was released in part has the number of the whole."""


@dataclass(eq=False)
class Invoice:
    kind: str
    currency: str
    lines: list[Line]
    discounts: list[Applied] = field(default_factory=list)
    status: str = "DRAFT"
    subscription: "Subscription | None" = None
    ordinal: int | None = None
    period: tuple[datetime, datetime] | None = None
    net_days: int | None = None
    po_number: str | None = None
    memo: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    sequence: int | None = None
    issued_at: datetime | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None
    tax_date: datetime | None = None
    bill_to: tuple[str, str] | None = None
    due: int = 0
    allocations: list[Allocation] = field(default_factory=list)
    replaces: "Invoice | None" = None
    finalized: int | None = None
    """Time it was finalized, as a number of `order`."""
    voided: int | None = None
    """Time it was voided, as a number of `order`."""
    version: int = 0
    id: str | None = None
    made: int = field(default_factory=lambda: next(order))

    @property
    def subtotal(self) -> int:
        return sum(line.net for line in self.lines)

    @property
    def tax(self) -> int:
        return sum(line.tax for line in self.lines)

    @property
    def amount(self) -> int:
        return self.subtotal + self.tax

    @property
    def is_unpaid(self) -> bool:
        return self.status in ("OPEN", "UNCOLLECTIBLE")

    @property
    def is_owed(self) -> bool:
        """True if the invoice was finalized and not voided."""
        return self.status not in ("DRAFT", "VOID")

    @property
    def standing(self) -> list[Allocation]:
        """The allocations that are not released."""
        return [allocation for allocation in self.allocations if allocation.released_at is None]


@dataclass(eq=False)
class Payment:
    amount: int
    overpayment: int
    method: str
    reference: str | None
    received_at: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    reversals: list[tuple[int, str]] = field(default_factory=list)
    """Amount and reason of each reversal."""
    reversed_at: datetime | None = None
    refunds: list["Refund"] = field(default_factory=list)
    version: int = 0
    id: str | None = None

    @property
    def reversed(self) -> int:
        return sum(amount for amount, _ in self.reversals)

    @property
    def kept(self) -> int:
        """The money that was neither taken back nor sent back."""
        return self.amount - self.reversed - sum(refund.amount for refund in self.refunds)


@dataclass(eq=False)
class Refund:
    """Money of a payment that was sent back, for a credit note or from the balance."""

    amount: int
    reference: str | None
    payment: Payment
    note: "CreditNote | None"


@dataclass(eq=False)
class CreditNote:
    """A credit note. `lines` are parts of lines of the invoice."""

    invoice: Invoice
    sequence: int
    lines: list[Credit]
    applied: int
    restored: int
    balance: int
    refund: int
    outside: int
    reason: str
    memo: str | None
    bill_to: tuple[str, str]
    issued_at: datetime
    refunds: list[Refund] = field(default_factory=list)
    voided_at: datetime | None = None
    version: int = 0
    id: str | None = None

    @property
    def amount(self) -> int:
        return sum(credit.total for credit in self.lines)

    @property
    def tax(self) -> int:
        return sum(credit.tax for credit in self.lines)

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds)


@dataclass(eq=False)
class Entry:
    """An entry of a customer's ledger. `about` is the object that is its cause."""

    kind: str
    amount: int
    balance: int
    about: "Invoice | Payment | CreditNote | None" = None
    reason: str | None = None


@dataclass(eq=False)
class Subscription:
    plan: Plan
    quantity: int
    anchor: datetime
    next_at: datetime | None
    """Next time at which something is due."""
    status: str = "PENDING"
    trial: tuple[datetime, datetime] | None = None
    periods: list[list[datetime]] = field(default_factory=list)
    """Start and end of each period, including trials. The last one may be cut short."""
    billed_until: datetime | None = None
    """End of the time of the current period that its price is for. None if all of it is billed."""
    whole: int | None = None
    """Seconds of a whole period, if the current one is not billed as one."""
    anchored: int = 0
    """Number of periods before the anchor."""
    policy: str | None = None
    """Policy for the next period, if a billing anchor was set for it: PRORATED, FREE or FULL."""
    terms_at: datetime | None = None
    pending: tuple[Plan, int, datetime] | None = None
    waiting: list[Line] = field(default_factory=list)
    dropped: set[int | None] = field(default_factory=set)
    """Changes whose waiting credits were dropped because the invoice that charges for them was voided."""
    changed: set[int] = field(default_factory=set)
    """Ordinals of the periods in which plan or quantity changed, or which were cut short."""
    changes: list[tuple[int, datetime]] = field(default_factory=list)
    """The same changes, each as a number of `order` and an instant."""
    cancel_at_period_end: bool = False
    cancel_at: datetime | None = None
    cancel_settlement: str = "NONE"
    metadata: dict[str, str] = field(default_factory=dict)
    was_cut: bool = False
    """True if the current period was billed only until `cancel_at`."""
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    ended: int | None = None
    """Time it ended, as a number of `order`."""
    updated_at: datetime | None = None
    version: int = 0
    id: str | None = None

    @property
    def is_live(self) -> bool:
        return self.status != "CANCELED"

    @property
    def is_set_to_cancel(self) -> bool:
        return self.cancel_at_period_end or self.cancel_at is not None

    @property
    def label(self) -> str:
        return label(self.plan, self.quantity)

    def note_change(self, at: datetime) -> None:
        """Records that plan or quantity changed within the current period, or that it was cut short."""
        self.changed.add(len(self.periods) - 1)
        self.changes.append((next(order), at))


def label(plan: Plan, quantity: int) -> str:
    """Returns the description of this quantity of a plan on an invoice."""
    return plan.name if quantity == 1 else f"{quantity} × {plan.name}"


@dataclass(eq=False)
class Customer:
    """A customer with everything that belongs to it. `events` are types, with the object and its version then."""

    name: str
    email: str
    clock: Clock | None
    updated_at: datetime
    external_id: str | None = None
    net_days: int | None = None
    po_number: str | None = None
    invoice_memo: str | None = None
    currency: str | None = None
    address: tuple[str, str | None] | None = None
    """Country and region."""
    tax_status: str = "TAXABLE"
    exemption_reason: str | None = None
    tax_ids: tuple[tuple[str, str, datetime | None], ...] = ()
    """Country, number, and when it was verified."""
    tax_rates: tuple[TaxRate, ...] = ()
    sellers: Sellers = field(default_factory=Sellers)
    archived: bool = False
    ledger: list[Entry] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    credit_notes: list[CreditNote] = field(default_factory=list)
    discounts: list[Discount] = field(default_factory=list)
    trials: dict[str, Subscription] = field(default_factory=dict)
    """Subscriptions of the customer's trials, by plan code."""
    levels: list[tuple[datetime, int]] = field(default_factory=list)
    """The MRR from each instant on. The instants never go back."""
    uncounted: datetime | None = None
    """When its subscription or a discount changed, until the MRR is counted again."""
    events: list[tuple[str, "Subject", int]] = field(default_factory=list)
    version: int = 0
    id: str | None = None

    @property
    def balance(self) -> int:
        return sum(entry.amount for entry in self.ledger)

    @property
    def mrr(self) -> int:
        return self.levels[-1][1] if self.levels else 0

    @property
    def live(self) -> Subscription | None:
        return next((each for each in self.subscriptions if each.is_live), None)

    @property
    def unpaid(self) -> list[Invoice]:
        """Unpaid invoices, oldest due first, then in the order they were created."""
        found = [(invoice.due_at, invoice.made, invoice) for invoice in self.invoices if invoice.is_unpaid]
        return [invoice for _, _, invoice in sorted(found)]

    def note(self, event: str, thing: "Subject", at: datetime) -> None:
        """Records an event. Each creates a new version of the object it is about."""
        thing.version += 1
        self.events.append((event, thing, thing.version))
        if isinstance(thing, Subscription | Discount):
            self.uncounted = at
        if not isinstance(thing, Invoice | Payment | CreditNote | Discount):
            thing.updated_at = at if thing.updated_at is None else max(thing.updated_at, at)

    def lines_on(self, subscription: Subscription) -> list[tuple[Line, Invoice | None]]:
        """Returns the pending lines and those on invoices that are not void, in the order they were created.

        Each comes with its invoice, or None if it is pending.
        """
        found: list[tuple[Line, Invoice | None]] = [
            (line, invoice)
            for invoice in self.invoices
            if invoice.subscription is subscription and invoice.status != "VOID"
            for line in invoice.lines
        ]
        found += [(line, None) for line in subscription.waiting]
        return sorted(found, key=lambda each: each[0].made)

    def credited(self) -> defaultdict[Line, Credited]:
        """Returns the credits of each line so far. Void credit notes do not count."""
        found: defaultdict[Line, Credited] = defaultdict(Credited)
        for subscription in self.subscriptions:
            for line, invoice in self.lines_on(subscription):
                if line.reverses:
                    credits_ = found[line.reverses]
                    (credits_.waiting if invoice is None else credits_.lines).append(line)
        for note in self.credit_notes:
            if note.voided_at is None:
                for credit in note.lines:
                    found[credit.line].notes.append(credit)
        return found

    def notes_on(self, invoice: Invoice) -> list[CreditNote]:
        """Returns the credit notes of an invoice that are not void."""
        return [note for note in self.credit_notes if note.invoice is invoice and note.voided_at is None]


Subject: TypeAlias = Customer | Subscription | Invoice | Payment | CreditNote | Discount
"""An object with events."""


@dataclass
class World:
    """Everything that exists, at the instant `now` of the wall clock."""

    now: datetime
    clocks: list[Clock] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    sellers: Sellers = field(default_factory=Sellers)
    tax_rates: list[TaxRate] = field(default_factory=list)
    coupons: list[Coupon] = field(default_factory=list)
    endpoints: list[WebhookEndpoint] = field(default_factory=list)

    def time_of(self, customer: Customer) -> datetime:
        """Returns the current time of a customer. Raises `Refused` while its test clock is advancing."""
        if customer.clock is None:
            return self.now
        refuse(TEST_CLOCK_ADVANCING=customer.clock.target is not None)
        return customer.clock.frozen_at
