"""Reversals and refunds of payments, and adjustments of the balance. Each raises `Refused`."""

from tests.walk.model.credit_notes import is_bad_reason
from tests.walk.model.money import (
    add_ledger_entry,
    add_to_balance,
    pay_what_is_open,
    release,
    spend_balance,
    update_past_due,
    use_currency,
)
from tests.walk.model.shared import refuse
from tests.walk.model.subscriptions import opened
from tests.walk.model.world import Allocation, CreditNote, Customer, Invoice, Payment, Refund, World

LONGEST_REFERENCE = 255


def reverse(world: World, customer: Customer, payment: Payment, amount: int | None, reason: str) -> None:
    """Takes back a payment: first its overpayment from the balance, then what it paid, latest first.

    If the balance is too small, it gets back what it paid itself, latest first.
    """
    at = opened(world, customer)
    refuse(INVALID_INPUT=is_bad_reason(reason))
    wanted = payment.kept if amount is None else amount
    refuse(
        REVERSAL_EXCEEDS_PAYMENT=payment.kept == 0 or wanted > payment.kept,
        AMOUNT_NOT_POSITIVE=amount is not None and amount <= 0,
    )
    from_balance = min(wanted, overpaid(customer, payment))
    taken_from = None
    for invoice, allocation in latest_first(customer, "BALANCE", None):
        if customer.balance >= from_balance:
            break
        release(customer, invoice, allocation, allocation.amount, at)
        add_ledger_entry(customer, "GIVEN_BACK", allocation.amount, at, invoice)
        taken_from = invoice
    refuse(BALANCE_SPENT=customer.balance < from_balance)
    payment.reversals.append((wanted, reason.strip()))
    payment.reversed_at = at
    customer.note("PAYMENT_REVERSED", payment, at)
    if from_balance:
        add_ledger_entry(customer, "REVERSAL", -from_balance, at, payment)
    if taken_from is not None:
        spend_balance(customer, taken_from, at)
    rest = wanted - from_balance
    for invoice, allocation in latest_first(customer, "PAYMENT", payment):
        if part := min(rest, allocation.amount):
            release(customer, invoice, allocation, part, at)
            rest -= part
    assert rest == 0
    pay_what_is_open(customer, at)
    update_past_due(customer, customer.live, at)


def overpaid(customer: Customer, payment: Payment) -> int:
    """Returns what is left of an overpayment, after reversals of it and refunds from the balance."""
    return max(0, sum(entry.amount for entry in customer.ledger if entry.about is payment))


def latest_first(customer: Customer, kind: str, source: Payment | None) -> list[tuple[Invoice, Allocation]]:
    """Returns the allocations of this kind and source that are not released, each with its invoice."""
    found = [
        (invoice, allocation)
        for invoice in customer.invoices
        for allocation in invoice.standing
        if allocation.kind == kind and allocation.source is source
    ]
    return sorted(found, key=lambda each: each[1].made, reverse=True)


def refund(
    world: World,
    customer: Customer,
    payment: Payment,
    amount: int,
    *,
    note: CreditNote | None,
    reference: str | None,
) -> None:
    """Records that money was sent back: a credit note's part for refunds, or money of the balance."""
    at = opened(world, customer)
    refuse(
        INVALID_INPUT=len(reference or "") > LONGEST_REFERENCE,
        CREDIT_NOTE_NOT_FOUND=note and note not in customer.credit_notes,
    )
    refuse(AMOUNT_NOT_POSITIVE=amount <= 0, REFUND_EXCEEDS_PAYMENT=amount > payment.kept)
    refuse(
        BALANCE_TOO_LOW=note is None and amount > customer.balance,
        CREDIT_NOTE_VOID=note and note.voided_at,
    )
    refuse(REFUND_EXCEEDS_CREDIT_NOTE=note and amount > note.refund - note.refunded)
    made = Refund(amount, reference, payment, note)
    payment.refunds.append(made)
    customer.note("PAYMENT_REFUNDED", payment, at)
    if note:
        note.refunds.append(made)
        customer.note("CREDIT_NOTE_REFUNDED", note, at)
    else:
        add_ledger_entry(customer, "REFUND", -amount, at, payment)


def adjust(world: World, customer: Customer, amount: int, currency: str, reason: str) -> None:
    at = opened(world, customer)
    refuse(
        INVALID_INPUT=amount == 0 or is_bad_reason(reason),
        CURRENCY_UNKNOWN=currency == "XXX",
        CURRENCY_MISMATCH=customer.currency not in (None, currency),
        BALANCE_TOO_LOW=customer.balance + amount < 0,
    )
    use_currency(customer, currency, at)
    if amount < 0:
        add_ledger_entry(customer, "ADJUSTMENT", amount, at, None, reason.strip())
        return
    add_to_balance(customer, "ADJUSTMENT", amount, at, None, reason.strip())
    update_past_due(customer, customer.live, at)
