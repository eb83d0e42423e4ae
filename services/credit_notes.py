"""Credit notes: corrections of finalized invoices."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.credit_notes import Distribution, RequestedCredit, issue_credit_note, void_credit_note
from billing.creditable import Creditable, credited_taxes, sum_of_taxes
from billing.enums import AllocationKind
from billing.errors import CreditNoteNotFound, InvoiceNotFound
from billing.ids import CreditNoteId, InvoiceId
from billing.limits import MAX_REASON
from billing.money import rejecting_overflow
from billing.new_records import NewCreditNote
from billing.records import InvoiceState
from billing.settling import status_error
from billing.validation import required_text, valid_memo
from db.queries.corrections import (
    allocation_of_credit_note,
    credit_note_state,
    invoice_states,
    next_credit_note_sequence,
)
from services.accounts.open import open_customer
from services.accounts.write import store
from services.creditable import NOT_CREDITABLE, read_creditable
from services.idempotency import Outcome
from services.invoices import NO_INVOICE, read_existing_invoice


async def create_credit_note(
    session: AsyncSession,
    *,
    invoice_id: InvoiceId,
    request: RequestedCredit,
    distribution: Distribution | None = None,
    reason: str,
    memo: str | None = None,
    now: datetime,
) -> Outcome:
    """Issues a credit note for a finalized invoice.

    Raises `InvoiceNotFound`, `InvoiceDraft`, `InvoiceVoid`, `TestClockAdvancing` and the errors of
    `issue_credit_note`.
    """
    reason = required_text(reason, "reason", MAX_REASON)
    memo = valid_memo(memo, "memo")
    account, note = await decide_credit_note(
        session, invoice_id, request, distribution, reason=reason, memo=memo, now=now
    )
    await store(session, [account])
    return Outcome(customer_id=note.customer_id, invoice_id=invoice_id, credit_note_id=note.id)


async def decide_credit_note(
    session: AsyncSession,
    invoice_id: InvoiceId,
    request: RequestedCredit,
    distribution: Distribution | None,
    *,
    reason: str = "",
    memo: str | None = None,
    now: datetime,
    lock: bool = True,
) -> tuple[Account, NewCreditNote]:
    """Returns the account of the invoice's customer and a new credit note, which is part of it but not stored yet.

    `lock=False` is for previews: it locks nothing. Raises the errors of `create_credit_note`, except those for
    `reason` and `memo`.
    """
    account, invoice, at = await open_invoice(session, invoice_id, now, lock=lock)
    if invoice.status in NOT_CREDITABLE:
        raise status_error(invoice.status, "only an OPEN, PAID or UNCOLLECTIBLE invoice can be credited")
    creditable = with_unstored_decisions(await read_creditable(session, invoice_id), account, invoice_id)
    sequence = await next_credit_note_sequence(session, account.customer.id)
    with rejecting_overflow():
        note = issue_credit_note(
            account, invoice, creditable, request, distribution, sequence=sequence, reason=reason, memo=memo, at=at
        )
    return account, note


def with_unstored_decisions(creditable: Creditable, account: Account, invoice_id: InvoiceId) -> Creditable:
    """Returns `creditable`, updated with the decisions of a preview, which are not stored.

    These decisions are credits for unused time, and allocations from the balance and from other invoices' credits.
    """
    decided = account.not_stored or account
    stored = {line.id for line in decided.removed_pending_lines}
    billed = [line for other in decided.invoices for line in other.lines if line.id not in stored]
    for credit in [*billed, *decided.new_pending_lines]:
        for line in creditable.lines:
            if credit.reverses_line_id == line.id:
                line.prorated_cents -= credit.amount_cents
                line.credited_tax_cents = sum_of_taxes([line.credited_tax_cents, credited_taxes(credit.tax)])
    paid = sum(
        allocation.amount_cents
        for allocation in decided.allocations
        if allocation.invoice_id == invoice_id and allocation.kind in (AllocationKind.BALANCE, AllocationKind.CREDIT)
    )
    return replace(creditable, restorable_cents=creditable.restorable_cents + paid)


async def open_invoice(
    session: AsyncSession, invoice_id: InvoiceId, now: datetime, *, lock: bool
) -> tuple[Account, InvoiceState, datetime]:
    """Returns the account of an invoice in any status, the invoice, and the customer's current time.

    Raises `InvoiceNotFound`, `TestClockAdvancing`.
    """
    found = await read_existing_invoice(session, invoice_id)
    account, at = await open_customer(session, found.customer_id, now=now, lock=lock)
    for unpaid in account.unpaid:
        if unpaid.id == invoice_id:
            return account, unpaid, at
    decided = account.not_stored or account
    if invoice_id in decided.changed_invoices:
        return account, decided.changed_invoices[invoice_id], at
    found_again = await invoice_states(session, [invoice_id])
    if not found_again:
        raise InvoiceNotFound(NO_INVOICE)
    return account, found_again[0], at


async def void_issued_credit_note(session: AsyncSession, *, credit_note_id: CreditNoteId, now: datetime) -> Outcome:
    """Voids a credit note of which nothing was refunded.

    Raises `CreditNoteNotFound`, `TestClockAdvancing` and the errors of `void_credit_note`.
    """
    known = await credit_note_state(session, credit_note_id)
    if known is None:
        raise CreditNoteNotFound("There is no credit note with this id.")
    account, invoice, at = await open_invoice(session, known.invoice_id, now, lock=True)
    note = await credit_note_state(session, credit_note_id)
    assert note is not None, "credit notes are never deleted"
    allocation = await allocation_of_credit_note(session, credit_note_id)
    void_credit_note(account, note, invoice, allocation, at)
    await store(session, [account])
    return Outcome(customer_id=note.customer_id, invoice_id=note.invoice_id, credit_note_id=credit_note_id)
