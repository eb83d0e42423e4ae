"""Batched reads of what can still be credited on invoices and their lines."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import ScalarSelect, Select, and_, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from billing.enums import CreditNoteStatus, InvoiceStatus
from billing.records import Creditable, CreditableLine
from db.access.reads import Reads, RowQuery
from db.access.rows import Row
from db.access.statements import cached
from db.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine, PendingLine
from db.models.base import table_of

NOT_CREDITABLE = (InvoiceStatus.DRAFT, InvoiceStatus.VOID)
"""Statuses of invoices on which nothing can be credited."""

# Tables instead of models: a customer session that may not see credit notes must get the right amounts too.
notes, note_lines = table_of(CreditNote), table_of(CreditNoteLine)
lines, invoices, pending = (
    table_of(InvoiceLine).alias("credits"),
    table_of(Invoice).alias("theirs"),
    table_of(PendingLine),
)


def noted_on_line() -> ScalarSelect[int]:
    """Returns a subquery for the total of the credit notes for the current line, in cents. Void ones do not count."""
    return (
        select(func.coalesce(func.sum(note_lines.c.amount_cents), 0))
        .join(notes, and_(notes.c.id == note_lines.c.credit_note_id, notes.c.customer_id == note_lines.c.customer_id))
        .where(note_lines.c.invoice_line_id == InvoiceLine.id, notes.c.status != CreditNoteStatus.VOID)
        .scalar_subquery()
    )


def prorated_on_line() -> ScalarSelect[int]:
    """Returns a subquery for the total of the proration credits for the current line, in cents.

    Counts pending credits, and credits on invoices that are not void.
    """
    on_invoices = (
        select(func.coalesce(func.sum(lines.c.amount_cents), 0))
        .join(invoices, and_(invoices.c.id == lines.c.invoice_id, invoices.c.customer_id == lines.c.customer_id))
        .where(lines.c.reverses_line_id == InvoiceLine.id, invoices.c.status != InvoiceStatus.VOID)
        .scalar_subquery()
    )
    waiting = (
        select(func.coalesce(func.sum(pending.c.amount_cents), 0))
        .where(pending.c.reverses_line_id == InvoiceLine.id)
        .scalar_subquery()
    )
    return -(on_invoices + waiting)  # type: ignore[return-value]


def noted_on_invoice() -> ScalarSelect[int]:
    """Returns a subquery for the total of the credit notes of the current invoice, in cents. Void ones do not count."""
    return (
        select(func.coalesce(func.sum(notes.c.amount_cents), 0))
        .where(notes.c.invoice_id == Invoice.id, notes.c.status != CreditNoteStatus.VOID)
        .scalar_subquery()
    )


@cached
def creditable_query(by: str) -> RowQuery:
    """Reads lines of invoices by the column `by`, with what was credited for each."""
    key: InstrumentedAttribute[Any] = getattr(InvoiceLine, by)
    statement = cast(
        "Select[Any]",
        select(
            InvoiceLine.id.label("id"),
            InvoiceLine.invoice_id.label("invoice_id"),
            InvoiceLine.amount_cents.label("amount_cents"),
            noted_on_line().label("noted_cents"),
            prorated_on_line().label("prorated_cents"),
            Invoice.status.label("status"),
            Invoice.amount_cents.label("total_cents"),
            noted_on_invoice().label("invoice_noted_cents"),
        )
        .join(Invoice, and_(Invoice.id == InvoiceLine.invoice_id, Invoice.customer_id == InvoiceLine.customer_id))
        .where(key == any_(bindparam("keys", type_=ARRAY(key.type)))),
    )
    return RowQuery(statement, InvoiceLine)


def line_of(row: Row) -> CreditableLine:
    return CreditableLine(row["id"], "", int(row["amount_cents"]), int(row["noted_cents"]), int(row["prorated_cents"]))


async def creditable_by_line(reads: Reads, ids: Sequence[Any]) -> list[int]:
    """Returns the cents that can still be credited for each line: 0 on drafts and void invoices."""
    found = {
        str(row["id"]): 0 if row["status"] in NOT_CREDITABLE else line_of(row).creditable_cents
        for row in await reads.rows(creditable_query("id"), keys=ids)
    }
    return [found.get(str(id_), 0) for id_ in ids]


async def creditable_by_invoice(reads: Reads, ids: Sequence[Any]) -> list[int]:
    """Returns the cents that can still be credited on each invoice: 0 for drafts and void invoices."""
    rows_of: defaultdict[str, list[Any]] = defaultdict(list)
    for row in await reads.rows(creditable_query("invoice_id"), keys=ids):
        rows_of[str(row["invoice_id"])].append(row)
    found: list[int] = []
    for id_ in ids:
        theirs = rows_of[str(id_)]
        if not theirs or theirs[0]["status"] in NOT_CREDITABLE:
            found.append(0)
        else:
            one = theirs[0]
            lines_ = list(map(line_of, theirs))
            found.append(Creditable(int(one["total_cents"]), lines_, int(one["invoice_noted_cents"])).creditable_cents)
    return found
