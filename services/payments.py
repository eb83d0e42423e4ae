"""Payments: money that came from outside, and what it pays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account, use_currency
from billing.errors import (
    AllocationInvalid,
    AmountNotPositive,
    AmountTooLarge,
    CurrencyMismatch,
    InvalidInput,
    InvoiceNotFound,
    Overpayment,
)
from billing.ids import CustomerId, InvoiceId
from billing.invoicing import judge, state_refusal
from billing.money import MAX_CENTS, amounts_that_fit
from billing.paying import oldest_first_shares, take_in
from billing.records import InvoiceState
from billing.validation import optional_text, valid_currency
from billing.words import PaymentMethod
from db.models import Invoice
from services.accounts.open import open_customer
from services.accounts.write import store
from services.idempotency import Outcome

MAX_REFERENCE = 255
OLDEST_MONEY = timedelta(days=3660)
MAX_ALLOCATIONS = 100


@dataclass(frozen=True, slots=True)
class WantedAllocation:
    """So much of a payment for this invoice; all that is due on it, where no amount is given."""

    invoice_id: InvoiceId
    amount_cents: int | None = None


async def record_payment(
    session: AsyncSession,
    *,
    customer_id: CustomerId,
    amount_cents: int,
    currency: str,
    method: PaymentMethod = PaymentMethod.BANK_TRANSFER,
    reference: str | None = None,
    received_at: datetime | None = None,
    allocations: Sequence[WantedAllocation] | None = None,
    allow_overpayment: bool = False,
    now: datetime,
) -> Outcome:
    """Stores money received, and puts it against the customer's open invoices, oldest due first, or against those that
    `allocations` names, which may be UNCOLLECTIBLE too. What is more than they take goes to the balance, if allowed.

    Raises `CustomerNotFound`, `AmountNotPositive`, `AmountTooLarge`, `CurrencyUnknown`, `CurrencyMismatch`,
    `InvalidInput`, `Overpayment`, `AllocationInvalid`, `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`,
    `TestClockAdvancing`.
    """
    if amount_cents <= 0:
        raise AmountNotPositive("A payment must be more than 0.")
    if amount_cents > MAX_CENTS:
        raise AmountTooLarge(f"A payment must be at most {MAX_CENTS} minor units.", "amount_cents")
    valid_currency(currency)
    reference = optional_text(reference, "reference", MAX_REFERENCE)
    account, at = await open_customer(session, customer_id, now=now)
    if account.customer.currency not in (None, currency):
        raise CurrencyMismatch(f"This customer is billed in {account.customer.currency}.", "currency")
    if received_at is not None and received_at > at:
        raise InvalidInput(f"It is {at:%FT%TZ}: money cannot have been received later.", "received_at")
    if received_at is not None and received_at < at - OLDEST_MONEY:
        raise InvalidInput(f"Money must have been received within {OLDEST_MONEY.days} days.", "received_at")

    shares = (
        await wanted_shares(session, account, allocations, amount_cents)
        if allocations is not None
        else oldest_first_shares(account, amount_cents)
    )
    rest = amount_cents - sum(share for _, share in shares)
    if rest and not allow_overpayment:
        raise Overpayment(f"This is {rest} minor units more than the invoices take.")
    use_currency(account, currency, at)
    with amounts_that_fit("amount_cents"):
        payment_id = take_in(
            account, amount_cents, shares, method=method, reference=reference, received_at=received_at or at, at=at
        )
    judge(account, at)
    await store(session, [account])
    return Outcome(customer_id=customer_id, payment_id=payment_id)


async def wanted_shares(
    session: AsyncSession, account: Account, allocations: Sequence[WantedAllocation], amount_cents: int
) -> list[tuple[InvoiceState, int]]:
    """How a payment falls on the invoices that were named, in their order."""
    if len(allocations) > MAX_ALLOCATIONS:
        raise AllocationInvalid(f"A payment has at most {MAX_ALLOCATIONS} allocations.")
    if len({wanted.invoice_id for wanted in allocations}) < len(allocations):
        raise AllocationInvalid("An invoice must be named only once.")
    unpaid = {invoice.id: invoice for invoice in account.unpaid}
    shares = []
    left = amount_cents
    for wanted in allocations:
        invoice = unpaid.get(wanted.invoice_id)
        if invoice is None:
            raise await why_not(session, account, wanted.invoice_id)
        share = min(left, invoice.amount_due_cents) if wanted.amount_cents is None else wanted.amount_cents
        if wanted.amount_cents is not None and wanted.amount_cents <= 0:
            raise AmountNotPositive("An allocation must be more than 0.", "allocations")
        if share > invoice.amount_due_cents:
            raise Overpayment(f"Only {invoice.amount_due_cents} are due on this invoice.", "allocations")
        if share > left:
            raise AllocationInvalid("The allocations add up to more than the payment.")
        if share == 0:
            raise AllocationInvalid("Nothing of the payment is left for the last of these invoices.")
        shares.append((invoice, share))
        left -= share
    return shares


async def why_not(session: AsyncSession, account: Account, invoice_id: InvoiceId) -> Exception:
    """The refusal of a payment of an invoice that is not unpaid."""
    status = await session.scalar(
        select(Invoice.status).where(Invoice.id == invoice_id, Invoice.customer_id == account.customer.id)
    )
    if status is None:
        return InvoiceNotFound("This customer has no such invoice.", "allocations")
    refusal = state_refusal(status)
    refusal.field = ("allocations",)
    return refusal
