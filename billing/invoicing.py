"""Finalizing and settling invoices: numbers, due dates, allocations, the balance, and past due subscriptions.

Pure: changes an `Account`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from billing.account import Account
from billing.enums import (
    UNPAID,
    AllocationKind,
    EventType,
    InvoiceKind,
    InvoiceStatus,
    LedgerEntryKind,
    SubscriptionStatus,
)
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
from billing.new_records import Line, NewAllocation, NewInvoice, NewLedgerEntry
from billing.periods import Period
from billing.records import InvoiceState, ReplacedInvoice, SubscriptionState


def finalize(
    account: Account,
    kind: InvoiceKind,
    lines: Sequence[Line],
    *,
    period: Period,
    period_ordinal: int | None = None,
    at: datetime,
    replaces: ReplacedInvoice | None = None,
) -> NewInvoice:
    """Creates a finalized invoice of the subscription from `lines`, and settles it.

    It has the purchase order number and memo of the invoice that it replaces, else those of the customer. Applies the
    balance to a positive total; see `settle_new_invoice`. Raises `AmountOverflow` if the total is too large, and
    `TooManyLines`.
    """
    require_lines_fit(len(lines))
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
        replaces_id=None if replaces is None else replaces.id,
        po_number=customer.po_number if replaces is None else replaces.po_number,
        memo=customer.invoice_memo if replaces is None else replaces.memo,
        test_clock_id=customer.test_clock_id,
        created_at=at,
        lines=list(lines),
    )
    account.add_invoice(invoice)
    account.record_change(EventType.INVOICE_FINALIZED, invoice, at)
    settle_new_invoice(account, invoice, lines, at)
    return invoice


def require_lines_fit(count: int, *field: str) -> None:
    """Raises `TooManyLines` for the input `field` if an invoice may not have `count` lines."""
    if count > MAX_LINES:
        raise TooManyLines(f"An invoice has at most {MAX_LINES} lines, this one would have {count}.", *field)


def next_number(account: Account) -> int:
    """Increments and returns the customer's last invoice number."""
    account.customer.last_invoice_number += 1
    account.customer_changed = True
    return account.customer.last_invoice_number


SEQUENCE_DIGITS = 4
"""Minimum number of digits of the sequence in an invoice number."""


def invoice_number(prefix: str, sequence: int) -> str:
    return f"{prefix}-{sequence:0{SEQUENCE_DIGITS}d}"


def first_sequence(digits: str) -> int | None:
    """Returns the smallest sequence whose digits in an invoice number start with `digits`. None if there is none.

    A customer has such an invoice if the last sequence is at least this one, because sequences have no gaps.
    """
    missing = max(0, SEQUENCE_DIGITS - len(digits))
    least = max(1, int(digits + "0" * missing))
    return least if f"{least:0{SEQUENCE_DIGITS}d}".startswith(digits) else None


def due_date(issued_at: datetime, *net_days: int | None) -> datetime:
    """Returns `issued_at` plus the first number of days that is set, else `NET_DAYS`."""
    return issued_at + timedelta(days=next((days for days in net_days if days is not None), NET_DAYS))


def settle_new_invoice(account: Account, invoice: InvoiceState, lines: Sequence[Line], at: datetime) -> None:
    """Settles an invoice that has just been finalized.

    A positive total is paid from the balance as far as possible. An invoice with a total of 0 or less is PAID. A
    negative total is applied to the customer's unpaid invoices; the remainder is added to the balance.
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
    """Yields the unpaid invoices to which a credit is applied, in this order.

    First those with lines that `lines` reverse, even if UNCOLLECTIBLE, then the other OPEN ones; each group oldest due
    first.
    """
    reversed_ids = {line.reverses_invoice_id for line in lines}
    unpaid = oldest_due_first(account)
    yield from (invoice for invoice in unpaid if invoice.id in reversed_ids)
    yield from (
        invoice for invoice in unpaid if invoice.id not in reversed_ids and invoice.status is InvoiceStatus.OPEN
    )


def oldest_due_first(account: Account) -> list[InvoiceState]:
    """Returns the unpaid invoices, oldest due first, then in order of creation."""
    for invoice in account.unpaid:
        assert invoice.due_at is not None, "an unpaid invoice is finalized"
    return sorted(account.unpaid, key=lambda invoice: (invoice.due_at, invoice.id))


def apply_balance(account: Account, invoice: InvoiceState, at: datetime) -> None:
    """Pays as much of the invoice as the balance covers."""
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
    """Increases the balance and then applies it to OPEN invoices, oldest due first. Raises `AmountOverflow`."""
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
    """Applies money to an unpaid invoice. The invoice becomes PAID when nothing is due."""
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
    """Marks an invoice with nothing due as PAID."""
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
    """Changes the balance and adds a ledger entry. Raises `AmountOverflow` if the balance becomes too large."""
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
    """Marks an unpaid invoice as UNCOLLECTIBLE. It stays owed. Raises `InvoiceUncollectible` if it already is."""
    if invoice.status is not InvoiceStatus.OPEN:
        raise InvoiceUncollectible("This invoice is already UNCOLLECTIBLE.")
    invoice.status = InvoiceStatus.UNCOLLECTIBLE
    account.record_change(EventType.INVOICE_MARKED_UNCOLLECTIBLE, invoice, at)
    update_past_due(account, at)


def update_past_due(account: Account, at: datetime) -> None:
    """Makes an ACTIVE or PAST_DUE subscription PAST_DUE if one of its OPEN invoices is overdue at `at`, else ACTIVE.

    Call it after every operation that changes the status or due amount of an invoice, or the status of the
    subscription.
    """
    subscription = account.subscription
    if subscription is None or subscription.status not in (SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE):
        return
    # A run as of an earlier instant must not undo a later status change.
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
    """Returns the start of the UTC day of `at`. Invoices due before it are overdue, as their due day is over."""
    return at.replace(hour=0, minute=0, second=0)


def overdue_at(due_at: datetime) -> datetime:
    """Returns the first instant at which an invoice is overdue: the midnight (UTC) after `due_at`."""
    return overdue_cutoff(due_at) + timedelta(days=1)


def is_open_invoice_of(subscription: SubscriptionState, invoice: InvoiceState) -> bool:
    """Returns True if the invoice is OPEN and belongs to the subscription."""
    return invoice.status is InvoiceStatus.OPEN and invoice.subscription_id == subscription.id


def status_error(status: InvoiceStatus, rule: str) -> BillingError:
    """Returns the error for an operation that is not possible in this status. `rule` says what is possible."""
    match status:
        case InvoiceStatus.DRAFT:
            return InvoiceDraft(f"This invoice is a DRAFT: {rule}.")
        case InvoiceStatus.OPEN:
            return InvoiceOpen(f"This invoice is OPEN: {rule}.")
        case InvoiceStatus.PAID:
            return InvoicePaid(f"This invoice is PAID: {rule}.")
        case InvoiceStatus.VOID:
            return InvoiceVoid(f"This invoice is VOID: {rule}.")
        case InvoiceStatus.UNCOLLECTIBLE:
            return InvoiceUncollectible(f"This invoice is UNCOLLECTIBLE: {rule}.")
