"""Invoices: one-off ones from draft to finalized, and what can become of a finalized one.

DRAFT → OPEN → PAID | VOID | UNCOLLECTIBLE; UNCOLLECTIBLE → PAID | VOID; nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account, use_currency
from billing.errors import (
    AmountNotPositive,
    BillingError,
    CurrencyMismatch,
    CustomerArchived,
    InvoiceAlreadyReissued,
    InvoiceEmpty,
    InvoiceHasPayments,
    InvoiceNotFound,
    InvoiceNotRecurring,
    InvoiceNotReissuable,
    InvoiceReversed,
    InvoiceUncollectible,
    TooManyLines,
)
from billing.ids import CustomerId, InvoiceId, InvoiceLineId, new_id
from billing.invoicing import (
    MAX_LINES,
    enter,
    finalize,
    invoice_number,
    judge,
    net_days,
    next_number,
    settle_finalized,
    state_refusal,
)
from billing.money import amounts_that_fit, checked, times
from billing.periods import Period
from billing.records import InvoiceState, PlannedLine
from billing.validation import required_text, valid_currency, valid_net_days, valid_quantity
from billing.words import AllocationKind, EventType, InvoiceKind, InvoiceStatus, LedgerEntryKind, LineKind
from db.models import Invoice, InvoiceLine
from db.models.base import changed
from db.queries.accounts import (
    INVOICE_COLUMNS,
    allocations_of_invoice,
    billed_by_line,
    came_after,
    credited_by_line,
    line_ids_of_invoice,
    period_was_changed,
)
from services.accounts.open import arrive, open_customer
from services.accounts.read import read_accounts
from services.accounts.write import store
from services.events import record
from services.idempotency import Outcome

MAX_DESCRIPTION = 500


@dataclass(frozen=True, slots=True)
class OneOffLine:
    """A line of a one-off invoice: `quantity` × `unit_amount_cents`, which is more than 0."""

    description: str
    unit_amount_cents: int
    quantity: int = 1


async def create_invoice(
    session: AsyncSession,
    *,
    customer_id: CustomerId,
    currency: str,
    lines: Sequence[OneOffLine] = (),
    net_days: int | None = None,
    now: datetime,
) -> Outcome:
    """Stores a DRAFT of an invoice outside any subscription. The currency becomes the customer's, who has none yet.

    Raises `CustomerNotFound`, `CustomerArchived`, `CurrencyUnknown`, `CurrencyMismatch`, `InvalidInput`,
    `AmountNotPositive`, `AmountTooLarge`, `QuantityOutOfRange`, `TooManyLines`, `TestClockAdvancing`.
    """
    account, at = await open_customer(session, customer_id, now=now)
    customer = account.customer
    if customer.archived_at is not None:
        raise CustomerArchived("This customer is archived.")
    valid_currency(currency)
    if customer.currency not in (None, currency):
        raise CurrencyMismatch(f"This customer is billed in {customer.currency}.", "currency")
    use_currency(account, currency, at)
    await store(session, [account])
    invoice = Invoice(
        id=InvoiceId(new_id()),
        customer_id=customer_id,
        kind=InvoiceKind.ONE_OFF,
        status=InvoiceStatus.DRAFT,
        currency=currency,
        subtotal_cents=0,
        tax_cents=0,
        amount_cents=0,
        amount_due_cents=0,
        period_start=at,
        period_end=at,
        net_days=valid_net_days(net_days),
        test_clock_id=customer.test_clock_id,
        version=1,
        created_at=at,
        updated_at=at,
    )
    session.add(invoice)
    await session.flush()
    if len(lines) > MAX_LINES:
        raise TooManyLines(f"An invoice has at most {MAX_LINES} lines.", "lines")
    for position, line in enumerate(lines, start=1):
        try:
            await put_line(session, invoice, line, position)
        except BillingError as refusal:
            refusal.field = ("lines", str(position - 1), *refusal.field)
            raise
    await record(session, EventType.INVOICE_CREATED, invoice, at=at, now=now)
    return Outcome(invoice_id=invoice.id)


async def add_invoice_line(session: AsyncSession, *, invoice_id: InvoiceId, line: OneOffLine, now: datetime) -> Outcome:
    """Adds a line to a DRAFT.

    Raises `InvoiceNotFound`, the refusal that names the state of what is no draft, `InvalidInput`, `AmountNotPositive`,
    `AmountTooLarge`, `QuantityOutOfRange`, `TooManyLines`, `TestClockAdvancing`.
    """
    invoice, _, at = await open_draft(session, invoice_id, now)
    positions = (await session.scalars(select(InvoiceLine.position).where(InvoiceLine.invoice_id == invoice_id))).all()
    if len(positions) >= MAX_LINES:
        raise TooManyLines(f"An invoice has at most {MAX_LINES} lines.", "invoice_id")
    await put_line(session, invoice, line, max(positions, default=0) + 1)
    changed(invoice, at)
    await session.flush()
    await record(session, EventType.INVOICE_UPDATED, invoice, changes=["lines", "amount_cents"], at=at, now=now)
    return Outcome(invoice_id=invoice_id)


async def put_line(session: AsyncSession, invoice: Invoice, line: OneOffLine, position: int) -> None:
    if line.unit_amount_cents <= 0:
        raise AmountNotPositive("A line must cost more than 0.", "unit_amount_cents")
    with amounts_that_fit("unit_amount_cents"):
        amount_cents = times(line.unit_amount_cents, valid_quantity(line.quantity))
        invoice.subtotal_cents = invoice.amount_cents = invoice.amount_due_cents = checked(
            invoice.subtotal_cents + amount_cents
        )
    session.add(
        InvoiceLine(
            id=InvoiceLineId(new_id()),
            customer_id=invoice.customer_id,
            invoice_id=invoice.id,
            position=position,
            kind=LineKind.ONE_OFF,
            description=required_text(line.description, "description", MAX_DESCRIPTION),
            quantity=line.quantity,
            unit_amount_cents=line.unit_amount_cents,
            amount_cents=amount_cents,
        )
    )
    await session.flush()


async def delete_draft_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Deletes a DRAFT with its lines. Raises `InvoiceNotFound` and the refusal that names the state of what is none."""
    invoice, _, at = await open_draft(session, invoice_id, now)
    await session.execute(
        delete(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id, InvoiceLine.customer_id == invoice.customer_id)
    )
    changed(invoice, at)
    await record(session, EventType.INVOICE_DELETED, invoice, at=at, now=now)
    await session.delete(invoice)
    await session.flush()
    return Outcome(invoice_id=invoice_id)


