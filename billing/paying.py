"""Applying payments to invoices and to the balance. Pure: changes an `Account`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.account import Account
from billing.enums import AllocationKind, EventType, InvoiceStatus, LedgerEntryKind, ObjectType, PaymentMethod
from billing.errors import (
    AllocationInvalid,
    AmountNotPositive,
    AmountTooLarge,
    BillingError,
    InvalidInput,
    InvoiceNotFound,
    Overpayment,
)
from billing.ids import InvoiceId, PaymentId
from billing.limits import MAX_ALLOCATIONS, MAX_CENTS, MAX_PAYMENT_AGE
from billing.new_records import NewPayment
from billing.records import InvoiceState
from billing.settling import add_to_balance, allocate, oldest_due_first, status_error


@dataclass(frozen=True, slots=True)
class RequestedAllocation:
    """A requested allocation of a payment to an invoice.

    Without an amount, as much as is due on the invoice, or as is left of the payment.
    """

    invoice_id: InvoiceId
    amount_cents: int | None = None


def valid_payment(amount_cents: int) -> int:
    """Returns the amount. Raises `AmountNotPositive`, `AmountTooLarge`."""
    if amount_cents <= 0:
        raise AmountNotPositive("A payment must be more than 0.")
    if amount_cents > MAX_CENTS:
        raise AmountTooLarge(f"A payment must be at most {MAX_CENTS} minor units.", "amount_cents")
    return amount_cents


def valid_received_at(received_at: datetime | None, at: datetime) -> datetime:
    """Returns the time when a payment was received, by default `at`. Raises `InvalidInput`."""
    if received_at is None:
        return at
    if received_at > at:
        raise InvalidInput(f"`receivedAt` must not be in the future: it is {at:%FT%TZ}.", "received_at")
    if received_at < at - MAX_PAYMENT_AGE:
        raise InvalidInput(f"`receivedAt` must be within the last {MAX_PAYMENT_AGE.days} days.", "received_at")
    return received_at


def apply_payment(
    account: Account,
    amount_cents: int,
    shares: Sequence[tuple[InvoiceState, int]],
    *,
    method: PaymentMethod,
    reference: str | None = None,
    received_at: datetime,
    metadata: dict[str, str] | None = None,
    at: datetime,
) -> PaymentId:
    """Records a payment in the customer's currency. Applies its `shares` to their invoices and adds the rest to the
    balance.

    Raises `AmountOverflow` if the balance becomes too large.
    """
    customer = account.customer
    assert customer.currency is not None, "money has a currency"
    payment_id = PaymentId(account.make_id())
    rest = amount_cents - sum(share for _, share in shares)
    account.payments.append(
        NewPayment(
            id=payment_id,
            customer_id=customer.id,
            amount_cents=amount_cents,
            overpayment_cents=rest,
            currency=customer.currency,
            method=method,
            reference=reference,
            received_at=received_at,
            metadata=metadata or {},
            test_clock_id=customer.test_clock_id,
            created_at=at,
        )
    )
    account.add_event(EventType.PAYMENT_RECORDED, ObjectType.PAYMENT, payment_id, 1, at)
    for invoice, share in shares:
        allocate(account, invoice, AllocationKind.PAYMENT, share, at, payment_id=payment_id)
    if rest:
        add_to_balance(account, LedgerEntryKind.OVERPAYMENT, rest, at, payment_id=payment_id)
    return payment_id


def shares_oldest_first(account: Account, amount_cents: int) -> list[tuple[InvoiceState, int]]:
    """Returns the shares of a payment that go to the OPEN invoices, oldest due first."""
    shares = []
    for invoice in oldest_due_first(account):
        if amount_cents and invoice.status is InvoiceStatus.OPEN:
            share = min(amount_cents, invoice.amount_due_cents)
            shares.append((invoice, share))
            amount_cents -= share
    return shares


def require_distinct_invoices(allocations: Sequence[RequestedAllocation]) -> None:
    """Raises `AllocationInvalid` if there are too many allocations, or two for the same invoice."""
    if len(allocations) > MAX_ALLOCATIONS:
        raise AllocationInvalid(f"A payment may have at most {MAX_ALLOCATIONS} allocations.")
    seen: set[InvoiceId] = set()
    for index, wanted in enumerate(allocations):
        if wanted.invoice_id in seen:
            raise AllocationInvalid("Each invoice may be named only once.", "allocations", str(index), "invoice_id")
        seen.add(wanted.invoice_id)


def requested_shares(
    account: Account,
    allocations: Sequence[RequestedAllocation],
    amount_cents: int,
    statuses: Mapping[InvoiceId, InvoiceStatus],
) -> list[tuple[InvoiceState, int]]:
    """Returns the shares of a payment for the requested `allocations`, in their order.

    `statuses` are those of requested invoices of the customer on which nothing is due. Raises `InvoiceNotFound`, the
    error from `status_error`, `AmountNotPositive`, `Overpayment`, `AllocationInvalid`.
    """
    unpaid = {invoice.id: invoice for invoice in account.unpaid}
    shares = []
    left = amount_cents
    for index, wanted in enumerate(allocations):
        place = "allocations", str(index)
        invoice = unpaid.get(wanted.invoice_id)
        if invoice is None:
            refusal = not_payable_error(statuses.get(wanted.invoice_id))
            refusal.field = (*place, "invoice_id")
            raise refusal
        share = min(left, invoice.amount_due_cents) if wanted.amount_cents is None else wanted.amount_cents
        if wanted.amount_cents is not None and wanted.amount_cents <= 0:
            raise AmountNotPositive("An allocation must be more than 0.", *place, "amount_cents")
        if share > invoice.amount_due_cents:
            raise Overpayment(
                f"Only {invoice.amount_due_cents} minor units are due on this invoice.", *place, "amount_cents"
            )
        if share > left:
            raise AllocationInvalid("The allocations add up to more than the payment.")
        if share == 0:
            raise AllocationInvalid("The payment is used up before it reaches all of these invoices.")
        shares.append((invoice, share))
        left -= share
    return shares


def not_payable_error(status: InvoiceStatus | None) -> BillingError:
    """Returns the error for paying an invoice on which nothing is due.

    `status` is None if the customer has no such invoice.
    """
    if status is None:
        return InvoiceNotFound("This customer has no such invoice.")
    return status_error(status, "only an OPEN or UNCOLLECTIBLE invoice can be paid")
