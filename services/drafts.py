"""Draft invoices, which are one-off invoices that are not finalized yet, and the metadata of all invoices."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account, require_currency, require_not_archived, use_currency
from billing.enums import EventType, InvoiceKind, InvoiceStatus, LineKind, TaxBehavior
from billing.errors import (
    BillingError,
    InvoiceEmpty,
)
from billing.ids import CustomerId, InvoiceId, InvoiceLineId, TaxRateId, new_id
from billing.invoicing import Draft, compute_totals, finalize, require_lines_fit
from billing.limits import MAX_LINE_DESCRIPTION
from billing.money import checked_cents, multiply_cents, rejecting_overflow
from billing.new_records import Line
from billing.periods import Period
from billing.settling import status_error, update_past_due
from billing.tax_validation import valid_line_tax, valid_rate_ids
from billing.taxes import Tax
from billing.validation import (
    UNCHANGED,
    Unchanged,
    required_text,
    valid_currency,
    valid_memo,
    valid_metadata,
    valid_net_days,
    valid_po_number,
    valid_quantity,
)
from db.models import Invoice, InvoiceLine
from db.models.base import mark_changed
from db.queries.lines import lines_of_invoice
from services.accounts.open import open_customer
from services.accounts.write import store, store_lines
from services.events import record
from services.idempotency import Outcome
from services.invoices import read_existing_invoice, reread_invoice
from services.tax_rates import read_tax_rates

CHANGED_BY_FINALIZING = (
    *("status", "number", "bill_to", "issued_at", "due_at", "po_number", "memo"),
    *("subtotal_cents", "discount_cents", "tax_cents", "rounding_cents", "amount_cents", "amount_due_cents"),
    *("discounts", "taxes", "tax_date", "seller_id"),
)
"""The columns that finalizing a draft can change."""


@dataclass(frozen=True, slots=True)
class OneOffLine:
    """A line of a one-off invoice. A negative `unit_amount_cents` is a credit."""

    description: str
    unit_amount_cents: int
    quantity: int = 1
    tax_behavior: TaxBehavior = TaxBehavior.EXCLUSIVE
    tax_rate_ids: tuple[TaxRateId, ...] = ()


async def create_invoice(
    session: AsyncSession,
    *,
    customer_id: CustomerId,
    currency: str,
    lines: Sequence[OneOffLine] = (),
    net_days: int | None = None,
    po_number: str | None = None,
    memo: str | None = None,
    metadata: Mapping[str, str] | None = None,
    now: datetime,
) -> Outcome:
    """Creates a DRAFT one-off invoice. Sets the customer's currency if it has none yet.

    Raises `CustomerNotFound`, `CustomerArchived`, `CurrencyUnknown`, `CurrencyMismatch`, `InvalidInput`,
    `AmountTooLarge`, `QuantityOutOfRange`, `TooManyLines`, `TestClockAdvancing`.
    """
    account, at = await open_customer(session, customer_id, now=now)
    customer = account.customer
    require_not_archived(customer.archived_at)
    require_currency(account, valid_currency(currency), "currency")
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
        po_number=valid_po_number(po_number),
        memo=valid_memo(memo, "memo"),
        custom_metadata=valid_metadata(metadata),
        test_clock_id=customer.test_clock_id,
        version=1,
        created_at=at,
        updated_at=at,
    )
    require_lines_fit(len(lines), "lines")
    rates = await read_tax_rates(session) if any(line.tax_rate_ids for line in lines) else ({}, set())
    drafted: list[Line] = []
    for position, line in enumerate(lines):
        try:
            drafted.append(new_line(invoice, line, *rates))
            with rejecting_overflow("unit_amount_cents"):
                checked_cents(sum(each.amount_cents for each in drafted))
        except BillingError as refusal:
            refusal.field = ("lines", str(position), *refusal.field)
            raise
    with rejecting_overflow("lines"):
        set_totals(invoice, account, drafted, at)
    session.add(invoice)
    await session.flush()
    session.add_all(row_of(invoice, line, position) for position, line in enumerate(drafted, start=1))
    await record(session, EventType.INVOICE_CREATED, invoice, at=at, now=now)
    return Outcome(invoice_id=invoice.id)


async def update_invoice(
    session: AsyncSession,
    *,
    invoice_id: InvoiceId,
    net_days: int | None | Unchanged = UNCHANGED,
    po_number: str | None | Unchanged = UNCHANGED,
    memo: str | None | Unchanged = UNCHANGED,
    metadata: Mapping[str, str] | None | Unchanged = UNCHANGED,
    now: datetime,
) -> Outcome:
    """Updates the given fields of a DRAFT, or the metadata of any invoice. `metadata` is replaced as a whole.

    Raises `InvoiceNotFound`, the error from `status_error` for a field that is given and frozen, `InvalidInput`,
    `TestClockAdvancing`.
    """
    invoice = await read_existing_invoice(session, invoice_id)
    _, at = await open_customer(session, invoice.customer_id, now=now)
    invoice = await reread_invoice(session, invoice)
    if invoice.status is not InvoiceStatus.DRAFT:
        for name, value in (("net_days", net_days), ("po_number", po_number), ("memo", memo)):
            if value is not UNCHANGED:
                refusal = status_error(invoice.status, "only its `metadata` can still change")
                refusal.field = (name,)
                raise refusal
    if net_days is not UNCHANGED:
        invoice.net_days = valid_net_days(net_days)
    if po_number is not UNCHANGED:
        invoice.po_number = valid_po_number(po_number)
    if memo is not UNCHANGED:
        invoice.memo = valid_memo(memo, "memo")
    if metadata is not UNCHANGED:
        invoice.custom_metadata = valid_metadata(metadata)

    if session.is_modified(invoice):
        at = max(at, invoice.updated_at)
        mark_changed(invoice, at)
        await record(session, EventType.INVOICE_UPDATED, invoice, at=at, now=now)
    return Outcome(invoice_id=invoice_id)


async def add_invoice_line(session: AsyncSession, *, invoice_id: InvoiceId, line: OneOffLine, now: datetime) -> Outcome:
    """Adds a line to a DRAFT.

    Raises `InvoiceNotFound`, the error from `status_error` if the invoice is not a DRAFT, `InvalidInput`,
    `AmountTooLarge`, `QuantityOutOfRange`, `TooManyLines`, `TestClockAdvancing`.
    """
    invoice, account, at = await open_draft(session, invoice_id, now, to_be="changed")
    lines = await lines_of_invoice(session, invoice_id)
    require_lines_fit(len(lines) + 1, "invoice_id")
    added = new_line(invoice, line, *(await read_tax_rates(session) if line.tax_rate_ids else ({}, set())))
    with rejecting_overflow("unit_amount_cents"):
        set_totals(invoice, account, [*lines, added], at)
    session.add(row_of(invoice, added, len(lines) + 1))
    mark_changed(invoice, at)
    await record(session, EventType.INVOICE_UPDATED, invoice, also=["lines"], at=at, now=now)
    await store_lines(session, lines)
    return Outcome(invoice_id=invoice_id)


def new_line(invoice: Invoice, line: OneOffLine, rates: Mapping[TaxRateId, Tax], archived: Set[TaxRateId]) -> Line:
    """Returns a line for a draft. Raises the errors of `add_invoice_line`."""
    with rejecting_overflow("unit_amount_cents"):
        amount_cents = multiply_cents(line.unit_amount_cents, valid_quantity(line.quantity))
    rate_ids = valid_rate_ids(line.tax_rate_ids, rates, archived, "tax_rate_ids")
    return Line(
        id=InvoiceLineId(new_id()),
        customer_id=invoice.customer_id,
        kind=LineKind.ONE_OFF,
        description=required_text(line.description, "description", MAX_LINE_DESCRIPTION),
        plan_id=None,
        quantity=line.quantity,
        unit_amount_cents=line.unit_amount_cents,
        amount_cents=amount_cents,
        period_ordinal=None,
        period_start=None,
        period_end=None,
        tax=valid_line_tax(line.tax_behavior, rate_ids),
    )


def set_totals(invoice: Invoice, account: Account, lines: Sequence[Line], at: datetime) -> None:
    """Sets the totals of a draft, and the discounts and taxes of its lines, to what they would be at `at`.

    Raises `AmountOverflow`.
    """
    totals = compute_totals(account, lines, invoice.currency, at)
    invoice.subtotal_cents, invoice.discount_cents = totals.subtotal_cents, totals.discount_cents
    invoice.discounts, invoice.taxes = totals.discounts or None, totals.taxes or None
    invoice.tax_cents = totals.tax_cents
    invoice.rounding_cents, invoice.amount_cents = totals.rounding_cents, totals.amount_cents
    invoice.amount_due_cents = max(0, totals.amount_cents)


def row_of(invoice: Invoice, line: Line, position: int) -> InvoiceLine:
    return InvoiceLine(
        id=line.id,
        customer_id=line.customer_id,
        invoice_id=invoice.id,
        position=position,
        kind=line.kind,
        description=line.description,
        quantity=line.quantity,
        unit_amount_cents=line.unit_amount_cents,
        amount_cents=line.amount_cents,
        discount_cents=line.discount_cents,
        tax=line.tax,
    )


async def delete_draft_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Deletes a DRAFT with its lines.

    Raises `InvoiceNotFound`, the error from `status_error` if the invoice is not a DRAFT, `TestClockAdvancing`.
    """
    invoice, _, at = await open_draft(session, invoice_id, now, to_be="deleted")
    await session.execute(
        delete(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id, InvoiceLine.customer_id == invoice.customer_id)
    )
    mark_changed(invoice, at)
    await record(session, EventType.INVOICE_DELETED, invoice, at=at, now=now)
    await session.delete(invoice)
    await session.flush()
    return Outcome(invoice_id=invoice_id)


