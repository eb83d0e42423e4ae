"""What finalizing an invoice does, and where its money comes from and goes to. Pure: changes an `Account`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from billing.account import Account
from billing.errors import (
    BillingError,
    InvoiceDraft,
    InvoiceOpen,
    InvoicePaid,
    InvoiceUncollectible,
    InvoiceVoid,
    TooManyLines,
)
from billing.ids import InvoiceId, PaymentId
from billing.limits import MAX_LINES, NET_DAYS
from billing.money import checked_cents
from billing.periods import Period
from billing.records import (
    InvoiceState,
    Line,
    NewAllocation,
    NewInvoice,
    NewLedgerEntry,
    SubscriptionState,
)
from billing.words import (
    UNPAID,
    AllocationKind,
    EventType,
    InvoiceKind,
    InvoiceStatus,
    LedgerEntryKind,
    SubscriptionStatus,
)


def finalize(
    account: Account,
    kind: InvoiceKind,
    lines: Sequence[Line],
    *,
    period: Period,
    period_ordinal: int | None = None,
    at: datetime,
    replaces_id: InvoiceId | None = None,
) -> NewInvoice:
    """The subscription's invoice over `lines`: numbered, with its totals and due date, and settled as far as it goes.

    Raises `AmountOverflow` when the lines add up to more than an amount can be, and `TooManyLines`.
    """
    if len(lines) > MAX_LINES:
        raise TooManyLines(f"An invoice has at most {MAX_LINES} lines, this one would have {len(lines)}.")
    customer, subscription = account.customer, account.known_subscription
    total = checked_cents(sum(line.amount_cents for line in lines))
    sequence = next_number(account)
    invoice = NewInvoice(
        id=InvoiceId(account.make_id()),
        subscription_id=subscription.id,
        kind=kind,
        status=InvoiceStatus.OPEN,
        currency=account.known_terms.currency,
        amount_cents=total,
        amount_due_cents=max(0, total),
        due_at=due_date(at, customer.net_days, account.known_terms.net_days),
        paid_at=None,
        version=0,
        updated_at=at,
        customer_id=customer.id,
        period_ordinal=period_ordinal,
        sequence=sequence,
        number=invoice_number(customer.invoice_prefix, sequence),
        subtotal_cents=total,
        tax_cents=0,
        bill_to=customer.bill_to,
        period_start=period.start,
        period_end=period.end,
        issued_at=at,
        replaces_id=replaces_id,
        test_clock_id=customer.test_clock_id,
        created_at=at,
        lines=list(lines),
    )
    account.add_invoice(invoice)
    account.record_change(EventType.INVOICE_FINALIZED, invoice, at)
    settle_new_invoice(account, invoice, lines, at)
    return invoice


def next_number(account: Account) -> int:
    """The running number of the customer's next invoice."""
    account.customer.last_invoice_number += 1
    account.customer_changed = True
    return account.customer.last_invoice_number


def invoice_number(prefix: str, sequence: int) -> str:
    return f"{prefix}-{sequence:04d}"


def due_date(issued_at: datetime, *net_days: int | None) -> datetime:
    """Returns `issued_at` plus the first number of days that is set, else `NET_DAYS`."""
    return issued_at + timedelta(days=next((days for days in net_days if days is not None), NET_DAYS))


def settle_new_invoice(account: Account, invoice: InvoiceState, lines: Sequence[Line], at: datetime) -> None:
    """What happens to the money of an invoice that was finalized this moment.

    A positive total takes what the balance has. A total of 0 or less is PAID; what is less than 0 goes to the
    customer's unpaid invoices, and the rest to the balance.
    """
    if invoice.amount_cents > 0:
        account.unpaid.append(invoice)
        apply_balance(account, invoice, at)
        return
    mark_paid(account, invoice, at)
    rest = -invoice.amount_cents
    for unpaid in invoices_to_credit(account, lines):
        amount = min(rest, unpaid.amount_due_cents)
        if amount:
            allocate(account, unpaid, AllocationKind.CREDIT, amount, at, source_invoice_id=invoice.id)
            rest -= amount
    if rest:
        add_to_balance(account, LedgerEntryKind.INVOICE_CREDIT, rest, at, invoice_id=invoice.id)


