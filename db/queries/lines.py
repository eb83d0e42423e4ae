"""Reads of invoice lines and pending lines: the amounts that were billed and credited, and by which change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, any_, bindparam, func, literal, or_, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from billing.enums import CHARGES, CreditNoteStatus, InvoiceStatus
from billing.ids import InvoiceId, InvoiceLineId, SubscriptionId
from billing.new_records import Line, NewPendingLine, OtherInvoiceLine
from billing.periods import Period
from billing.records import BilledLine
from db.access.records import bind
from db.access.statements import Statement, cached, send
from db.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine, PendingLine, Subscription
from db.models.base import table_of
from db.queries.arrays import among

ReversedLine = aliased(InvoiceLine, name="reversed_lines")

LINE = bind(
    Line,
    InvoiceLine,
    reverses_invoice_id=ReversedLine.invoice_id,
    created_at=literal(None, PendingLine.created_at.type),
    period_seconds=literal(None, PendingLine.period_seconds.type),
)
LINE_ELSEWHERE = bind(OtherInvoiceLine, line=LINE, is_void=Invoice.status == InvoiceStatus.VOID)
PENDING_LINE = bind(
    NewPendingLine,
    PendingLine,
    line=bind(Line, PendingLine, reverses_invoice_id=ReversedLine.invoice_id, discount_cents=literal(0)),
)
BILLED_LINE = bind(
    BilledLine,
    InvoiceLine,
    amount_cents=InvoiceLine.amount_cents - InvoiceLine.discount_cents,
    span=bind(Period, start=InvoiceLine.period_start, end=InvoiceLine.period_end),
    credited_cents=literal(0),
)
BILLED_PENDING_LINE = bind(
    BilledLine,
    PendingLine,
    invoice_id=literal(None, Invoice.id.type),
    span=bind(Period, start=PendingLine.period_start, end=PendingLine.period_end),
    credited_cents=literal(0),
)


async def pending_lines_by_subscriptions(
    session: AsyncSession, subscription_ids: Sequence[SubscriptionId]
) -> list[NewPendingLine]:
    """Returns the pending lines of subscriptions, oldest first."""
    return PENDING_LINE.read(await send(session, select_pending_lines(), subscription_ids=subscription_ids))


@cached
def select_pending_lines() -> Statement:
    subscriptions = bindparam("subscription_ids", type_=ARRAY(Subscription.id.type))
    return Statement(
        select(*PENDING_LINE.columns)
        .outerjoin(
            ReversedLine,
            and_(ReversedLine.id == PendingLine.reverses_line_id, ReversedLine.customer_id == PendingLine.customer_id),
        )
        .where(PendingLine.subscription_id == any_(subscriptions))
        .order_by(PendingLine.id)
    )


async def lines_of_invoice(session: AsyncSession, invoice_id: InvoiceId) -> list[Line]:
    """Returns the lines of an invoice, ordered by position."""
    statement = with_reversed(select(*LINE.columns)).where(InvoiceLine.invoice_id == invoice_id)
    return LINE.read(await session.execute(statement.order_by(InvoiceLine.position)))


async def lines_of_changes(
    session: AsyncSession, subscription_id: SubscriptionId, lines: Sequence[Line], *, elsewhere_than: InvoiceId
) -> list[OtherInvoiceLine]:
    """Returns the lines on other invoices of the subscription that may belong to the same changes as `lines`."""
    if not lines:
        return []
    changes = [line.change_id for line in lines if line.change_id is not None]
    starts = [line.period_start for line in lines if line.period_start is not None]
    statement = (
        with_reversed(select(*LINE_ELSEWHERE.columns))
        .join(Invoice, and_(Invoice.id == InvoiceLine.invoice_id, Invoice.customer_id == InvoiceLine.customer_id))
        .where(
            Invoice.subscription_id == subscription_id,
            Invoice.id != elsewhere_than,
            # Lines of older servers have no `change_id`: the start of their time range identifies them.
            or_(among(InvoiceLine.change_id, changes), among(InvoiceLine.period_start, starts)),
        )
    )
    return LINE_ELSEWHERE.read(await session.execute(statement))


def with_reversed(statement: Select[Any]) -> Select[Any]:
    """Returns the statement with FROM invoice lines and, joined, the lines that they reverse."""
    return statement.select_from(InvoiceLine).outerjoin(
        ReversedLine,
        and_(ReversedLine.id == InvoiceLine.reverses_line_id, ReversedLine.customer_id == InvoiceLine.customer_id),
    )


async def billed_lines(session: AsyncSession, subscription_id: SubscriptionId, after: datetime) -> list[BilledLine]:
    """Returns the charges of a subscription whose time range ends after `after`, ordered by id.

    Includes lines on invoices that are neither void nor drafts, and pending lines (`invoice_id` is None).
    `amount_cents` is after discounts, less the line's credit notes. `credited_cents` is always 0: see
    `credited_by_line`.
    """
    return [line for _, line in await billed_lines_of_subscriptions(session, [subscription_id], after)]


async def billed_lines_of_subscriptions(
    session: AsyncSession, subscription_ids: Sequence[SubscriptionId], after: datetime
) -> list[tuple[SubscriptionId, BilledLine]]:
    """Returns the same for several subscriptions, each line with its subscription."""
    on_invoices = (
        select(*BILLED_LINE.columns, Invoice.subscription_id)
        .join(Invoice, and_(Invoice.id == InvoiceLine.invoice_id, Invoice.customer_id == InvoiceLine.customer_id))
        .where(
            among(Invoice.subscription_id, subscription_ids),
            Invoice.status.not_in((InvoiceStatus.VOID, InvoiceStatus.DRAFT)),
            InvoiceLine.kind.in_(CHARGES),
            InvoiceLine.amount_cents > 0,
            InvoiceLine.period_end > after,
        )
    )
    waiting = select(*BILLED_PENDING_LINE.columns, PendingLine.subscription_id).where(
        among(PendingLine.subscription_id, subscription_ids),
        PendingLine.kind.in_(CHARGES),
        PendingLine.amount_cents > 0,
        PendingLine.period_end > after,
    )
    rows = await session.execute(union_all(on_invoices, waiting).order_by("id"))
    found = [(row[-1], BILLED_LINE.make(*row[:-1])) for row in rows]
    noted = await noted_by_line(session, [line.id for _, line in found]) if found else {}
    for _, line in found:
        line.amount_cents -= noted.get(line.id, 0)
    return found


async def credited_by_line(
    session: AsyncSession, line_ids: Sequence[InvoiceLineId], *, elsewhere_than: InvoiceId | None = None
) -> dict[InvoiceLineId, int]:
    """Returns the cents that were credited for each line. Lines without credits are missing.

    Counts lines on invoices that are not void, except the invoice `elsewhere_than`, and pending lines.
    """
    on_invoices = (
        select(InvoiceLine.reverses_line_id, InvoiceLine.amount_cents)
        .join(Invoice, and_(Invoice.id == InvoiceLine.invoice_id, Invoice.customer_id == InvoiceLine.customer_id))
        .where(
            among(InvoiceLine.reverses_line_id, line_ids),
            Invoice.status != InvoiceStatus.VOID,
            *([Invoice.id != elsewhere_than] if elsewhere_than else []),
        )
    )
    waiting = select(PendingLine.reverses_line_id, PendingLine.amount_cents).where(
        among(PendingLine.reverses_line_id, line_ids)
    )
    line, amount = union_all(on_invoices, waiting).subquery().c
    found = await session.execute(select(line, -func.sum(amount)).group_by(line))
    return {line_id: int(cents) for line_id, cents in found}


async def existing_lines(session: AsyncSession, line_ids: Sequence[InvoiceLineId]) -> set[InvoiceLineId]:
    """Returns those of the ids that belong to a line of an invoice, of any status."""
    return set(await session.scalars(select(InvoiceLine.id).where(among(InvoiceLine.id, line_ids))))


async def noted_by_line(session: AsyncSession, line_ids: Sequence[InvoiceLineId]) -> dict[InvoiceLineId, int]:
    """Returns the cents of credit notes for each line, after discounts.

    Void credit notes do not count. Lines without any are missing.
    """
    # Tables instead of models: a customer session that may not see credit notes must get the right amounts too.
    notes, lines = table_of(CreditNote), table_of(CreditNoteLine)
    statement = (
        select(lines.c.invoice_line_id, func.sum(lines.c.amount_cents - lines.c.discount_cents))
        .join(notes, and_(notes.c.id == lines.c.credit_note_id, notes.c.customer_id == lines.c.customer_id))
        .where(among(lines.c.invoice_line_id, line_ids), notes.c.status != CreditNoteStatus.VOID)
        .group_by(lines.c.invoice_line_id)
    )
    return {line_id: int(cents) for line_id, cents in await session.execute(statement)}


async def billed_by_line(session: AsyncSession, line_ids: Sequence[InvoiceLineId]) -> dict[InvoiceLineId, int]:
    """Returns the cents that each line billed after discounts, less its credit notes.

    Lines of void invoices are missing.
    """
    statement = (
        select(InvoiceLine.id, (InvoiceLine.amount_cents - InvoiceLine.discount_cents).label("billed_cents"))
        .join(Invoice, and_(Invoice.id == InvoiceLine.invoice_id, Invoice.customer_id == InvoiceLine.customer_id))
        .where(among(InvoiceLine.id, line_ids), Invoice.status != InvoiceStatus.VOID)
    )
    noted = await noted_by_line(session, line_ids)
    return {row.id: row.billed_cents - noted.get(row.id, 0) for row in await session.execute(statement)}
