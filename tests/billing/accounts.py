"""Accounts in memory, for tests of the billing rules."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import NAMESPACE_OID, UUID, uuid5

from hypothesis import strategies as st

from billing.account import Account
from billing.changes import Change, ChangeMode, are_same_terms, change_terms
from billing.crediting import credit_lines
from billing.enums import AllocationKind, EventType, InvoiceStatus, LedgerEntryKind
from billing.ids import CustomerId, NewId, PaymentId, PlanId
from billing.new_records import Line, NewInvoice
from billing.periods import Interval, Period, nth_boundary
from billing.records import BillTo, CustomerState, Terms
from billing.renewals import end_subscription, renew
from billing.settling import add_ledger_entry, allocate, oldest_due_first, update_past_due
from billing.subscribing import add_subscription

JUNE = datetime(2025, 6, 1, tzinfo=UTC)
"""Start of a month with 30 days."""

WEEK = Interval(days=7)
MONTH = Interval(months=1)
YEAR = Interval(months=12)


def nth_period(anchor: datetime, interval: Interval, n: int) -> Period:
    """The period `n` of a subscription anchored at `anchor`; period 0 starts there. The periods tile time."""
    return Period(nth_boundary(anchor, interval, n), nth_boundary(anchor, interval, n + 1))


def some_terms(
    unit_amount_cents: int = 10_000,
    interval: Interval = MONTH,
    *,
    quantity: int = 1,
    net_days: int | None = None,
    currency: str = "EUR",
) -> Terms:
    """Returns terms of a plan. Terms that agree in all but the quantity have the same plan id."""
    plan_id = PlanId(uuid5(NAMESPACE_OID, f"{unit_amount_cents} {interval} {net_days} {currency}"))
    return Terms(plan_id, "Pro", unit_amount_cents, currency, interval, quantity, net_days)


def an_account(
    terms: Terms,
    *,
    starts_at: datetime = JUNE,
    trial_end: datetime | None = None,
    created_at: datetime | None = None,
    net_days: int | None = None,
) -> Account:
    """Creates a customer with a subscription, created at `created_at`, that has not started yet."""
    created_at = created_at or starts_at
    make_id = counted_ids()
    customer = CustomerState(
        id=CustomerId(make_id()),
        currency=terms.currency,
        invoice_prefix="ADA",
        last_invoice_number=0,
        balance_cents=0,
        last_ledger_number=0,
        net_days=net_days,
        po_number=None,
        invoice_memo=None,
        test_clock_id=None,
        archived_at=None,
        tax_profile=None,
        seller_id=None,
        subscription_status=None,
        subscription_plan_id=None,
        version=1,
        updated_at=created_at,
        bill_to=BillTo("Ada Lovelace", "ada@example.com", None, None),
    )
    account = Account(customer, terms=terms, make_id=make_id)
    add_subscription(account, starts_at, trial_end, created_at)
    account.record_change(EventType.SUBSCRIPTION_CREATED, account.known_subscription, created_at)
    return account


def started(
    terms: Terms,
    *,
    starts_at: datetime = JUNE,
    trial_end: datetime | None = None,
    net_days: int | None = None,
    balance_cents: int = 0,
) -> Account:
    """Creates a customer with a subscription that started at `starts_at`. The balance is applied to its first
    invoice.
    """
    account = an_account(terms, starts_at=starts_at, trial_end=trial_end, net_days=net_days)
    if balance_cents:
        overpay(account, balance_cents, starts_at)
    renew(account, starts_at)
    return account


def counted_ids() -> NewId:
    """Returns a generator of ascending ids that are the same in each test run."""
    numbers = count(1)
    return lambda: UUID(int=next(numbers))


def days(number: float) -> timedelta:
    return timedelta(days=number)


def amounts(invoice: NewInvoice | None) -> list[int]:
    """Returns the amount of each line of an invoice. Fails if there is no invoice."""
    assert invoice is not None
    return [line.amount_cents for line in invoice.lines]


def every_line(account: Account) -> list[Line]:
    """Returns all lines of an account: those on invoices and the pending ones."""
    return [*(line for invoice in account.invoices for line in invoice.lines), *account.pending_lines]


def pay(account: Account, at: datetime, amount_cents: int | None = None) -> None:
    """Pays the invoice with the oldest due date, by default in full and never more than is due."""
    invoice = oldest_due_first(account)[0]
    amount_cents = invoice.amount_due_cents if amount_cents is None else min(amount_cents, invoice.amount_due_cents)
    payment_id = PaymentId(account.make_id())
    allocate(account, invoice, AllocationKind.PAYMENT, amount_cents, at, payment_id=payment_id)
    update_past_due(account, at)


def overpay(account: Account, amount_cents: int, at: datetime) -> None:
    """Adds an overpayment to the customer's balance."""
    payment_id = PaymentId(account.make_id())
    add_ledger_entry(account, LedgerEntryKind.OVERPAYMENT, amount_cents, at, payment_id=payment_id)


