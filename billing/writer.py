"""Stores what was planned: any number of renewals with a constant number of statements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import NewId, new_id
from billing.invoices import PlannedInvoice
from billing.renewals import Renewal
from db.models import BillingPeriod, Customer, Invoice, InvoiceLine
from db.values import InvoiceId, InvoiceLineId

Row = dict[str, Any]


async def store_renewals(
    session: AsyncSession, renewals: Sequence[Renewal], *, now: datetime, make_id: NewId = new_id
) -> list[Invoice]:
    """Stores periods, invoices and lines, and counts the invoices on their customers. Returns the invoices in order.

    The customers and subscriptions are stored and locked by the caller, and each customer has its currency.
    """
    periods = [row for renewal in renewals for row in period_rows(renewal)]
    invoices, lines = [], []
    for renewal in renewals:
        for invoice in renewal.invoices:
            row = invoice_row(renewal, invoice, InvoiceId(make_id()), now)
            invoices.append(row)
            lines.extend(line_rows(row, invoice, make_id))
    counters = [
        {"id": renewal.state.customer_id, "last_invoice_number": renewal.invoices[-1].sequence}
        for renewal in renewals
        if renewal.invoices
    ]
    if not invoices:
        return []
    await session.execute(insert(BillingPeriod), periods)
    await session.execute(insert(Invoice), invoices)
    await session.execute(insert(InvoiceLine), lines)
    await session.execute(update(Customer), counters)
    return [Invoice(**row) for row in invoices]


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


def invoice_row(renewal: Renewal, invoice: PlannedInvoice, invoice_id: InvoiceId, now: datetime) -> Row:
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
        "created_at": now,
        "updated_at": now,
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
