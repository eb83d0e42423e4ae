"""Stores what was decided, of any number of accounts, with a number of statements that does not depend on theirs.

Rows go to the database as arrays, one for each column, which `unnest` makes rows of again; a value that they all have
goes once. What is written to several tables goes in one statement.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from sqlalchemy import (
    Column,
    ColumnElement,
    Insert,
    Table,
    Update,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text, TypeDecorator, TypeEngine

from billing.account import Account
from billing.planned import (
    PlannedAllocation,
    PlannedEvent,
    PlannedInvoice,
    PlannedLedgerEntry,
    PlannedPayment,
    PlannedPeriod,
)
from billing.states import SubscriptionState
from db.models import (
    Allocation,
    Base,
    BillingHold,
    BillingPeriod,
    Customer,
    Event,
    Invoice,
    InvoiceLine,
    LedgerEntry,
    Payment,
    PendingLine,
    Subscription,
)
from db.models.base import table_of
from db.statements import Statement, kept, send
from db.types import bill_to_document
from db.values import BillTo

Columns: TypeAlias = dict[str, Sequence[Any]]
"""Rows, column by column."""

CUSTOMER_CHANGES = ("currency", "last_invoice_number", "balance_cents", "last_ledger_number", "version", "updated_at")
SUBSCRIPTION_CHANGES = tuple(
    column.name
    for column in fields(SubscriptionState)
    if column.name not in ("id", "customer_id", "next_ordinal", "test_clock_id")
)
INVOICE_CHANGES = ("status", "amount_due_cents", "paid_at", "version", "updated_at")
LINE_COLUMNS = (
    *("id", "customer_id", "kind", "description", "plan_id", "quantity", "unit_amount_cents", "amount_cents"),
    *("period_ordinal", "period_start", "period_end", "reverses_line_id"),
)
INVOICE_COLUMNS = tuple(column.name for column in fields(PlannedInvoice) if column.name != "lines")


async def store(session: AsyncSession, accounts: Sequence[Account]) -> None:
    """Stores what was decided of the accounts, whose customers and subscriptions are there and locked by the caller."""

    def decided(of: Callable[[Account], Iterable[Any]]) -> list[Any]:
        return [row for account in accounts for row in of(account)]

    invoices = decided(lambda account: account.invoices)
    await cut_periods(session, accounts)
    await take_lines(session, accounts)
    writes = Writes()
    writes.update(
        Customer, ("id",), CUSTOMER_CHANGES, [account.customer for account in accounts if account.customer_changed]
    )
    writes.insert(BillingPeriod, columns_of(PlannedPeriod, decided(lambda account: account.periods)))
    writes.insert(Payment, columns_of(PlannedPayment, decided(lambda account: account.payments)))
    writes.insert(Invoice, columns_named(INVOICE_COLUMNS, invoices))
    writes.insert(PendingLine, columns_of_waiting_lines(accounts))
    writes.insert(InvoiceLine, columns_of_lines(invoices))
    writes.insert(Allocation, columns_of(PlannedAllocation, decided(lambda account: account.allocations)))
    writes.insert(LedgerEntry, columns_of(PlannedLedgerEntry, decided(lambda account: account.ledger_entries)))
    writes.update(Invoice, ("id",), INVOICE_CHANGES, decided(lambda account: account.changed_invoices.values()))
    writes.update(
        Subscription,
        ("id", "customer_id"),
        SUBSCRIPTION_CHANGES,
        [account.subscription for account in accounts if account.subscription_changed],
    )
    writes.insert(Event, columns_of(PlannedEvent, decided(lambda account: account.events)))
    await writes.send(session)
    for allocation_id, released_at in decided(lambda account: account.released_allocations):
        await session.execute(
            update(table_of(Allocation)).where(Allocation.id == allocation_id).values(released_at=released_at)
        )
    billed = [account.known_subscription.id for account in accounts if account.held and no_longer_due(account)]
    if billed:
        await session.execute(delete(BillingHold).where(BillingHold.subscription_id.in_(billed)))


def no_longer_due(account: Account) -> bool:
    """Whether what was due was done: periods were billed, or it has ended."""
    return bool(account.periods) or not account.known_subscription.is_live


async def store_events(session: AsyncSession, events: Sequence[PlannedEvent]) -> None:
    writes = Writes()
    writes.insert(Event, columns_of(PlannedEvent, events))
    await writes.send(session)


async def cut_periods(session: AsyncSession, accounts: Sequence[Account]) -> None:
    for account in accounts:
        for ordinal, ends_at in account.cut_periods:
            subscription = account.known_subscription
            await session.execute(
                update(table_of(BillingPeriod))
                .where(
                    BillingPeriod.subscription_id == subscription.id,
                    BillingPeriod.customer_id == subscription.customer_id,
                    BillingPeriod.ordinal == ordinal,
                )
                .values(ends_at=ends_at)
            )


async def take_lines(session: AsyncSession, accounts: Sequence[Account]) -> None:
    """Takes the lines away that have waited long enough: they are on an invoice now."""
    taken = [line.id for account in accounts for line in account.no_longer_waiting]
    if taken:
        await session.execute(delete(PendingLine).where(PendingLine.id.in_(taken)))


def columns_of_waiting_lines(accounts: Sequence[Account]) -> Columns:
    waiting = [(account.known_subscription.id, line) for account in accounts for line in account.now_waiting]
    return {
        **columns_named((*LINE_COLUMNS, "created_at"), [line for _, line in waiting]),
        "subscription_id": [subscription_id for subscription_id, _ in waiting],
    }


def columns_of_lines(invoices: Sequence[PlannedInvoice]) -> Columns:
    lines = [(invoice, position, line) for invoice in invoices for position, line in enumerate(invoice.lines, start=1)]
    return {
        **columns_named(LINE_COLUMNS, [line for _, _, line in lines]),
        "invoice_id": [invoice.id for invoice, _, _ in lines],
        "position": [position for _, position, _ in lines],
    }


def columns_of(row_type: type[Any], rows: Sequence[Any]) -> Columns:
    return columns_named([column.name for column in fields(row_type)], rows)


def columns_named(names: Iterable[str], rows: Sequence[Any]) -> Columns:
    return {name: [getattr(row, name) for row in rows] for name in names}


@dataclass(frozen=True, slots=True)
class Write:
    """An INSERT of rows, or an UPDATE of those found by `keys`, without its values. In the columns `said_once` all rows
    have one value.
    """

    table: Table
    keys: tuple[str, ...]
    names: tuple[str, ...]
    said_once: frozenset[str]


class Writes:
    """What is to be written to several tables, and is sent as one statement.

    PostgreSQL checks foreign keys when it has written all of them; no row is written twice.
    """

    def __init__(self) -> None:
        self._writes: list[Write] = []
        self._values: dict[str, Any] = {}

    def insert(self, model: type[Base], columns: Columns) -> None:
        """All rows, if there are any."""
        if any(columns.values()):
            self._add(model, (), columns, the_same_for_all(columns))

    def update(self, model: type[Base], keys: Sequence[str], changes: Sequence[str], rows: Sequence[Any]) -> None:
        """Gives each row, found by `keys`, its values of `changes`."""
        if rows:
            columns = columns_named((*keys, *changes), rows)
            self._add(model, tuple(keys), columns, the_same_for_all(columns) - {*keys})

    def _add(self, model: type[Base], keys: tuple[str, ...], columns: Columns, said_once: frozenset[str]) -> None:
        write = Write(table_of(model), keys, tuple(columns), said_once)
        for name, values in parameters(write, columns).items():
            self._values[parameter(len(self._writes), name)] = values
        self._writes.append(write)

    async def send(self, session: AsyncSession) -> None:
        """Writes all. A statement that has no rows is not sent."""
        if self._writes:
            await send(session, all_together(tuple(self._writes)), **self._values)


def parameter(write: int, name: str) -> str:
    """The name of the parameter for a column of a write, of which there are several in a statement."""
    return f"p{write}_{name}"


def the_same_for_all(columns: Columns) -> frozenset[str]:
    """The columns in which all of many rows have one value. It is sent once: half of what a renewal stores is such."""
    return frozenset(
        name for name, values in columns.items() if len(values) > 1 and values.count(values[0]) == len(values)
    )


@kept
def all_together(writes: tuple[Write, ...]) -> Statement:
    """The last of the writes, to which the others are common table expressions."""
    *others, last = [written(number, write) for number, write in enumerate(writes)]
    return Statement(last.add_cte(*(other.cte(f"write_{number}") for number, other in enumerate(others))))


def written(number: int, write: Write) -> Insert | Update:
    table = write.table
    sent = sent_columns(number, write)
    if not write.keys:
        rows = select(*(restored(table.c[name], sent[name]) for name in write.names))
        return insert(table).from_select(write.names, rows)
    changes = [name for name in write.names if name not in write.keys]
    return (
        update(table)
        .where(*(table.c[key] == sent[key] for key in write.keys))
        .values({name: restored(table.c[name], sent[name]) for name in changes})
    )


def sent_columns(number: int, write: Write) -> dict[str, ColumnElement[Any]]:
    """The columns of the rows that are sent: arrays as a table, and beside it what is the same for all."""
    types = {name: sent_type(write.table.c[name]) for name in write.names}
    listed = [name for name in write.names if name not in write.said_once]
    arrays = [bindparam(parameter(number, name), type_=ARRAY(types[name])) for name in listed]
    rows = func.unnest(*arrays).table_valued(*listed, name=f"rows_{number}").render_derived().c
    return {
        name: bindparam(parameter(number, name), type_=types[name]) if name in write.said_once else rows[name]
        for name in write.names
    }


def sent_type(column: Column[Any]) -> TypeEngine[Any]:
    """The type as which a column's values are sent: documents and lists as text, all else as what is stored."""
    stored = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    return Text() if isinstance(stored, JSONB | ARRAY) else stored


def restored(column: Column[Any], sent: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column's value, of what was sent."""
    stored = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    match stored:
        case JSONB():
            return cast(sent, JSONB)
        case ARRAY():
            return func.string_to_array(sent, ",")
        case _:
            return sent


def parameters(write: Write, columns: Columns) -> dict[str, Any]:
    sent = {}
    for name, values in columns.items():
        column = write.table.c[name]
        if name in write.said_once:
            [sent[name]] = sent_values(column, values[:1])
        else:
            sent[name] = sent_values(column, values)
    return sent


def sent_values(column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(column.type, ARRAY):
        return [",".join(value) for value in values]
    if column.name == "bill_to":
        return [None if value is None else json_of(value) for value in values]
    return values


def json_of(bill_to: BillTo) -> str:
    return json.dumps(bill_to_document(bill_to))
