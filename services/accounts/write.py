"""Stores what was decided, of any number of accounts, with a number of statements that does not depend on theirs.

Rows go to the database as arrays, one for each column, which `unnest` makes rows of again; a value that they all have
goes once, and those of a single row as they are. What is written to several tables goes in one statement.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    delete,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.records import (
    PlannedAllocation,
    PlannedEvent,
    PlannedInvoice,
    PlannedLedgerEntry,
    PlannedPayment,
    PlannedPeriod,
    SubscriptionState,
)
from db.access.transactions import announce_events
from db.access.writes import Values, Writes, values_of
from db.models import (
    Allocation,
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

CUSTOMER_CHANGES = ("currency", "last_invoice_number", "balance_cents", "last_ledger_number", "version", "updated_at")
SUBSCRIPTION_COLUMNS = tuple(column.name for column in fields(SubscriptionState) if column.name != "next_ordinal")
NEW_SUBSCRIPTION_COLUMNS = (*SUBSCRIPTION_COLUMNS, "metadata", "created_at")
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
    new = [account.subscription for account in accounts if account.is_new]
    writes.insert(Subscription, NEW_SUBSCRIPTION_COLUMNS, values_of(NEW_SUBSCRIPTION_COLUMNS, new))
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
    events = decided(lambda account: account.events)
    writes.insert_all(Event, PlannedEvent, events)
    announce_events(session, events)
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
    announce_events(session, events)
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
