"""Reads of what was credited on invoices and their lines: batched for the API, and of one invoice for the rules."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from billing.enums import AllocationKind, CreditNoteStatus, InvoiceStatus
from billing.ids import InvoiceId
from billing.records import CreditedLine
from billing.taxes import LineTax
from db.access.reads import Reads, RowQuery
from db.access.statements import cached
from db.models import Allocation, CreditNote, CreditNoteLine, Invoice, InvoiceLine, PendingLine
from db.models.base import table_of
from db.models.types import line_tax_of

Values = Callable[[str], Any]
"""Returns the value of a column of a row."""

AMOUNTS = tuple(field.name for field in fields(CreditedLine) if field.type in (int, "int"))

# Tables instead of models: a customer session that may not see credit notes must get the right amounts too.
notes, note_lines = table_of(CreditNote), table_of(CreditNoteLine)
pending, allocations = table_of(PendingLine), table_of(Allocation)
credit_lines, credit_invoices = table_of(InvoiceLine).alias("credits"), table_of(Invoice).alias("theirs")


def of_credit_notes(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a subquery for an aggregate of the lines of credit notes for the current line. Void ones do not count."""
    return (
        select(value)
        .join(notes, and_(notes.c.id == note_lines.c.credit_note_id, notes.c.customer_id == note_lines.c.customer_id))
        .where(note_lines.c.invoice_line_id == InvoiceLine.id, notes.c.status != CreditNoteStatus.VOID)
        .scalar_subquery()
    )


def of_prorations(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a subquery for an aggregate of the credits of the current line, on invoices that are not void."""
    return (
        select(value)
        .join(
            credit_invoices,
            and_(
                credit_invoices.c.id == credit_lines.c.invoice_id,
                credit_invoices.c.customer_id == credit_lines.c.customer_id,
            ),
        )
        .where(credit_lines.c.reverses_line_id == InvoiceLine.id, credit_invoices.c.status != InvoiceStatus.VOID)
        .scalar_subquery()
    )


def of_invoice(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a subquery for an aggregate of the credit notes of the current invoice. Void ones do not count."""
    return (
        select(value).where(notes.c.invoice_id == Invoice.id, notes.c.status != CreditNoteStatus.VOID).scalar_subquery()
    )


def total(column: ColumnElement[Any]) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0)


def listed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.jsonb_agg(column, type_=JSONB())


def creditable_lines() -> Select[Any]:
    """Selects lines of invoices with what was credited for each and on its invoice."""
    pending_cents = (
        select(total(pending.c.amount_cents)).where(pending.c.reverses_line_id == InvoiceLine.id).scalar_subquery()
    )
    columns: dict[str, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
        "id": InvoiceLine.id,
        "invoice_id": InvoiceLine.invoice_id,
        "description": InvoiceLine.description,
        "amount_cents": InvoiceLine.amount_cents,
        "discount_cents": InvoiceLine.discount_cents,
        "tax": InvoiceLine.tax,
        "noted_cents": of_credit_notes(total(note_lines.c.amount_cents)),
        "noted_discount_cents": of_credit_notes(total(note_lines.c.discount_cents)),
        "noted_taxes": of_credit_notes(listed(note_lines.c.tax)),
        "prorated_cents": -of_prorations(total(credit_lines.c.amount_cents)),
        "prorated_taxes": of_prorations(listed(credit_lines.c.tax)),
        "pending_cents": -pending_cents,
        "status": Invoice.status,
        "total_cents": Invoice.amount_cents,
        "rounding_cents": Invoice.rounding_cents,
        "invoice_noted_cents": of_invoice(total(notes.c.amount_cents)),
        "noted_rounding_cents": of_invoice(total(notes.c.rounding_cents)),
    }
    return select(*(column.label(name) for name, column in columns.items())).join(
        Invoice, and_(Invoice.id == InvoiceLine.invoice_id, Invoice.customer_id == InvoiceLine.customer_id)
    )


@cached
def creditable_query(by: str) -> RowQuery:
    """Reads lines of invoices by the column `by`, with what was credited for each."""
    key: InstrumentedAttribute[Any] = getattr(InvoiceLine, by)
    statement = creditable_lines().where(key == any_(bindparam("keys", type_=ARRAY(key.type))))
    return RowQuery(statement.order_by(InvoiceLine.position), InvoiceLine)


def credited_line(value: Values, tax: LineTax | None) -> CreditedLine:
    return CreditedLine(
        id=value("id"),
        invoice_id=value("invoice_id"),
        status=InvoiceStatus(value("status")),
        description=value("description"),
        tax=tax,
        noted_taxes=[line_tax_of(each) for each in value("noted_taxes") or () if each],
        prorated_taxes=[line_tax_of(each) for each in value("prorated_taxes") or () if each],
        **{name: int(value(name)) for name in AMOUNTS},
    )


async def credited_lines(reads: Reads, by: str, keys: Sequence[Any]) -> list[CreditedLine]:
    """Returns the lines with these values in the column `by`, with what was credited, in the order of their invoice."""
    return [credited_line(row.__getitem__, row.tax) for row in await reads.rows(creditable_query(by), keys=keys)]


async def credited_lines_of_invoice(session: AsyncSession, invoice_id: InvoiceId) -> list[CreditedLine]:
    """Returns the lines of an invoice with what was credited, in order."""
    statement = creditable_lines().where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.position)
    rows = (await session.execute(statement)).mappings()
    return [credited_line(row.__getitem__, row["tax"]) for row in rows]


async def restorable_cents(session: AsyncSession, invoice_id: InvoiceId) -> int:
    """Returns what the balance and credits paid on an invoice and no credit note has returned yet."""
    paid = (
        select(total(allocations.c.amount_cents))
        .where(
            allocations.c.invoice_id == invoice_id,
            allocations.c.kind.in_((AllocationKind.BALANCE, AllocationKind.CREDIT)),
            allocations.c.released_at.is_(None),
        )
        .scalar_subquery()
    )
    restored = (
        select(total(notes.c.restored_cents))
        .where(notes.c.invoice_id == invoice_id, notes.c.status != CreditNoteStatus.VOID)
        .scalar_subquery()
    )
    return max(0, int(await session.scalar(select(paid - restored)) or 0))
