"""Rows by key: one statement for many keys, answers in the order of the keys."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from db.models import (
    Allocation,
    Base,
    BillingHold,
    Customer,
    Invoice,
    InvoiceLine,
    Payment,
    PendingLine,
    Plan,
    Subscription,
    TestClock,
)
from db.queries.arrays import among
from db.queries.pages import PageRequest, pages_by
from db.values import (
    CustomerId,
    InvoiceId,
    InvoiceLineId,
    PaymentId,
    PlanId,
    SubscriptionId,
    SubscriptionStatus,
    TestClockId,
)

Row = TypeVar("Row", bound=Base)


async def one_by(
    session: AsyncSession,
    model: type[Row],
    column: InstrumentedAttribute[Any],
    keys: Sequence[object],
    *conditions: ColumnElement[bool],
) -> list[Row | None]:
    """For each key the row whose `column` has it; None where there is none. `column` is unique under `conditions`."""
    rows = await session.scalars(select(model).where(among(column, keys), *conditions))
    found = {getattr(row, column.key): row for row in rows}
    return [found.get(key) for key in keys]


async def many_by(
    session: AsyncSession,
    statement: Select[Row],
    column: InstrumentedAttribute[Any],
    keys: Sequence[object],
) -> list[list[Row]]:
    """For each key all rows of `statement` whose `column` has it, in the statement's order."""
    found: defaultdict[object, list[Row]] = defaultdict(list)
    for row in await session.scalars(statement.where(among(column, keys))):
        found[getattr(row, column.key)].append(row)
    return [found[key] for key in keys]


async def customers_by_id(session: AsyncSession, ids: Sequence[CustomerId]) -> list[Customer | None]:
    return await one_by(session, Customer, Customer.id, ids)


async def customers_by_email_key(session: AsyncSession, keys: Sequence[str]) -> list[Customer | None]:
    return await one_by(session, Customer, Customer.email_key, keys)


async def customers_by_external_id(session: AsyncSession, keys: Sequence[str]) -> list[Customer | None]:
    return await one_by(session, Customer, Customer.external_id, keys)


async def plans_by_id(session: AsyncSession, ids: Sequence[PlanId]) -> list[Plan | None]:
    return await one_by(session, Plan, Plan.id, ids)


async def plans_by_code(session: AsyncSession, codes: Sequence[str]) -> list[Plan | None]:
    return await one_by(session, Plan, Plan.code, codes)


async def subscriptions_by_id(session: AsyncSession, ids: Sequence[SubscriptionId]) -> list[Subscription | None]:
    return await one_by(session, Subscription, Subscription.id, ids)


async def live_subscriptions_by_customer(
    session: AsyncSession, customer_ids: Sequence[CustomerId]
) -> list[Subscription | None]:
    """For each customer the one subscription that is not CANCELED."""
    return await one_by(
        session,
        Subscription,
        Subscription.customer_id,
        customer_ids,
        Subscription.status != SubscriptionStatus.CANCELED,
    )


async def invoices_by_id(session: AsyncSession, ids: Sequence[InvoiceId]) -> list[Invoice | None]:
    return await one_by(session, Invoice, Invoice.id, ids)


async def latest_invoices_by_subscription(
    session: AsyncSession, subscription_ids: Sequence[SubscriptionId]
) -> list[Invoice | None]:
    """For each subscription the invoice that was made last."""
    newest = PageRequest(limit=1, descending=True)
    pages = await pages_by(session, Invoice, "subscription_id", subscription_ids, newest)
    return [page.rows[0] if page.rows else None for page in pages]


async def lines_by_invoice(session: AsyncSession, invoice_ids: Sequence[InvoiceId]) -> list[list[InvoiceLine]]:
    """For each invoice its lines, by position."""
    statement = select(InvoiceLine).order_by(InvoiceLine.invoice_id, InvoiceLine.position)
    return await many_by(session, statement, InvoiceLine.invoice_id, invoice_ids)


async def lines_by_id(session: AsyncSession, ids: Sequence[InvoiceLineId]) -> list[InvoiceLine | None]:
    return await one_by(session, InvoiceLine, InvoiceLine.id, ids)


async def replacements_by_invoice(session: AsyncSession, invoice_ids: Sequence[InvoiceId]) -> list[Invoice | None]:
    """For each invoice the one that was issued in its place."""
    return await one_by(session, Invoice, Invoice.replaces_id, invoice_ids)


async def pending_lines_by_subscription(
    session: AsyncSession, subscription_ids: Sequence[SubscriptionId]
) -> list[list[PendingLine]]:
    """For each subscription the lines that wait for its next invoice, in the order they came."""
    statement = select(PendingLine).order_by(PendingLine.id)
    return await many_by(session, statement, PendingLine.subscription_id, subscription_ids)


async def billing_holds_by_subscription(
    session: AsyncSession, subscription_ids: Sequence[SubscriptionId]
) -> list[BillingHold | None]:
    return await one_by(session, BillingHold, BillingHold.subscription_id, subscription_ids)


async def payments_by_id(session: AsyncSession, ids: Sequence[PaymentId]) -> list[Payment | None]:
    return await one_by(session, Payment, Payment.id, ids)


async def payments_by_invoice(session: AsyncSession, invoice_ids: Sequence[InvoiceId]) -> list[list[Payment]]:
    """For each invoice the payments that something was put against it of, oldest first; each once."""
    rows = await session.execute(
        select(Allocation.invoice_id, Payment)
        .join(Payment, and_(Payment.id == Allocation.payment_id, Payment.customer_id == Allocation.customer_id))
        .where(among(Allocation.invoice_id, invoice_ids))
        .order_by(Payment.created_at, Payment.id)
    )
    found: defaultdict[InvoiceId, dict[PaymentId, Payment]] = defaultdict(dict)
    for invoice_id, payment in rows:
        found[invoice_id][payment.id] = payment
    return [list(found[key].values()) for key in invoice_ids]


async def allocations_by_invoice(session: AsyncSession, invoice_ids: Sequence[InvoiceId]) -> list[list[Allocation]]:
    """For each invoice what was put against it, oldest first."""
    statement = select(Allocation).order_by(Allocation.created_at, Allocation.id)
    return await many_by(session, statement, Allocation.invoice_id, invoice_ids)


async def allocations_by_payment(session: AsyncSession, payment_ids: Sequence[PaymentId]) -> list[list[Allocation]]:
    """For each payment what of it was put against invoices, in the order that was done in."""
    statement = select(Allocation).order_by(Allocation.created_at, Allocation.id)
    return await many_by(session, statement, Allocation.payment_id, payment_ids)


async def test_clocks_by_id(session: AsyncSession, ids: Sequence[TestClockId]) -> list[TestClock | None]:
    return await one_by(session, TestClock, TestClock.id, ids)


NODE_MODELS: tuple[type[Customer | Plan | Subscription | Invoice | Payment | TestClock], ...] = (
    Customer,
    Plan,
    Subscription,
    Invoice,
    Payment,
    TestClock,
)


async def node_models_by_id(session: AsyncSession, ids: Sequence[UUID]) -> list[type[Base] | None]:
    """For each id the table that has it: one UNION ALL over the tables whose rows can be looked up by id alone."""
    found = await session.execute(
        union_all(
            *(
                select(literal(position).label("position"), model.id).where(among(model.id, ids))
                for position, model in enumerate(NODE_MODELS)
            )
        )
    )
    models = {row_id: NODE_MODELS[position] for position, row_id in found}
    return [models.get(key) for key in ids]
