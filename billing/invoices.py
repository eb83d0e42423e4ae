"""Invoices: what is on them, what they add up to and what finalizing one fixes for ever. Pure: stores nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.money import checked
from billing.periods import Period
from db.values import BillTo, InvoiceKind, InvoiceStatus, LineKind, PlanId

NET_DAYS = 14
"""Days between an invoice and its due date."""


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """One position of an invoice that is about to be stored."""

    kind: LineKind
    description: str
    plan_id: PlanId | None
    quantity: int
    unit_amount_cents: int
    amount_cents: int
    period_ordinal: int | None
    period: Period


@dataclass(frozen=True, slots=True)
class PlannedInvoice:
    """A finalized invoice that is about to be stored: OPEN, or PAID where nothing is owed."""

    kind: InvoiceKind
    status: InvoiceStatus
    sequence: int
    number: str
    currency: str
    lines: tuple[PlannedLine, ...]
    subtotal_cents: int
    tax_cents: int
    amount_cents: int
    amount_due_cents: int
    bill_to: BillTo
    period_ordinal: int | None
    period: Period
    issued_at: datetime
    due_at: datetime
    paid_at: datetime | None


def finalized_invoice(
    kind: InvoiceKind,
    lines: Sequence[PlannedLine],
    *,
    currency: str,
    invoice_prefix: str,
    sequence: int,
    bill_to: BillTo,
    period: Period,
    period_ordinal: int | None,
    issued_at: datetime,
) -> PlannedInvoice:
    """The invoice over `lines`, with its number, its totals and its due date. A total of 0 or less is PAID at once.

    Raises `AmountOverflow` when the lines add up to more than an amount can be.
    """
    total = checked(sum(line.amount_cents for line in lines))
    paid = total <= 0
    return PlannedInvoice(
        kind=kind,
        status=InvoiceStatus.PAID if paid else InvoiceStatus.OPEN,
        sequence=sequence,
        number=f"{invoice_prefix}-{sequence:04d}",
        currency=currency,
        lines=tuple(lines),
        subtotal_cents=total,
        tax_cents=0,
        amount_cents=total,
        amount_due_cents=max(0, total),
        bill_to=bill_to,
        period_ordinal=period_ordinal,
        period=period,
        issued_at=issued_at,
        due_at=issued_at + timedelta(days=NET_DAYS),
        paid_at=issued_at if paid else None,
    )
