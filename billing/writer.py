"""Stores what was decided, of any number of accounts, with a number of statements that does not depend on theirs.

Rows go to the database as arrays, one for each column, which `unnest` makes rows of again; a value that they all have
goes once. A statement that has no rows is not sent.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

from sqlalchemy import (
    Column,
    ColumnElement,
    Table,
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
    # The customer's currency has to be there before any money.
    await update_rows(
        session,
        Customer,
        ("id",),
        CUSTOMER_CHANGES,
        [account.customer for account in accounts if account.customer_changed],
    )
    await cut_periods(session, accounts)
    await insert_rows(session, BillingPeriod, columns_of(PlannedPeriod, decided(lambda account: account.periods)))
    await insert_rows(session, Payment, columns_of(PlannedPayment, decided(lambda account: account.payments)))
    await insert_rows(session, Invoice, columns_named(INVOICE_COLUMNS, invoices))
    await move_lines(session, accounts, invoices)
    await insert_rows(session, Allocation, columns_of(PlannedAllocation, decided(lambda account: account.allocations)))
    await insert_rows(
        session, LedgerEntry, columns_of(PlannedLedgerEntry, decided(lambda account: account.ledger_entries))
    )
    await update_rows(
        session, Invoice, ("id",), INVOICE_CHANGES, decided(lambda account: account.changed_invoices.values())
    )
    await update_rows(
        session,
        Subscription,
        ("id", "customer_id"),
        SUBSCRIPTION_CHANGES,
        [account.subscription for account in accounts if account.subscription_changed],
    )
    await store_events(session, decided(lambda account: account.events))
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
    await insert_rows(session, Event, columns_of(PlannedEvent, events))


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


async def move_lines(session: AsyncSession, accounts: Sequence[Account], invoices: Sequence[PlannedInvoice]) -> None:
    """Lines: those of new invoices, those that begin to wait for one, and those that have waited long enough."""
    taken = [line.id for account in accounts for line in account.no_longer_waiting]
    if taken:
        await session.execute(delete(PendingLine).where(PendingLine.id.in_(taken)))
    waiting = [(account.known_subscription.id, line) for account in accounts for line in account.now_waiting]
    await insert_rows(
        session,
        PendingLine,
        {
            **columns_named((*LINE_COLUMNS, "created_at"), [line for _, line in waiting]),
            "subscription_id": [subscription_id for subscription_id, _ in waiting],
        },
    )
    lines = [(invoice, position, line) for invoice in invoices for position, line in enumerate(invoice.lines, start=1)]
    await insert_rows(
        session,
        InvoiceLine,
        {
            **columns_named(LINE_COLUMNS, [line for _, _, line in lines]),
            "invoice_id": [invoice.id for invoice, _, _ in lines],
            "position": [position for _, position, _ in lines],
        },
    )


def columns_of(row_type: type[Any], rows: Sequence[Any]) -> Columns:
    return columns_named([column.name for column in fields(row_type)], rows)


def columns_named(names: Iterable[str], rows: Sequence[Any]) -> Columns:
    return {name: [getattr(row, name) for row in rows] for name in names}


async def insert_rows(session: AsyncSession, model: type[Base], columns: Columns) -> None:
    """One INSERT of all rows."""
    if any(columns.values()):
        table, said_once = table_of(model), the_same_for_all(columns)
        await send(session, insert_statement(table, tuple(columns), said_once), **parameters(table, columns, said_once))


async def update_rows(
    session: AsyncSession, model: type[Base], keys: Sequence[str], changes: Sequence[str], rows: Sequence[Any]
) -> None:
    """One UPDATE that gives each row, found by `keys`, its values of `changes`."""
    if rows:
        table, columns = table_of(model), columns_named((*keys, *changes), rows)
        said_once = the_same_for_all(columns) - {*keys}
        statement = update_statement(table, tuple(keys), tuple(changes), said_once)
        await send(session, statement, **parameters(table, columns, said_once))


def the_same_for_all(columns: Columns) -> frozenset[str]:
    """The columns in which all of many rows have one value. It is sent once: half of what a renewal stores is such."""
    return frozenset(
        name for name, values in columns.items() if len(values) > 1 and values.count(values[0]) == len(values)
    )


@kept
def insert_statement(table: Table, names: tuple[str, ...], said_once: frozenset[str]) -> Statement:
    sent = sent_columns(table, names, said_once)
    rows = select(*(restored(table.c[name], sent[name]) for name in names))
    return Statement(insert(table).from_select(names, rows))


@kept
def update_statement(
    table: Table, keys: tuple[str, ...], changes: tuple[str, ...], said_once: frozenset[str]
) -> Statement:
    sent = sent_columns(table, (*keys, *changes), said_once)
    return Statement(
        update(table)
        .where(*(table.c[key] == sent[key] for key in keys))
        .values({name: restored(table.c[name], sent[name]) for name in changes})
    )


def sent_columns(table: Table, names: Sequence[str], said_once: frozenset[str]) -> dict[str, ColumnElement[Any]]:
    """The columns `names` of the rows that are sent: arrays as a table, and beside it what is the same for all."""
    listed = [name for name in names if name not in said_once]
    arrays = [bindparam(f"p_{name}", type_=ARRAY(sent_type(table.c[name]))) for name in listed]
    rows = func.unnest(*arrays).table_valued(*listed, name="rows").render_derived().c
    return {
        name: bindparam(f"p_{name}", type_=sent_type(table.c[name])) if name in said_once else rows[name]
        for name in names
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


def parameters(table: Table, columns: Columns, said_once: frozenset[str]) -> dict[str, Any]:
    sent = {}
    for name, values in columns.items():
        if name in said_once:
            [sent[f"p_{name}"]] = sent_values(table.c[name], values[:1])
        else:
            sent[f"p_{name}"] = sent_values(table.c[name], values)
    return sent


def sent_values(column: Column[Any], values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(column.type, ARRAY):
        return [",".join(value) for value in values]
    if column.name == "bill_to":
        return [None if value is None else json_of(value) for value in values]
    return values


def json_of(bill_to: BillTo) -> str:
    return json.dumps(bill_to_document(bill_to))
