"""Invoices: one-off ones from draft to finalized, and what can become of a finalized one.

DRAFT → OPEN → PAID | VOID | UNCOLLECTIBLE; UNCOLLECTIBLE → PAID | VOID; nothing else.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.errors import (
    InvoiceAlreadyReissued,
    InvoiceNotFound,
    InvoiceNotRecurring,
    InvoiceNotReissuable,
)
from billing.ids import InvoiceId, InvoiceLineId, new_id
from billing.invoicing import finalize, judge, mark_uncollectible, state_refusal, void
from billing.money import amounts_that_fit
from billing.periods import Period
from billing.records import InvoiceState, PlannedLine
from billing.words import EventType, InvoiceKind, InvoiceStatus, LineKind
from db.models import Invoice, InvoiceLine
from db.queries.accounts import (
    allocations_of_invoice,
    billed_by_line,
    came_after,
    credited_by_line,
    has_credit_of_change,
    line_spans_of_invoice,
    period_was_changed,
)
from services.accounts.clock import arrive
from services.accounts.open import open_customer
from services.accounts.read import read_accounts
from services.accounts.write import store
from services.idempotency import Outcome
from services.repairs import repair_periods


async def void_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Takes an invoice back on which nothing was paid: it was never owed. What it used of the balance goes back there.

    Raises `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`, `InvoiceHasPayments`, `InvoiceReversed`,
    `TestClockAdvancing`.
    """
    account, state, at = await open_unpaid(session, invoice_id, now)
    allocations = await allocations_of_invoice(session, invoice_id)
    lines = await line_spans_of_invoice(session, invoice_id)
    charges = [line for line in lines if line.kind is LineKind.PRORATION_CHARGE]
    elsewhere = bool(await credited_by_line(session, [line.id for line in lines], elsewhere_than=invoice_id))
    for charge in charges:
        elsewhere = elsewhere or await has_credit_of_change(session, state, charge)
    with amounts_that_fit():
        void(account, state, allocations, at, charges=charges, credited_elsewhere=elsewhere)
    await store(session, [account])
    return Outcome(invoice_id=invoice_id)


