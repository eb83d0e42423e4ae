"""Stores what was decided, of any number of accounts, with a number of statements that does not depend on theirs.

Rows go to the database as arrays, one for each column, which `unnest` makes rows of again; a value that they all have
goes once, and those of a single row as they are. What is written to several tables goes in one statement.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
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
from sqlalchemy.types import Text, TypeEngine

from billing.account import Account
from billing.records import (
    BillTo,
    PlannedAllocation,
    PlannedEvent,
    PlannedInvoice,
    PlannedLedgerEntry,
    PlannedPayment,
    PlannedPeriod,
    SubscriptionState,
)
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
from db.types import bill_to_document, stored_type

Values: TypeAlias = tuple[Any, ...]
"""The values of a row, or of a column of many rows."""

CUSTOMER_CHANGES = ("currency", "last_invoice_number", "balance_cents", "last_ledger_number", "version", "updated_at")
SUBSCRIPTION_COLUMNS = tuple(column.name for column in fields(SubscriptionState) if column.name != "next_ordinal")
SUBSCRIPTION_CHANGES = tuple(
    name for name in SUBSCRIPTION_COLUMNS if name not in ("id", "customer_id", "test_clock_id")
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

    await cut_periods(session, accounts)
    await take_lines(session, accounts)
    writes = Writes()
    writes.update(
        Customer, ("id",), CUSTOMER_CHANGES, [account.customer for account in accounts if account.customer_changed]
    )
    writes.insert(Subscription, (*SUBSCRIPTION_COLUMNS, "metadata", "created_at"), new_subscriptions(accounts))
    writes.insert_all(BillingPeriod, PlannedPeriod, decided(lambda account: account.periods))
    writes.insert_all(Payment, PlannedPayment, decided(lambda account: account.payments))
    invoices = decided(lambda account: account.invoices)
    writes.insert(Invoice, INVOICE_COLUMNS, values_of(INVOICE_COLUMNS, invoices))
    writes.insert(PendingLine, (*LINE_COLUMNS, "created_at", "subscription_id"), waiting_lines(accounts))
    writes.insert(InvoiceLine, (*LINE_COLUMNS, "invoice_id", "position"), lines_of(invoices))
    writes.insert_all(Allocation, PlannedAllocation, decided(lambda account: account.allocations))
    writes.insert_all(LedgerEntry, PlannedLedgerEntry, decided(lambda account: account.ledger_entries))
    writes.update(Invoice, ("id",), INVOICE_CHANGES, decided(lambda account: account.changed_invoices.values()))
    writes.update(
        Subscription,
        ("id", "customer_id"),
        SUBSCRIPTION_CHANGES,
        [account.subscription for account in accounts if account.subscription_changed and not account.is_new],
    )
    writes.insert_all(Event, PlannedEvent, decided(lambda account: account.events))
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
    writes.insert_all(Event, PlannedEvent, events)
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


def new_subscriptions(accounts: Sequence[Account]) -> list[Values]:
    rows = []
    for account in accounts:
        if account.is_new:
            subscription = account.known_subscription
            created_at = next(event.occurred_at for event in account.events if event.object_id == subscription.id)
            [values] = values_of(SUBSCRIPTION_COLUMNS, [subscription])
            rows.append((*values, account.new_metadata, created_at))
    return rows


def waiting_lines(accounts: Sequence[Account]) -> list[Values]:
    return [
        (*values, account.known_subscription.id)
        for account in accounts
        for values in values_of((*LINE_COLUMNS, "created_at"), account.now_waiting)
    ]


def lines_of(invoices: Sequence[PlannedInvoice]) -> list[Values]:
    return [
        (*values, invoice.id, position)
        for invoice in invoices
        for position, values in enumerate(values_of(LINE_COLUMNS, invoice.lines), start=1)
    ]


def values_of(names: tuple[str, ...], rows: Iterable[Any]) -> list[Values]:
    """What the rows have under several names."""
    return list(map(attrgetter(*names), rows))


@dataclass(frozen=True, slots=True)
class Write:
    """An INSERT of rows, or an UPDATE of those found by `keys`, without its values. In the columns `said_once` all rows
    have one value; if that is all columns, there is one row.
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

    def insert(self, model: type[Base], names: tuple[str, ...], rows: Sequence[Values]) -> None:
        """All rows, if there are any."""
        if rows:
            self._add(model, (), names, rows)

    def insert_all(self, model: type[Base], row_type: type[Any], rows: Sequence[Any]) -> None:
        """All rows, if there are any: their fields are the columns."""
        if rows:
            names = columns_of(row_type)
            self._add(model, (), names, values_of(names, rows))

    def update(self, model: type[Base], keys: tuple[str, ...], changes: tuple[str, ...], rows: Sequence[Any]) -> None:
        """Gives each row, found by `keys`, its values of `changes`."""
        if rows:
            names = (*keys, *changes)
            self._add(model, keys, names, values_of(names, rows))

    def _add(self, model: type[Base], keys: tuple[str, ...], names: tuple[str, ...], rows: Sequence[Values]) -> None:
        columns = rows[0] if len(rows) == 1 else list(zip(*rows, strict=True))
        said_once = frozenset(names) if len(rows) == 1 else the_same_for_all(names, columns) - {*keys}
        write = Write(table_of(model), keys, names, said_once)
        if len(rows) > 1:
            columns = [column[0] if name in said_once else column for name, column in zip(names, columns, strict=True)]
        for (name, encode), value in zip(parameters(len(self._writes), write), columns, strict=True):
            self._values[name] = value if encode is None else encode(value)
        self._writes.append(write)

    async def send(self, session: AsyncSession) -> None:
        """Writes all. A statement that has no rows is not sent."""
        if self._writes:
            await send(session, all_together(tuple(self._writes)), **self._values)