def invoices_to_credit(account: Account, lines: Sequence[Line]) -> Iterator[InvoiceState]:
    """The unpaid invoices that a credit goes to: those it reverses lines of, then the open ones, oldest due first."""
    reversed_ids = {line.reverses_invoice_id for line in lines}
    unpaid = oldest_due_first(account)
    yield from (invoice for invoice in unpaid if invoice.id in reversed_ids)
    yield from (
        invoice for invoice in unpaid if invoice.id not in reversed_ids and invoice.status is InvoiceStatus.OPEN
    )


def oldest_due_first(account: Account) -> list[InvoiceState]:
    """The unpaid invoices; of those due at the same instant, the one made first comes first."""
    for invoice in account.unpaid:
        assert invoice.due_at is not None, "what is unpaid is finalized"
    return sorted(account.unpaid, key=lambda invoice: (invoice.due_at, invoice.id))


def apply_balance(account: Account, invoice: InvoiceState, at: datetime) -> None:
    """Pays as much of the invoice as the balance has."""
    amount = min(account.customer.balance_cents, invoice.amount_due_cents)
    if amount:
        add_ledger_entry(account, LedgerEntryKind.APPLIED, -amount, at, invoice_id=invoice.id)
        allocate(account, invoice, AllocationKind.BALANCE, amount, at)


def add_to_balance(
    account: Account,
    kind: LedgerEntryKind,
    amount_cents: int,
    at: datetime,
    *,
    invoice_id: InvoiceId | None = None,
    payment_id: PaymentId | None = None,
) -> None:
    """Raises the balance, which pays OPEN invoices at once, oldest due first. Raises `AmountOverflow`."""
    add_ledger_entry(account, kind, amount_cents, at, invoice_id=invoice_id, payment_id=payment_id)
    for invoice in oldest_due_first(account):
        if invoice.status is InvoiceStatus.OPEN:
            apply_balance(account, invoice, at)


def allocate(
    account: Account,
    invoice: InvoiceState,
    kind: AllocationKind,
    amount_cents: int,
    at: datetime,
    *,
    payment_id: PaymentId | None = None,
    source_invoice_id: InvoiceId | None = None,
) -> None:
    """Puts money against an unpaid invoice, which is PAID once nothing is due."""
    assert invoice.status in UNPAID, invoice.status
    assert 0 < amount_cents <= invoice.amount_due_cents, (amount_cents, invoice.amount_due_cents)
    account.allocations.append(
        NewAllocation(
            id=account.make_id(),
            customer_id=account.customer.id,
            invoice_id=invoice.id,
            kind=kind,
            amount_cents=amount_cents,
            payment_id=payment_id,
            source_invoice_id=source_invoice_id,
            created_at=at,
        )
    )
    invoice.amount_due_cents -= amount_cents
    if invoice.amount_due_cents:
        account.record_change(EventType.INVOICE_PARTIALLY_PAID, invoice, at)
    else:
        account.unpaid = [unpaid for unpaid in account.unpaid if unpaid.id != invoice.id]
        mark_paid(account, invoice, at)


def mark_paid(account: Account, invoice: InvoiceState, at: datetime) -> None:
    """Makes an invoice PAID on which nothing is due."""
    assert invoice.amount_due_cents == 0, invoice.amount_due_cents
    invoice.status = InvoiceStatus.PAID
    invoice.paid_at = at
    account.record_change(EventType.INVOICE_PAID, invoice, at)


