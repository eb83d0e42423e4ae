"""Reversals and refunds of payments, and adjustments of the balance. Pure: changes an `Account`.

A reversal undoes a payment that failed, such as a returned direct debit, or that another customer made. The invoices
that it paid are owed again. A refund sends money back to the customer. It never raises the amount due on an invoice.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from billing.account import Account
from billing.enums import CreditNoteStatus, EventType, LedgerEntryKind
from billing.errors import (
    AmountNotPositive,
    BalanceSpent,
    BalanceTooLow,
    CreditNoteVoid,
    InvalidInput,
    RefundExceedsCreditNote,
    RefundExceedsPayment,
    ReversalExceedsPayment,
)
from billing.ids import InvoiceId
from billing.new_records import NewRefund, NewReversal
from billing.records import AllocationState, CreditNoteState, InvoiceState, PaymentState
from billing.settling import (
    add_ledger_entry,
    add_to_balance,
    apply_balance,
    apply_balance_to_open,
    release,
    update_past_due,
)


def reverse_payment(
    account: Account,
    payment: PaymentState,
    amount_cents: int | None,
    reason: str,
    *,
    overpaid_cents: int,
    allocations: Sequence[AllocationState],
    paid: Mapping[InvoiceId, InvoiceState],
    at: datetime,
) -> None:
    """Reverses a part of a payment, or everything that is left of it if `amount_cents` is None.

    First, what is left of its overpayment (`overpaid_cents`) is subtracted from the balance. If the balance is too
    small, allocations from the balance are released first, latest first. Then the payment's own allocations are
    released, latest first. The remaining balance returns to the invoice from which it was released, and is then
    applied to OPEN invoices.

    `allocations` must contain the allocations from the payment and from the balance that are not released, `paid` the
    PAID invoices that they are applied to. Raises `AmountNotPositive`, `ReversalExceedsPayment`, `BalanceSpent`.
    """
    if payment.kept_cents == 0:
        raise ReversalExceedsPayment("This payment has already been reversed or refunded in full.")
    if amount_cents is None:
        amount_cents = payment.kept_cents
    require_positive(amount_cents, "A reversal")
    if amount_cents > payment.kept_cents:
        raise ReversalExceedsPayment(f"Only {payment.kept_cents} minor units are left of this payment.")
    invoices = {**paid, **{invoice.id: invoice for invoice in account.unpaid}}
    from_balance = min(amount_cents, overpaid_cents)
    own = [allocation for allocation in allocations if allocation.payment_id == payment.id]
    of_balance = [allocation for allocation in allocations if allocation.payment_id is None]
    released: InvoiceState | None = None
    for allocation, _ in latest_first(of_balance, from_balance - account.customer.balance_cents):
        # As a whole: what the balance does not need returns below.
        whole, invoice = allocation.amount_cents, invoices[allocation.invoice_id]
        release(account, invoice, allocation, whole, at)
        add_ledger_entry(account, LedgerEntryKind.GIVEN_BACK, whole, at, invoice_id=invoice.id)
        released = invoice
    if account.customer.balance_cents < from_balance:
        raise BalanceSpent(
            f"This payment added {from_balance} minor units to the customer's balance, but only"
            f" {account.customer.balance_cents} can be subtracted from it."
        )
    payment.reversed_cents += amount_cents
    payment.reversed_at = at
    account.record_change(EventType.PAYMENT_REVERSED, payment, at)
    account.reversals.append(
        NewReversal(
            id=account.make_id(),
            customer_id=account.customer.id,
            payment_id=payment.id,
            amount_cents=amount_cents,
            reason=reason,
            created_at=at,
        )
    )
    if from_balance:
        add_ledger_entry(account, LedgerEntryKind.REVERSAL, -from_balance, at, payment_id=payment.id)
    if released is not None:
        apply_balance(account, released, at)
    for allocation, part in latest_first(own, amount_cents - from_balance):
        release(account, invoices[allocation.invoice_id], allocation, part, at)
    apply_balance_to_open(account, at)
    update_past_due(account, at)


def latest_first(allocations: Sequence[AllocationState], amount_cents: int) -> Iterator[tuple[AllocationState, int]]:
    """Yields the latest allocations that make up an amount, each with the part of it that is needed."""
    for allocation in sorted(allocations, key=lambda each: (each.created_at, each.id), reverse=True):
        if amount_cents <= 0:
            return
        part = min(amount_cents, allocation.amount_cents)
        amount_cents -= part
        yield allocation, part


def record_refund(
    account: Account,
    payment: PaymentState,
    amount_cents: int,
    *,
    credit_note: CreditNoteState | None,
    reference: str | None,
    at: datetime,
) -> None:
    """Records a refund of a payment, for a credit note or, without one, from the balance.

    Raises `AmountNotPositive`, `RefundExceedsPayment`, `CreditNoteVoid`, `RefundExceedsCreditNote`, `BalanceTooLow`.
    """
    require_positive(amount_cents, "A refund")
    if amount_cents > payment.kept_cents:
        raise RefundExceedsPayment(f"Only {payment.kept_cents} minor units are left of this payment.")
    if credit_note is None:
        require_balance(account, amount_cents)
    elif credit_note.status is CreditNoteStatus.VOID:
        raise CreditNoteVoid("This credit note is VOID: there is nothing to refund.")
    elif amount_cents > credit_note.refund_cents - credit_note.refunded_cents:
        raise RefundExceedsCreditNote(
            f"Only {credit_note.refund_cents - credit_note.refunded_cents} minor units of this credit note are left to"
            " refund."
        )
    payment.refunded_cents += amount_cents
    account.record_change(EventType.PAYMENT_REFUNDED, payment, at)
    account.refunds.append(
        NewRefund(
            id=account.make_id(),
            customer_id=account.customer.id,
            payment_id=payment.id,
            credit_note_id=None if credit_note is None else credit_note.id,
            amount_cents=amount_cents,
            reference=reference,
            created_at=at,
        )
    )
    if credit_note is None:
        add_ledger_entry(account, LedgerEntryKind.REFUND, -amount_cents, at, payment_id=payment.id)
    else:
        credit_note.refunded_cents += amount_cents
        account.record_change(EventType.CREDIT_NOTE_REFUNDED, credit_note, at)


def adjust_balance(account: Account, amount_cents: int, reason: str, at: datetime) -> None:
    """Raises or lowers the balance. An increase is applied to OPEN invoices.

    Raises `InvalidInput`, `BalanceTooLow`, `AmountOverflow`.
    """
    if amount_cents == 0:
        raise InvalidInput("An adjustment must not be 0.", "amount_cents")
    if amount_cents > 0:
        add_to_balance(account, LedgerEntryKind.ADJUSTMENT, amount_cents, at, reason=reason)
        update_past_due(account, at)
    else:
        require_balance(account, -amount_cents)
        add_ledger_entry(account, LedgerEntryKind.ADJUSTMENT, amount_cents, at, reason=reason)


def require_balance(account: Account, amount_cents: int) -> None:
    """Raises `BalanceTooLow` if the balance is less than the amount."""
    balance = account.customer.balance_cents
    if amount_cents > balance:
        raise BalanceTooLow(f"The customer's balance is {balance} minor units.")


def require_positive(amount_cents: int, subject: str) -> None:
    """Raises `AmountNotPositive`. `subject` begins the message: "A refund"."""
    if amount_cents <= 0:
        raise AmountNotPositive(f"{subject} must be more than 0.")
