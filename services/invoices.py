"""Invoices: one-off ones from draft to finalized, and what can become of a finalized one.

DRAFT → OPEN → PAID | VOID | UNCOLLECTIBLE; UNCOLLECTIBLE → PAID | VOID; nothing else.
"""

from collections.abc import Sequence
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
from billing.ids import InvoiceId, SubscriptionId
from billing.invoicing import finalize, mark_uncollectible, status_error, update_past_due
from billing.money import refusing_overflow
from billing.periods import Period
from billing.records import InvoiceState, Line
from billing.voiding import carried_credits, has_charge_among, lines_to_reissue, void
from billing.words import CHARGES, EventType, InvoiceKind, InvoiceStatus, LineKind
from db.models import Invoice
from db.queries.accounts import allocations_of_invoice, came_after, period_was_changed
from db.queries.lines import billed_by_line, credited_by_line, lines_of_changes, lines_of_invoice
from services.accounts.clock import customer_time
from services.accounts.open import open_customer
from services.accounts.read import read_accounts
from services.accounts.write import store
from services.idempotency import Outcome
from services.repairs import repair_periods


async def void_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Takes an invoice back on which nothing was paid: it was never owed. What it used of the balance goes back there,
    and what it took over of credits waits for the next invoice again.

    Raises `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`, `InvoiceHasPayments`, `InvoiceReversed`,
    `TooManyLines`, `AmountTooLarge`, `TestClockAdvancing`.
    """
    live, state, at = await open_unpaid(session, invoice_id, now)
    lines = await lines_of_invoice(session, invoice_id)
    account = live
    if state.subscription_id is not None and carried_credits(lines):
        account, at = await account_of(session, live, state.subscription_id, at=at, now=now)
        [state] = [unpaid for unpaid in account.unpaid if unpaid.id == invoice_id]
    allocations = await allocations_of_invoice(session, invoice_id)
    elsewhere = await is_credited_elsewhere(session, state, lines)
    with refusing_overflow():
        void(account, state, allocations, at, lines=lines, credited_elsewhere=elsewhere)
    await store_both(session, account, live, now=now)
    return Outcome(invoice_id=invoice_id)


async def is_credited_elsewhere(session: AsyncSession, invoice: InvoiceState, lines: Sequence[Line]) -> bool:
    """True if another invoice, or what waits for one, credits a line of this one, or another invoice has the credit of
    a change that this one charges for.
    """
    if await credited_by_line(session, [line.id for line in lines], elsewhere_than=invoice.id):
        return True
    if invoice.subscription_id is None:
        return False
    charges = [line for line in lines if line.kind in CHARGES]
    elsewhere = await lines_of_changes(session, invoice.subscription_id, charges, elsewhere_than=invoice.id)
    return any(has_charge_among(other.line, charges) for other in elsewhere if not other.is_void)


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
    invoice = await read_existing_invoice(session, invoice_id)
    live, at = await open_customer(session, invoice.customer_id, now=now)
    await session.refresh(invoice)
    if invoice.status is not InvoiceStatus.VOID:
        raise status_error(invoice.status)
    if invoice.kind is not InvoiceKind.RECURRING:
        raise InvoiceNotRecurring("Only the invoice of a subscription's period is issued again.")
    if await session.scalar(select(Invoice.id).where(Invoice.replaces_id == invoice_id)):
        raise InvoiceAlreadyReissued("This invoice has a successor.")
    assert invoice.subscription_id is not None, "the invoice of a period is of a subscription"
    account, at = await account_of(session, live, invoice.subscription_id, at=at, now=now)
    await require_period_intact(session, account, invoice)
    lines = await reissued_lines(session, account, invoice_id)
    with refusing_overflow():
        finalize(
            account,
            invoice.kind,
            lines,
            period=Period(invoice.period_start, invoice.period_end),
            period_ordinal=invoice.period_ordinal,
            at=at,
            replaces_id=invoice_id,
        )
    update_past_due(account, at)
    await store_both(session, account, live, now=now)
    return Outcome(invoice_id=account.invoices[0].id)


async def require_period_intact(session: AsyncSession, account: Account, invoice: Invoice) -> None:
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


async def reissued_lines(session: AsyncSession, account: Account, invoice_id: InvoiceId) -> list[Line]:
    """The lines of a void invoice as new ones. Raises `InvoiceNotReissuable` where a credit no longer fits."""
    lines = await lines_of_invoice(session, invoice_id)
    credits_ = [line for line in lines if line.kind is LineKind.PRORATION_CREDIT]
    elsewhere = await lines_of_changes(session, account.known_subscription.id, credits_, elsewhere_than=invoice_id)
    counted = {line.id for line in account.pending_lines}
    again = lines_to_reissue(account, lines, elsewhere)
    counted |= {line.id for line in again if line.reverses_line_id in {own.id for own in again}}
    added = [line for line in again if line.reverses_line_id is not None and line.id not in counted]
    reversed_ids = [line.reverses_line_id for line in added if line.reverses_line_id is not None]
    billed = await billed_by_line(session, reversed_ids) if reversed_ids else {}
    credited = await credited_by_line(session, reversed_ids) if reversed_ids else {}
    for line_id in reversed_ids:
        more = -sum(line.amount_cents for line in added if line.reverses_line_id == line_id)
        if credited.get(line_id, 0) + more > billed.get(line_id, 0):
            raise InvoiceNotReissuable("What this invoice gave back was given back elsewhere, or taken back.")
    return again


async def account_of(
    session: AsyncSession, live: Account, subscription_id: SubscriptionId, *, at: datetime, now: datetime
) -> tuple[Account, datetime]:
    """The account of a subscription of the customer, and what time it is there: `live`, or of one that has ended."""
    if live.subscription is not None and live.subscription.id == subscription_id:
        return live, at
    [account] = await read_accounts(session, [subscription_id])
    return account, max(at, await customer_time(session, account, now, lock=True))


async def store_both(session: AsyncSession, account: Account, live: Account, *, now: datetime) -> None:
    """Stores what was decided of an account, which may be of a subscription that has ended beside the `live` one."""
    await store(session, [account])
    if live is not account and live.subscription is not None:
        # Credit on a new invoice may have paid what another subscription of the customer owed.
        again, at = await open_customer(session, account.customer.id, now=now)
        update_past_due(again, at)
        await store(session, [again])


async def open_unpaid(
    session: AsyncSession, invoice_id: InvoiceId, now: datetime
) -> tuple[Account, InvoiceState, datetime]:
    """The account of an invoice that is OPEN or UNCOLLECTIBLE, and the invoice in it. Raises the refusal that names
    any other state.
    """
    invoice = await read_existing_invoice(session, invoice_id)
    account, at = await open_customer(session, invoice.customer_id, now=now)
    for state in account.unpaid:
        if state.id == invoice_id:
            return account, state, at
    # It may have been another when its customer was not locked yet.
    await session.refresh(invoice)
    raise status_error(invoice.status)


async def read_existing_invoice(session: AsyncSession, invoice_id: InvoiceId) -> Invoice:
    """The invoice, not locked. Raises `InvoiceNotFound`."""
    invoice = await session.scalar(select(Invoice).where(Invoice.id == invoice_id))
    if invoice is None:
        raise InvoiceNotFound("There is no invoice with this id.")
    return invoice