def give_up(account: Account, at: datetime) -> None:
    """Marks the invoice with the oldest due date as uncollectible."""
    invoice = oldest_due_first(account)[0]
    invoice.status = InvoiceStatus.UNCOLLECTIBLE
    account.record_change(EventType.INVOICE_MARKED_UNCOLLECTIBLE, invoice, at)
    update_past_due(account, at)


def cancel_with_credit(account: Account, at: datetime) -> NewInvoice | None:
    """Cancels immediately and credits the unused part of the period. Returns the last invoice."""
    account.known_subscription.canceled_at = at
    account.add_pending_lines(credit_lines(account, at), at)
    return end_subscription(account, ended_at=at, at=at)


starts = st.datetimes(datetime(1999, 1, 1), datetime(2104, 12, 31)).map(  # noqa: DTZ001 - Hypothesis requires naive datetimes
    lambda instant: instant.replace(microsecond=0, tzinfo=UTC)
)
prices = st.sampled_from([0, 1, 7, 999, 1000]) | st.integers(0, 10**7)
quantities = st.integers(1, 5)
WITHIN_A_PERIOD = [mode for mode in ChangeMode if mode is not ChangeMode.PERIOD_END]


@st.composite
def lives(draw: st.DrawFn) -> Account:
    """Draws an account with a history: changes of all kinds, renewals, payments and uncollectible invoices in
    chronological order, and at the end a cancellation with a credit.
    """
    at = draw(starts)
    account = started(
        some_terms(draw(prices), MONTH, quantity=draw(quantities)), starts_at=at, net_days=draw(st.integers(0, 30))
    )
    for _ in range(draw(st.integers(0, 8))):
        step = draw(st.sampled_from(("change", "change", "interval", "schedule", "renew", "pay", "overpay", "give up")))
        period_end = account.known_subscription.current_period.end
        at = period_end if step == "renew" else draw(instants(at, period_end))
        if step == "renew":
            renew(account, at)
        elif step == "overpay":
            overpay(account, draw(st.integers(1, 10**6)), at)
        elif step in ("change", "interval", "schedule"):
            draw_change(draw, account, step, at)
        elif account.unpaid and step == "pay":
            pay(account, at, draw(st.integers(1, 10**6)))
        elif account.unpaid:
            give_up(account, at)
    cancel_with_credit(account, draw(instants(at, account.known_subscription.current_period.end)))
    return account


def change_to(
    account: Account, terms: Terms, *, mode: ChangeMode | None = None, as_of: datetime | None = None, at: datetime
) -> Change:
    """Changes the subscription to the plan and the quantity of `terms`."""
    return change_terms(account, terms, terms.quantity, mode=mode, as_of=as_of, at=at)


def draw_change(draw: st.DrawFn, account: Account, step: str, at: datetime) -> None:
    before, subscription = account.known_terms, account.known_subscription
    other = WEEK if before.interval == MONTH else MONTH
    interval = other if step == "interval" else before.interval
    terms = some_terms(draw(prices), interval, quantity=draw(quantities))
    mode = ChangeMode.PERIOD_END if step == "schedule" else ChangeMode.IMMEDIATE
    if step == "change":
        mode = draw(st.sampled_from(WITHIN_A_PERIOD))
    assert subscription.terms_at is not None
    earliest = max(subscription.terms_at, subscription.current_period.start)
    as_of = draw(instants(earliest, at + timedelta(seconds=1)))
    waits_already = mode is ChangeMode.PERIOD_END and are_same_terms(terms, account.pending_terms)
    if not are_same_terms(terms, before) and not waits_already:
        change_to(account, terms, mode=mode, as_of=as_of, at=at)
        # A change with an earlier `as_of` may start a period that has already ended.
        renew(account, at)


def instants(first: datetime, end: datetime) -> st.SearchStrategy[datetime]:
    """Draws a whole second from `first` up to but not including `end`."""
    seconds = int((end - first).total_seconds())
    return st.integers(0, seconds - 1).map(lambda second: first + timedelta(seconds=second))