async def finalize_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Makes a DRAFT OPEN: it gets its number, its due date and the customer's address, and takes from the balance.

    Raises `InvoiceNotFound`, `InvoiceEmpty`, the refusal that names the state of what is no draft,
    `TestClockAdvancing`.
    """
    invoice, account, at = await open_draft(session, invoice_id, now)
    if invoice.amount_cents == 0:
        raise InvoiceEmpty("This invoice has no lines.")
    invoice.sequence = next_number(account)
    invoice.number = invoice_number(account.customer.invoice_prefix, invoice.sequence)
    invoice.bill_to = account.customer.bill_to
    invoice.issued_at = at
    invoice.due_at = at + timedelta(days=net_days(invoice.net_days, account.customer.net_days))
    invoice.status = InvoiceStatus.OPEN
    await session.flush()
    state = InvoiceState(*(getattr(invoice, column.key) for column in INVOICE_COLUMNS))
    account.note(EventType.INVOICE_FINALIZED, state, at, ["status"])
    settle_finalized(account, state, (), at)
    await store(session, [account])
    return Outcome(invoice_id=invoice_id)


async def void_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Takes an invoice back on which nothing was paid: it was never owed. What it used of the balance goes back there.

    Raises `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`, `InvoiceHasPayments`, `InvoiceReversed`,
    `TestClockAdvancing`.
    """
    account, state, at = await open_unpaid(session, invoice_id, now)
    allocations = await allocations_of_invoice(session, invoice_id)
    if any(kind is AllocationKind.PAYMENT for _, kind, _ in allocations):
        raise InvoiceHasPayments("Money was received for this invoice.")
    line_ids = await line_ids_of_invoice(session, invoice_id)
    if await credited_by_line(session, line_ids, elsewhere_than=invoice_id):
        raise InvoiceReversed("Lines of this invoice are given back elsewhere: it can no longer be taken back.")
    account.released_allocations.extend((allocation_id, at) for allocation_id, _, _ in allocations)
    account.unpaid.remove(state)
    state.status = InvoiceStatus.VOID
    state.amount_due_cents = 0
    account.note(EventType.INVOICE_VOIDED, state, at, ["status"])
    given_back = sum(amount for _, _, amount in allocations)
    if given_back:
        with amounts_that_fit():
            enter(account, LedgerEntryKind.GIVEN_BACK, given_back, at, invoice_id=invoice_id)
    judge(account, at)
    await store(session, [account])
    return Outcome(invoice_id=invoice_id)


async def mark_invoice_uncollectible(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Gives up on an OPEN invoice. It stays owed, and can still be paid or voided.

    Raises `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`, `InvoiceUncollectible`,
    `TestClockAdvancing`.
    """
    account, state, at = await open_unpaid(session, invoice_id, now)
    if state.status is not InvoiceStatus.OPEN:
        raise InvoiceUncollectible("This invoice is UNCOLLECTIBLE already.")
    state.status = InvoiceStatus.UNCOLLECTIBLE
    account.note(EventType.INVOICE_MARKED_UNCOLLECTIBLE, state, at, ["status"])
    judge(account, at)
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


async def open_draft(session: AsyncSession, invoice_id: InvoiceId, now: datetime) -> tuple[Invoice, Account, datetime]:
    """A draft, under the lock of its customer. Raises `InvoiceNotFound` and the refusal that names any other state."""
    invoice = await existing_invoice(session, invoice_id)
    account, at = await open_customer(session, invoice.customer_id, now=now)
    present = await session.get(Invoice, (invoice_id, invoice.customer_id), populate_existing=True)
    if present is None:
        raise InvoiceNotFound("There is no invoice with this id.")
    if present.status is not InvoiceStatus.DRAFT:
        raise state_refusal(present.status)
    return present, account, at


async def existing_invoice(session: AsyncSession, invoice_id: InvoiceId) -> Invoice:
    invoice = await session.scalar(select(Invoice).where(Invoice.id == invoice_id))
    if invoice is None:
        raise InvoiceNotFound("There is no invoice with this id.")
    return invoice
