"""How a payment is applied. Pure: changes an `Account`."""

from collections.abc import Sequence
from datetime import datetime

from billing.account import Account
from billing.ids import PaymentId
from billing.invoicing import allocate, enter, oldest_due_first
from billing.records import InvoiceState, PlannedPayment
from billing.words import AllocationKind, EventType, InvoiceStatus, LedgerEntryKind, ObjectType, PaymentMethod


def take_in(
    account: Account,
    amount_cents: int,
    shares: Sequence[tuple[InvoiceState, int]],
    *,
    method: PaymentMethod,
    reference: str | None = None,
    received_at: datetime,
    at: datetime,
) -> PaymentId:
    """Puts a payment into the account, in the customer's currency: its shares on their invoices, the rest on the
    balance. Raises `AmountOverflow` when the balance is more than an amount can be.
    """
    customer = account.customer
    assert customer.currency is not None, "money has a currency"
    payment_id = PaymentId(account.make_id())
    rest = amount_cents - sum(share for _, share in shares)
    account.payments.append(
        PlannedPayment(
            id=payment_id,
            customer_id=customer.id,
            amount_cents=amount_cents,
            overpayment_cents=rest,
            currency=customer.currency,
            method=method,
            reference=reference,
            received_at=received_at,
            created_at=at,
        )
    )
    account.tell(EventType.PAYMENT_RECORDED, ObjectType.PAYMENT, payment_id, 1, at)
    for invoice, share in shares:
        allocate(account, invoice, AllocationKind.PAYMENT, share, at, payment_id=payment_id)
    if rest:
        enter(account, LedgerEntryKind.OVERPAYMENT, rest, at, payment_id=payment_id)
    return payment_id


def oldest_first_shares(account: Account, amount_cents: int) -> list[tuple[InvoiceState, int]]:
    """How a payment falls on the open invoices, oldest due first."""
    shares = []
    for invoice in oldest_due_first(account):
        if amount_cents and invoice.status is InvoiceStatus.OPEN:
            share = min(amount_cents, invoice.amount_due_cents)
            shares.append((invoice, share))
            amount_cents -= share
    return shares