@kept
def columns_of(row_type: type[Any]) -> tuple[str, ...]:
    return tuple(column.name for column in fields(row_type))


def parameter(write: int, name: str) -> str:
    """The name of the parameter for a column of a write, of which there are several in a statement."""
    return f"p{write}_{name}"


def the_same_for_all(names: Iterable[str], columns: Iterable[Values]) -> frozenset[str]:
    """The columns in which all of many rows have one value. It is sent once: half of what a renewal stores is such."""
    return frozenset(
        name for name, values in zip(names, columns, strict=True) if values.count(values[0]) == len(values)
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
    columns: dict[str, ColumnElement[Any]] = {
        name: bindparam(parameter(number, name), type_=types[name]) for name in write.names if name in write.said_once
    }
    listed = [name for name in write.names if name not in write.said_once]
    if listed:
        arrays = [bindparam(parameter(number, name), type_=ARRAY(types[name])) for name in listed]
        rows = func.unnest(*arrays).table_valued(*listed, name=f"rows_{number}").render_derived().c
        columns |= {name: rows[name] for name in listed}
    return columns


def sent_type(column: Column[Any]) -> TypeEngine[Any]:
    """The type as which a column's values are sent: documents and lists as text, all else as what is stored."""
    stored = stored_type(column.type)
    return Text() if isinstance(stored, JSONB | ARRAY) else stored


def restored(column: Column[Any], sent: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column's value, of what was sent."""
    match stored_type(column.type):
        case JSONB():
            return cast(sent, JSONB)
        case ARRAY():
            return func.string_to_array(sent, ",")
        case _:
            return sent


@kept
def parameters(number: int, write: Write) -> list[tuple[str, Callable[[Any], Any] | None]]:
    """For each column its parameter, and what makes of a value, or of those of many rows, what is sent; None where that
    is the same.
    """
    return [
        (parameter(number, name), encoder(write.table.c[name], one=name in write.said_once)) for name in write.names
    ]


def encoder(column: Column[Any], *, one: bool) -> Callable[[Any], Any] | None:
    match stored_type(column.type):
        case JSONB():
            encode: Callable[[Any], str | None] = document_text
        case ARRAY():
            encode = ",".join
        case _:
            return None
    return encode if one else lambda values: [encode(value) for value in values]


def document_text(value: BillTo | dict[str, str] | None) -> str | None:
    if value is None:
        return None
    return json.dumps(bill_to_document(value) if isinstance(value, BillTo) else value)
