"""Reads rows for the peers on the ORM: mapped objects of the product's tables, one statement for many keys."""

import os
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Integer, Select, Uuid, and_, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import aliased

from db.models import Allocation, Base, Customer, Invoice, InvoiceLine, Payment, Plan, Subscription

POOL_SIZE = 10

Row = TypeVar("Row", bound=Base)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The first rows of a list. `has_more` is True if more rows follow."""

    rows: list[Row]
    has_more: bool


def sessions() -> async_sessionmaker[AsyncSession]:
    engine = create_async_engine(
        os.environ["DATABASE_URL"],
        pool_size=POOL_SIZE,
        max_overflow=0,
        connect_args={"server_settings": {"timezone": "UTC"}},
    )
    return async_sessionmaker(engine, expire_on_commit=False)


def cursor(row: Any) -> str:
    """Returns an opaque cursor: the position of a row in its list."""
    return urlsafe_b64encode(f"{row.created_at.isoformat()}|{row.id}".encode()).decode()


async def page(session: AsyncSession, model: type[Any], first: int) -> Page[Any]:
    """Returns the first rows of a whole list. Reads one more row to find out if there are more."""
    statement = select(model).where(model.test_clock_id.is_(None)).order_by(model.created_at, model.id).limit(first + 1)
    return trimmed(list(await session.scalars(statement)), first)


async def count(session: AsyncSession, model: type[Any]) -> int:
    return await session.scalar(select(func.count()).select_from(model).where(model.test_clock_id.is_(None))) or 0


def statement_of_pages(model: type[Any], parent: str) -> Select[tuple[UUID, Any]]:
    """Returns a statement for the first `limit` rows of each of the `keys`, compared with the column `parent`."""
    array = bindparam("keys", type_=ARRAY(Uuid()))
    parents = func.unnest(array).table_valued("key", with_ordinality="place").render_derived(name="parents")
    inner = (
        select(model)
        .where(getattr(model, parent) == parents.c.key)
        .order_by(model.created_at, model.id)
        .limit(bindparam("limit", type_=Integer()))
        .lateral()
    )
    child = aliased(model, inner)
    return (
        select(parents.c.key, child)
        .select_from(parents.join(inner, true()))
        .order_by(parents.c.place, child.created_at, child.id)
    )


# Created once: creating an alias of a LATERAL takes longer than everything else for a small page.
SUBSCRIPTIONS_BY_CUSTOMER = statement_of_pages(Subscription, "customer_id")
INVOICES_BY_SUBSCRIPTION = statement_of_pages(Invoice, "subscription_id")


async def subscriptions_by_customer(
    session: AsyncSession, customer_ids: Sequence[UUID], first: int
) -> list[Page[Subscription]]:
    return await pages_by(session, SUBSCRIPTIONS_BY_CUSTOMER, customer_ids, first)


async def invoices_by_subscription(
    session: AsyncSession, subscription_ids: Sequence[UUID], first: int
) -> list[Page[Invoice]]:
    return await pages_by(session, INVOICES_BY_SUBSCRIPTION, subscription_ids, first)


async def pages_by(
    session: AsyncSession, statement: Select[tuple[UUID, Any]], keys: Sequence[UUID], first: int
) -> list[Page[Any]]:
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for key, row in await session.execute(statement, {"keys": list(keys), "limit": first + 1}):
        found[key].append(row)
    return [trimmed(found[key], first) for key in keys]


def trimmed(rows: list[Any], first: int) -> Page[Any]:
    return Page(rows[:first], len(rows) > first)


async def customers_by_id(session: AsyncSession, ids: Sequence[UUID]) -> list[Customer | None]:
    customers = await session.scalars(select(Customer).where(Customer.id.in_(ids)))
    found: dict[UUID, Customer] = {row.id: row for row in customers}
    return [found.get(each) for each in ids]


async def plans_by_id(session: AsyncSession, ids: Sequence[UUID]) -> list[Plan]:
    found: dict[Any, Plan] = {row.id: row for row in await session.scalars(select(Plan).where(Plan.id.in_(ids)))}
    return [found[each] for each in ids]


async def lines_by_invoice(session: AsyncSession, invoice_ids: Sequence[UUID]) -> list[list[InvoiceLine]]:
    statement = select(InvoiceLine).where(InvoiceLine.invoice_id.in_(invoice_ids)).order_by(InvoiceLine.position)
    found: defaultdict[UUID, list[InvoiceLine]] = defaultdict(list)
    for row in await session.scalars(statement):
        found[row.invoice_id].append(row)
    return [found[each] for each in invoice_ids]


async def payments_by_invoice(session: AsyncSession, invoice_ids: Sequence[UUID]) -> list[list[Payment]]:
    """Returns the payments applied to each invoice, oldest first, each once."""
    statement = (
        select(Allocation.invoice_id, Payment)
        .join(Payment, and_(Payment.id == Allocation.payment_id, Payment.customer_id == Allocation.customer_id))
        .where(Allocation.invoice_id.in_(invoice_ids))
        .order_by(Payment.created_at, Payment.id)
    )
    found: defaultdict[UUID, dict[UUID, Payment]] = defaultdict(dict)
    for invoice_id, payment in await session.execute(statement):
        found[invoice_id][payment.id] = payment
    return [list(found[each].values()) for each in invoice_ids]
