"""Stores what was planned: any number of renewals with a constant number of statements."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import NewId, new_id
from billing.invoices import PlannedInvoice
from billing.renewals import Renewal
from db.models import BillingPeriod, Customer, Invoice, InvoiceLine
from db.models.base import table_of
from db.values import InvoiceId, InvoiceLineId

Row = dict[str, Any]
"""The columns of one row."""

COUNT_INVOICES = (
    update(table_of(Customer))
    .where(Customer.id == bindparam("customer"))
    .values(last_invoice_number=bindparam("last_number"))
)


async def store_renewals(session: AsyncSession, renewals: Sequence[Renewal], *, make_id: NewId = new_id) -> list[Row]:
    """Stores periods, invoices and lines, and counts the invoices on their customers.

    The customers and subscriptions are stored and locked by the caller, and each customer has its currency. Renewals of
    the same subscription come in the order of their periods. Returns the columns of the invoices, in order.
    """
    periods = [row for renewal in renewals for row in period_rows(renewal)]
    invoices, lines = [], []
    for renewal in renewals:
        for invoice in renewal.invoices:
            row = invoice_row(renewal, invoice, InvoiceId(make_id()))
            invoices.append(row)
            lines.extend(line_rows(row, invoice, make_id))
    last_numbers = {
        renewal.state.customer_id: renewal.invoices[-1].sequence for renewal in renewals if renewal.invoices
    }
    if not periods:
        return []
    # Rows go to the tables themselves: the mapper would look at each of them again.
    await session.execute(insert(table_of(BillingPeriod)), periods)
    await session.execute(insert(table_of(Invoice)), invoices)
    await session.execute(insert(table_of(InvoiceLine)), lines)
    await session.execute(
        COUNT_INVOICES,
        [{"customer": customer, "last_number": number} for customer, number in last_numbers.items()],
    )
    return invoices


def period_rows(renewal: Renewal) -> list[Row]:
    return [
        {
            "subscription_id": renewal.state.subscription_id,
            "customer_id": renewal.state.customer_id,
            "ordinal": period.ordinal,
            "after_ordinal": period.ordinal - 1 if period.ordinal else None,
            "kind": period.kind,
            "starts_at": period.period.start,
            "ends_at": period.period.end,
            "plan_id": period.plan_id,
            "quantity": period.quantity,
        }
        for period in renewal.periods
    ]


def invoice_row(renewal: Renewal, invoice: PlannedInvoice, invoice_id: InvoiceId) -> Row:
    return {
        "id": invoice_id,
        "customer_id": renewal.state.customer_id,
        "subscription_id": renewal.state.subscription_id,
        "period_ordinal": invoice.period_ordinal,
        "kind": invoice.kind,
        "status": invoice.status,
        "sequence": invoice.sequence,
        "number": invoice.number,
        "currency": invoice.currency,
        "subtotal_cents": invoice.subtotal_cents,
        "tax_cents": invoice.tax_cents,
        "amount_cents": invoice.amount_cents,
        "amount_due_cents": invoice.amount_due_cents,
        "bill_to": invoice.bill_to,
        "period_start": invoice.period.start,
        "period_end": invoice.period.end,
        "issued_at": invoice.issued_at,
        "due_at": invoice.due_at,
        "paid_at": invoice.paid_at,
        "version": 1,
        "created_at": invoice.issued_at,
        "updated_at": invoice.issued_at,
    }


def line_rows(invoice_values: Row, invoice: PlannedInvoice, make_id: NewId) -> list[Row]:
    return [
        {
            "id": InvoiceLineId(make_id()),
            "customer_id": invoice_values["customer_id"],
            "invoice_id": invoice_values["id"],
            "position": position,
            "kind": line.kind,
            "description": line.description,
            "plan_id": line.plan_id,
            "quantity": line.quantity,
            "unit_amount_cents": line.unit_amount_cents,
            "amount_cents": line.amount_cents,
            "period_ordinal": line.period_ordinal,
            "period_start": line.period.start,
            "period_end": line.period.end,
        }
        for position, line in enumerate(invoice.lines, 1)
    ]