def add_ledger_entry(
    account: Account,
    kind: LedgerEntryKind,
    amount_cents: int,
    at: datetime,
    *,
    invoice_id: InvoiceId | None = None,
    payment_id: PaymentId | None = None,
) -> None:
    """Adds an entry to the ledger. Raises `AmountOverflow` when the balance is more than an amount can be."""
    customer = account.customer
    customer.balance_cents = checked_cents(customer.balance_cents + amount_cents)
    customer.last_ledger_number += 1
    assert customer.balance_cents >= 0, customer.balance_cents
    assert customer.currency is not None, "money has a currency"
    account.ledger_entries.append(
        NewLedgerEntry(
            id=account.make_id(),
            customer_id=customer.id,
            sequence=customer.last_ledger_number,
            kind=kind,
            amount_cents=amount_cents,
            balance_after_cents=customer.balance_cents,
            currency=customer.currency,
            invoice_id=invoice_id,
            payment_id=payment_id,
            created_at=at,
        )
    )
    account.record_change(EventType.CUSTOMER_BALANCE_CHANGED, customer, at)


def mark_uncollectible(account: Account, invoice: InvoiceState, at: datetime) -> None:
    """Gives up on an unpaid invoice, which stays owed. Raises `InvoiceUncollectible`."""
    if invoice.status is not InvoiceStatus.OPEN:
        raise InvoiceUncollectible("This invoice is UNCOLLECTIBLE already.")
    invoice.status = InvoiceStatus.UNCOLLECTIBLE
    account.record_change(EventType.INVOICE_MARKED_UNCOLLECTIBLE, invoice, at)
    update_past_due(account, at)


def update_past_due(account: Account, at: datetime) -> None:
    """Makes the subscription PAST_DUE where an open invoice of it is overdue at `at`, and ACTIVE where none
    is. Asked after everything that may change the answer; other states stay what they are.
    """
    subscription = account.subscription
    if subscription is None or subscription.status not in (SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE):
        return
    # A run as of an earlier instant does not undo what has come to pass since.
    at = max(at, subscription.updated_at)
    overdue = any(
        is_open_invoice_of(subscription, invoice) and invoice.due_at is not None and invoice.due_at < overdue_cutoff(at)
        for invoice in account.unpaid
    )
    if overdue and subscription.status is SubscriptionStatus.ACTIVE:
        subscription.status = SubscriptionStatus.PAST_DUE
        account.record_change(EventType.SUBSCRIPTION_PAST_DUE, subscription, at)
    elif not overdue and subscription.status is SubscriptionStatus.PAST_DUE:
        subscription.status = SubscriptionStatus.ACTIVE
        account.record_change(EventType.SUBSCRIPTION_RECOVERED, subscription, at)


def overdue_cutoff(at: datetime) -> datetime:
    """The instant before which an invoice must be due to be overdue at `at`: its day, in UTC, is over."""
    return at.replace(hour=0, minute=0, second=0)


def overdue_at(due_at: datetime) -> datetime:
    """The first instant at which an invoice is overdue."""
    return overdue_cutoff(due_at) + timedelta(days=1)


def is_open_invoice_of(subscription: SubscriptionState, invoice: InvoiceState) -> bool:
    """Whether it is an open invoice of the subscription."""
    return invoice.status is InvoiceStatus.OPEN and invoice.subscription_id == subscription.id


def status_error(status: InvoiceStatus) -> BillingError:
    """The refusal of what cannot be done with an invoice in this state."""
    match status:
        case InvoiceStatus.DRAFT:
            return InvoiceDraft("This invoice is a DRAFT.")
        case InvoiceStatus.OPEN:
            return InvoiceOpen("This invoice is OPEN.")
        case InvoiceStatus.PAID:
            return InvoicePaid("This invoice is PAID.")
        case InvoiceStatus.VOID:
            return InvoiceVoid("This invoice is VOID.")
        case InvoiceStatus.UNCOLLECTIBLE:
            return InvoiceUncollectible("This invoice is UNCOLLECTIBLE.")