async def mark_invoice_uncollectible(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Gives up on an OPEN invoice. It stays owed, and can still be paid or voided.

    Raises `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`, `InvoiceUncollectible`,
    `TestClockAdvancing`.
    """
    account, state, at = await open_unpaid(session, invoice_id, now)
    mark_uncollectible(account, state, at)
    await store(session, [account])
    return Outcome(invoice_id=invoice_id)


async def reissue_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Makes the successor of a voided recurring invoice: the same period and lines, the next number. Returns its id.

    Raises `InvoiceNotFound`, `InvoiceNotRecurring`, the refusal that names the state of what is not VOID,
    `InvoiceAlreadyReissued`, `InvoiceNotReissuable`, `TestClockAdvancing`.
    """
    invoice = await existing_invoice(session, invoice_id)
    account, at = await open_customer(session, invoice.customer_id, now=now)
    await session.refresh(invoice)
    if invoice.status is not InvoiceStatus.VOID:
        raise state_refusal(invoice.status)
    if invoice.kind is not InvoiceKind.RECURRING:
        raise InvoiceNotRecurring("Only the invoice of a subscription's period is issued again.")
    if await session.scalar(select(Invoice.id).where(Invoice.replaces_id == invoice_id)):
        raise InvoiceAlreadyReissued("This invoice has a successor.")
    live = account
    if account.subscription is None or account.subscription.id != invoice.subscription_id:
        assert invoice.subscription_id is not None, "the invoice of a period is of a subscription"
        [account] = await read_accounts(session, [invoice.subscription_id])
        at = max(at, await arrive(session, account, now, lock=True))
    await period_stands(session, account, invoice)
    lines = await lines_again(session, invoice_id)
    with amounts_that_fit():
        finalize(
            account,
            invoice.kind,
            lines,
            period=Period(invoice.period_start, invoice.period_end),
            period_ordinal=invoice.period_ordinal,
            at=at,
            replaces_id=invoice_id,
        )
    judge(account, at)
    await store(session, [account])
    if live is not account and live.subscription is not None:
        # Credit on the new invoice may have paid what another subscription of the customer owed.
        again, at = await open_customer(session, invoice.customer_id, now=now)
        judge(again, at)
        await store(session, [again])
    return Outcome(invoice_id=account.invoices[0].id)


async def period_stands(session: AsyncSession, account: Account, invoice: Invoice) -> None:
    """Raises `InvoiceNotReissuable` where the whole of a void invoice's period is no longer to be billed: it was cut, a
    change in it was charged for, or the subscription ended in it when there was nothing to give back any more.
    """
    subscription = account.known_subscription
    assert subscription.id == invoice.subscription_id, "the account is that of the invoice"
    assert invoice.period_ordinal is not None, "a recurring invoice has a period"
    ended = subscription.ended_at is not None and subscription.ended_at < invoice.period_end
    ended_since = ended and await came_after(
        session,
        (subscription.id, EventType.SUBSCRIPTION_CANCELED),
        (invoice.id, EventType.INVOICE_VOIDED),
    )
    await repair_periods(session, subscription.id)
    if ended_since or await period_was_changed(session, subscription.id, invoice.period_ordinal, invoice.period_end):
        raise InvoiceNotReissuable("The period was changed since: make an invoice of what is owed for it.")


async def lines_again(session: AsyncSession, invoice_id: InvoiceId) -> list[PlannedLine]:
    """The lines of a void invoice as new ones. Raises `InvoiceNotReissuable` where a credit no longer fits."""
    statement = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.position)
    rows = (await session.scalars(statement)).all()
    new_ids = {row.id: InvoiceLineId(new_id()) for row in rows}
    # A credit on the invoice may reverse a charge on the same one: then it is for the charge's copy.
    elsewhere = [row for row in rows if row.reverses_line_id is not None and row.reverses_line_id not in new_ids]
    reversed_ids = [row.reverses_line_id for row in elsewhere if row.reverses_line_id is not None]
    billed = await billed_by_line(session, reversed_ids) if reversed_ids else {}
    credited = await credited_by_line(session, reversed_ids) if reversed_ids else {}
    for line_id in reversed_ids:
        again = -sum(row.amount_cents for row in elsewhere if row.reverses_line_id == line_id)
        amount, _ = billed.get(line_id, (0, None))
        if credited.get(line_id, 0) + again > amount:
            raise InvoiceNotReissuable("What this invoice gave back was given back elsewhere, or taken back.")
    return [
        PlannedLine(
            id=new_ids[row.id],
            customer_id=row.customer_id,
            kind=row.kind,
            description=row.description,
            plan_id=row.plan_id,
            quantity=row.quantity,
            unit_amount_cents=row.unit_amount_cents,
            amount_cents=row.amount_cents,
            period_ordinal=row.period_ordinal,
            period_start=row.period_start,
            period_end=row.period_end,
            reverses_line_id=row.reverses_line_id and new_ids.get(row.reverses_line_id, row.reverses_line_id),
            reverses_invoice_id=billed[row.reverses_line_id][1] if row in elsewhere and row.reverses_line_id else None,
        )
        for row in rows
    ]


async def open_unpaid(
    session: AsyncSession, invoice_id: InvoiceId, now: datetime
) -> tuple[Account, InvoiceState, datetime]:
    """The account of an invoice that is OPEN or UNCOLLECTIBLE, and the invoice in it. Raises the refusal that names
    any other state.
    """
    invoice = await existing_invoice(session, invoice_id)
    account, at = await open_customer(session, invoice.customer_id, now=now)
    for state in account.unpaid:
        if state.id == invoice_id:
            return account, state, at
    # It may have been another when its customer was not locked yet.
    await session.refresh(invoice)
    raise state_refusal(invoice.status)


async def existing_invoice(session: AsyncSession, invoice_id: InvoiceId) -> Invoice:
    invoice = await session.scalar(select(Invoice).where(Invoice.id == invoice_id))
    if invoice is None:
        raise InvoiceNotFound("There is no invoice with this id.")
    return invoice
