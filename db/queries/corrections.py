"""Reads that corrections need: the allocations of payments and balances, and what was credited on invoices."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import AllocationKind, CreditNoteStatus
from billing.ids import CreditNoteId, CustomerId, InvoiceId, PaymentId
from billing.records import AllocationState, CreditNoteState, InvoiceState, PaymentState
from db.access.records import bind
from db.models import Allocation, CreditNote, Invoice, LedgerEntry, Payment
from db.queries.accounts import ALLOCATION, INVOICE
from db.queries.arrays import among

PAYMENT = bind(PaymentState, Payment, updated_at=func.coalesce(Payment.updated_at, Payment.created_at))
CREDIT_NOTE = bind(CreditNoteState, CreditNote)


async def payment_state(session: AsyncSession, payment_id: PaymentId) -> PaymentState | None:
    rows = (await session.execute(select(*PAYMENT.columns).where(Payment.id == payment_id))).all()
    return PAYMENT.make(*rows[0]) if rows else None


async def credit_note_state(session: AsyncSession, credit_note_id: CreditNoteId) -> CreditNoteState | None:
    rows = (await session.execute(select(*CREDIT_NOTE.columns).where(CreditNote.id == credit_note_id))).all()
    return CREDIT_NOTE.make(*rows[0]) if rows else None


async def invoice_states(session: AsyncSession, invoice_ids: Sequence[InvoiceId]) -> list[InvoiceState]:
    return INVOICE.read(await session.execute(select(*INVOICE.columns).where(among(Invoice.id, invoice_ids))))


async def allocations_of_payment(
    session: AsyncSession, customer_id: CustomerId, payment_id: PaymentId, *, or_balance: bool
) -> list[AllocationState]:
    """Returns the allocations of a payment and, with `or_balance`, those from the customer's balance.

    Omits released allocations.
    """
    theirs: ColumnElement[bool] = Allocation.payment_id == payment_id
    if or_balance:
        # A literal, not a parameter: otherwise PostgreSQL cannot use the partial index on these allocations.
        theirs = or_(theirs, Allocation.kind == literal_column(f"'{AllocationKind.BALANCE.value}'"))
    statement = select(*ALLOCATION.columns).where(
        Allocation.customer_id == customer_id,
        Allocation.released_at.is_(None),
        theirs,
    )
    return ALLOCATION.read(await session.execute(statement))


async def allocation_of_credit_note(session: AsyncSession, credit_note_id: CreditNoteId) -> AllocationState | None:
    """Returns the allocation of a credit note to its invoice, or None if there is none or it is released."""
    statement = select(*ALLOCATION.columns).where(
        Allocation.credit_note_id == credit_note_id, Allocation.released_at.is_(None)
    )
    rows = (await session.execute(statement)).all()
    return ALLOCATION.make(*rows[0]) if rows else None


async def overpaid_cents(session: AsyncSession, payment_id: PaymentId) -> int:
    """Returns the part of a payment that was added to the balance and not taken back by reversals or refunds."""
    entries = select(func.coalesce(func.sum(LedgerEntry.amount_cents), 0)).where(LedgerEntry.payment_id == payment_id)
    return max(0, int(await session.scalar(entries) or 0))


async def has_credit_note(session: AsyncSession, invoice_id: InvoiceId) -> bool:
    """Returns True if a credit note of the invoice is not void."""
    notes = select(CreditNote.id).where(CreditNote.invoice_id == invoice_id, CreditNote.status != CreditNoteStatus.VOID)
    return (await session.scalar(notes.limit(1))) is not None


async def next_credit_note_sequence(session: AsyncSession, customer_id: CustomerId) -> int:
    """Returns the sequence number of the customer's next credit note. Lock the customer first."""
    last = await session.scalar(select(func.max(CreditNote.sequence)).where(CreditNote.customer_id == customer_id))
    return (last or 0) + 1
