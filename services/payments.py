"""Payments that were received outside this server, and the invoices they pay."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import require_currency, use_currency
from billing.enums import EventType, InvoiceStatus, PaymentMethod
from billing.errors import Overpayment, PaymentNotFound
from billing.ids import CustomerId, InvoiceId, PaymentId
from billing.limits import MAX_REFERENCE
from billing.money import rejecting_overflow
from billing.paying import (
    RequestedAllocation,
    apply_payment,
    requested_shares,
    require_distinct_invoices,
    shares_oldest_first,
    valid_payment,
    valid_received_at,
)
from billing.settling import update_past_due
from billing.validation import UNCHANGED, Unchanged, optional_text, valid_currency, valid_metadata
from db.models import Invoice, Payment
from db.queries.arrays import among
from services.accounts.open import open_customer
from services.accounts.write import store
from services.events import record
from services.idempotency import Outcome


async def record_payment(
    session: AsyncSession,
    *,
    customer_id: CustomerId,
    amount_cents: int,
    currency: str,
    method: PaymentMethod = PaymentMethod.BANK_TRANSFER,
    reference: str | None = None,
    received_at: datetime | None = None,
    allocations: Sequence[RequestedAllocation] | None = None,
    allow_overpayment: bool = False,
    metadata: Mapping[str, str] | None = None,
    now: datetime,
) -> Outcome:
    """Records a payment and applies it to invoices. A remainder is added to the balance if `allow_overpayment` is True.

    Pays the customer's OPEN invoices, oldest due first, or those in `allocations`, which may be UNCOLLECTIBLE too.

    Raises `CustomerNotFound`, `AmountNotPositive`, `AmountTooLarge`, `CurrencyUnknown`, `CurrencyMismatch`,
    `InvalidInput`, `Overpayment`, `AllocationInvalid`, `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`,
    `TestClockAdvancing`.
    """
    valid_payment(amount_cents)
    valid_currency(currency)
    reference = optional_text(reference, "reference", MAX_REFERENCE)
    pairs = valid_metadata(metadata)
    account, at = await open_customer(session, customer_id, now=now)
    require_currency(account, currency, "currency")
    received_at = valid_received_at(received_at, at)
    if allocations is None:
        shares = shares_oldest_first(account, amount_cents)
    else:
        require_distinct_invoices(allocations)
        others = {wanted.invoice_id for wanted in allocations} - {invoice.id for invoice in account.unpaid}
        statuses = await statuses_of(session, customer_id, others) if others else {}
        shares = requested_shares(account, allocations, amount_cents, statuses)
    rest = amount_cents - sum(share for _, share in shares)
    if rest and not allow_overpayment:
        raise Overpayment(
            f"The payment exceeds the amount due on its invoices by {rest} minor units: set `allowOverpayment` to add"
            " the excess to the balance."
        )
    use_currency(account, currency, at)
    with rejecting_overflow("amount_cents"):
        payment_id = apply_payment(
            account,
            amount_cents,
            shares,
            method=method,
            reference=reference,
            received_at=received_at,
            metadata=pairs,
            at=at,
        )
    update_past_due(account, at)
    await store(session, [account])
    return Outcome(customer_id=customer_id, payment_id=payment_id)


async def update_payment(
    session: AsyncSession,
    *,
    payment_id: PaymentId,
    metadata: Mapping[str, str] | None | Unchanged = UNCHANGED,
    now: datetime,
) -> Outcome:
    """Replaces the metadata of a payment, the only part of it that can change.

    Raises `PaymentNotFound`, `InvalidInput`, `TestClockAdvancing`.
    """
    payment = await session.scalar(select(Payment).where(Payment.id == payment_id))
    if payment is None:
        raise PaymentNotFound("There is no payment with this id.")
    _, at = await open_customer(session, payment.customer_id, now=now)
    await session.refresh(payment)
    if metadata is not UNCHANGED:
        payment.custom_metadata = valid_metadata(metadata)

    if session.is_modified(payment):
        payment.version += 1
        payment.updated_at = max(at, payment.updated_at or payment.created_at)
        await record(session, EventType.PAYMENT_UPDATED, payment, at=payment.updated_at, now=now)
    return Outcome(payment_id=payment_id)


async def statuses_of(
    session: AsyncSession, customer_id: CustomerId, invoice_ids: Collection[InvoiceId]
) -> dict[InvoiceId, InvoiceStatus]:
    """Returns the statuses of those of the invoices that belong to the customer."""
    found = await session.execute(
        select(Invoice.id, Invoice.status).where(
            among(Invoice.id, list(invoice_ids)), Invoice.customer_id == customer_id
        )
    )
    return {row.id: row.status for row in found}