async def finalize_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Makes a DRAFT OPEN: sets its number, due date and recipient, and applies the customer's balance.

    An invoice with a total of 0 or less is PAID at once: see `settle_new_invoice`. A purchase order number or memo that
    the draft does not have is copied from the customer, as of now.

    Raises `InvoiceNotFound`, `InvoiceEmpty`, the error from `status_error` if the invoice is not a DRAFT,
    `AmountTooLarge`, `TestClockAdvancing`.
    """
    row, account, at = await open_draft(session, invoice_id, now, to_be="finalized")
    lines = await lines_of_invoice(session, invoice_id)
    if not lines:
        raise InvoiceEmpty("This invoice has no lines.")
    customer = account.customer
    draft = Draft(
        id=row.id,
        subscription_id=None,
        kind=row.kind,
        currency=row.currency,
        lines=lines,
        period=Period(row.period_start, row.period_end),
        net_days=(row.net_days, customer.net_days),
        po_number=row.po_number or customer.po_number,
        memo=row.memo or customer.invoice_memo,
        created_at=row.created_at,
        version=row.version,
        stored={name: getattr(row, name) for name in CHANGED_BY_FINALIZING},
    )
    with rejecting_overflow():
        finalize(account, draft, max(at, row.updated_at))
    update_past_due(account, at)
    await store(session, [account])
    return Outcome(invoice_id=invoice_id)


async def open_draft(
    session: AsyncSession, invoice_id: InvoiceId, now: datetime, *, to_be: str
) -> tuple[Invoice, Account, datetime]:
    """Returns a DRAFT, the account of its customer, which is locked, and the customer's current time.

    Raises `InvoiceNotFound`, the error from `status_error` if the invoice is not a DRAFT, `TestClockAdvancing`. `to_be`
    says in its message what was to be done with the invoice, such as "finalized".
    """
    invoice = await read_existing_invoice(session, invoice_id)
    account, at = await open_customer(session, invoice.customer_id, now=now)
    invoice = await reread_invoice(session, invoice)
    if invoice.status is not InvoiceStatus.DRAFT:
        raise status_error(invoice.status, f"only a DRAFT can be {to_be}")
    return invoice, account, at
