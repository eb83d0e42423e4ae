"""Reversals and refunds of payments, and adjustments of balances."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account, require_currency, use_currency
from billing.errors import CreditNoteNotFound, PaymentNotFound
from billing.ids import CreditNoteId, CustomerId, PaymentId
from billing.limits import MAX_REASON, MAX_REFERENCE
from billing.money import checked_cents, rejecting_overflow
from billing.records import PaymentState
from billing.reversing import adjust_balance, record_refund, reverse_payment
from billing.validation import optional_text, required_text, valid_currency
from db.queries.corrections import (
    allocations_of_payment,
    credit_note_state,
    invoice_states,
    overpaid_cents,
    payment_state,
)
from services.accounts.open import open_customer
from services.accounts.write import store
from services.idempotency import Outcome


async def reverse_recorded_payment(
    session: AsyncSession, *, payment_id: PaymentId, amount_cents: int | None = None, reason: str, now: datetime
) -> Outcome:
    """Reverses a part of a payment, or everything that is left of it if `amount_cents` is None.

    Raises `PaymentNotFound`, `InvalidInput`, `AmountTooLarge`, `TestClockAdvancing` and the errors of
    `reverse_payment`.
    """
    reason = required_text(reason, "reason", MAX_REASON)
    account, payment, at = await open_payment(session, payment_id, now)
    overpaid = await overpaid_cents(session, payment_id)
    needs_more = overpaid > account.customer.balance_cents
    allocations = await allocations_of_payment(session, payment.customer_id, payment_id, or_balance=needs_more)
    unpaid = {invoice.id for invoice in account.unpaid}
    others = list({allocation.invoice_id for allocation in allocations} - unpaid)
    paid = {invoice.id: invoice for invoice in await invoice_states(session, others)} if others else {}
    # The balance can exceed the maximum temporarily, because whole allocations are returned to it.
    with rejecting_overflow():
        reverse_payment(
            account, payment, amount_cents, reason, overpaid_cents=overpaid, allocations=allocations, paid=paid, at=at
        )
    await store(session, [account])
    return Outcome(customer_id=payment.customer_id, payment_id=payment_id)


async def refund_payment(
    session: AsyncSession,
    *,
    payment_id: PaymentId,
    amount_cents: int,
    credit_note_id: CreditNoteId | None = None,
    reference: str | None = None,
    now: datetime,
) -> Outcome:
    """Records a refund of a payment, for a credit note or, without one, from the balance.

    Raises `PaymentNotFound`, `CreditNoteNotFound`, `InvalidInput`, `TestClockAdvancing` and the errors of
    `record_refund`.
    """
    reference = optional_text(reference, "reference", MAX_REFERENCE)
    account, payment, at = await open_payment(session, payment_id, now)
    note = None
    if credit_note_id is not None:
        note = await credit_note_state(session, credit_note_id)
        if note is None or note.customer_id != payment.customer_id:
            raise CreditNoteNotFound("The payment's customer has no such credit note.")
    record_refund(account, payment, amount_cents, credit_note=note, reference=reference, at=at)
    await store(session, [account])
    return Outcome(customer_id=payment.customer_id, payment_id=payment_id, credit_note_id=credit_note_id)


async def open_payment(
    session: AsyncSession, payment_id: PaymentId, now: datetime
) -> tuple[Account, PaymentState, datetime]:
    """Locks a payment's customer. Returns the customer's account, the payment, and the customer's current time.

    Raises `PaymentNotFound`, `TestClockAdvancing`.
    """
    payment = await payment_state(session, payment_id)
    if payment is None:
        raise PaymentNotFound("There is no payment with this id.")
    account, at = await open_customer(session, payment.customer_id, now=now)
    again = await payment_state(session, payment_id)
    assert again is not None, "payments are never deleted"
    return account, again, at


async def adjust_customer_balance(
    session: AsyncSession, *, customer_id: CustomerId, amount_cents: int, currency: str, reason: str, now: datetime
) -> Outcome:
    """Raises or lowers a customer's balance. Sets the customer's currency if it has none yet.

    Raises `CustomerNotFound`, `CurrencyUnknown`, `CurrencyMismatch`, `InvalidInput`, `BalanceTooLow`,
    `AmountTooLarge`, `TestClockAdvancing`.
    """
    valid_currency(currency)
    reason = required_text(reason, "reason", MAX_REASON)
    account, at = await open_customer(session, customer_id, now=now)
    require_currency(account, currency, "currency")
    with rejecting_overflow("amount_cents"):
        checked_cents(amount_cents)
        if amount_cents > 0:
            use_currency(account, currency, at)
        adjust_balance(account, amount_cents, reason, at)
    await store(session, [account])
    return Outcome(customer_id=customer_id)
