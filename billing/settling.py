"""Money applied to invoices and taken back, the customer's balance, and past due subscriptions.

Pure: changes an `Account`.
"""

from datetime import datetime, timedelta

from billing.account import Account
from billing.enums import UNPAID, AllocationKind, EventType, InvoiceStatus, LedgerEntryKind, SubscriptionStatus
from billing.errors import (
    BillingError,
    InvoiceDraft,
    InvoiceOpen,
    InvoicePaid,
    InvoiceUncollectible,
    InvoiceVoid,
)
from billing.ids import CreditNoteId, InvoiceId, PaymentId
from billing.money import checked_cents
from billing.mrr import count
from billing.new_records import NewAllocation, NewLedgerEntry, ReleasedAllocation
from billing.records import AllocationState, InvoiceState, SubscriptionState


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
    credit_note_id: CreditNoteId | None = None,
    reason: str | None = None,
) -> None:
    """Increases the balance and then applies it to OPEN invoices, oldest due first. Raises `AmountOverflow`."""
    add_ledger_entry(
        account,
        kind,
        amount_cents,
        at,
        invoice_id=invoice_id,
        payment_id=payment_id,
        credit_note_id=credit_note_id,
        reason=reason,
    )
    apply_balance_to_open(account, at)


def apply_balance_to_open(account: Account, at: datetime) -> None:
    """Pays OPEN invoices from the balance, oldest due first."""
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
    credit_note_id: CreditNoteId | None = None,
) -> None:
    """Applies money or a credit to an unpaid invoice. The invoice becomes PAID when nothing is due."""
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
            credit_note_id=credit_note_id,
            created_at=at,
        )
    )
    invoice.amount_due_cents -= amount_cents
    if invoice.amount_due_cents:
        account.record_change(EventType.INVOICE_PARTIALLY_PAID, invoice, at)
    else:
        account.unpaid = [unpaid for unpaid in account.unpaid if unpaid.id != invoice.id]
        mark_paid(account, invoice, at)


def release(
    account: Account, invoice: InvoiceState, allocation: AllocationState, amount_cents: int, at: datetime
) -> None:
    """Releases an allocation, in whole or in part. The amount is due again: a PAID invoice becomes OPEN.

    A partly released allocation is released as a whole and replaced by one for the rest, with the same `created_at`.
    """
    assert allocation.invoice_id == invoice.id, (allocation.invoice_id, invoice.id)
    assert 0 < amount_cents <= allocation.amount_cents, (amount_cents, allocation.amount_cents)
    account.released_allocations.append(ReleasedAllocation(allocation.id, at))
    if amount_cents < allocation.amount_cents:
        account.allocations.append(
            NewAllocation(
                id=account.make_id(),
                customer_id=account.customer.id,
                invoice_id=invoice.id,
                kind=allocation.kind,
                amount_cents=allocation.amount_cents - amount_cents,
                payment_id=allocation.payment_id,
                source_invoice_id=allocation.source_invoice_id,
                credit_note_id=allocation.credit_note_id,
                created_at=allocation.created_at,
            )
        )
    invoice.amount_due_cents += amount_cents
    if invoice.status is InvoiceStatus.PAID:
        invoice.status = InvoiceStatus.OPEN
        invoice.paid_at = None
        account.unpaid.append(invoice)
        account.record_change(EventType.INVOICE_REOPENED, invoice, at)
    else:
        account.record_change(EventType.INVOICE_AMOUNT_DUE_INCREASED, invoice, at)


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
    credit_note_id: CreditNoteId | None = None,
    reason: str | None = None,
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
            credit_note_id=credit_note_id,
            reason=reason,
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
        count(account, at)
    elif not overdue and subscription.status is SubscriptionStatus.PAST_DUE:
        subscription.status = SubscriptionStatus.ACTIVE
        account.record_change(EventType.SUBSCRIPTION_RECOVERED, subscription, at)
        count(account, at)


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
