"""Stores the decisions of any number of accounts.

Sends one statement for all inserts and updates, with rows as one array per column, which `unnest` turns back into rows.
A value that all rows share is sent once. Changed periods and the removal of lines and holds need statements of their
own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from operator import attrgetter
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.discounts import DiscountState, NewDiscount
from billing.movements import NewMovement
from billing.mrr import count, movements_of
from billing.new_records import (
    Line,
    NewAllocation,
    NewCreditNote,
    NewCreditNoteLine,
    NewEvent,
    NewInvoice,
    NewLedgerEntry,
    NewPayment,
    NewPendingLine,
    NewPeriod,
    NewRefund,
    NewReversal,
    NewSubscription,
    NewTrial,
    NumberedLine,
    ReleasedAllocation,
)
from billing.records import CreditNoteState, CustomerState, InvoiceState, PaymentState, SubscriptionState
from db.access.records import inserts, updates
from db.access.transactions import announce_events
from db.access.writes import Writes
from db.models import (
    Allocation,
    BillingHold,
    BillingPeriod,
    CreditNote,
    CreditNoteLine,
    Customer,
    Discount,
    Event,
    Invoice,
    InvoiceLine,
    LedgerEntry,
    MrrMovement,
    Payment,
    PendingLine,
    Refund,
    Reversal,
    Subscription,
    Trial,
)
from db.models.base import table_of
from db.queries.movements import latest_movements

CHANGED_CUSTOMER = updates(
    Customer,
    CustomerState,
    keys=("id",),
    without=(
        *("invoice_prefix", "net_days", "po_number", "invoice_memo", "test_clock_id", "archived_at", "tax_profile"),
        *("seller_id", "bill_to"),
    ),
)
OF_THE_LATEST_PERIOD = ("next_ordinal", "billed_until", "whole_seconds")

MOVEMENT = inserts(MrrMovement, NewMovement)
NEW_SUBSCRIPTION = inserts(Subscription, NewSubscription, without=OF_THE_LATEST_PERIOD)
CHANGED_SUBSCRIPTION = updates(
    Subscription, SubscriptionState, keys=("id", "customer_id"), without=(*OF_THE_LATEST_PERIOD, "test_clock_id")
)
PERIOD = inserts(BillingPeriod, NewPeriod)
TRIAL = inserts(Trial, NewTrial, without=("promised",))
PROMISED_TRIAL = inserts(Trial, NewTrial, without=("promised",), unless=("customer_id", "plan_id"))
PAYMENT = inserts(Payment, NewPayment)
CHANGED_PAYMENT = updates(Payment, PaymentState, keys=("id", "customer_id"), without=("amount_cents",))
REVERSAL = inserts(Reversal, NewReversal)
REFUND = inserts(Refund, NewRefund)
CREDIT_NOTE = inserts(CreditNote, NewCreditNote, without=("lines",))
CHANGED_CREDIT_NOTE = updates(
    CreditNote,
    CreditNoteState,
    keys=("id", "customer_id"),
    without=(
        *("invoice_id", "amount_cents", "applied_cents", "restored_cents", "balance_cents"),
        *("refund_cents", "outside_cents"),
    ),
)
CREDIT_NOTE_LINE = inserts(CreditNoteLine, NewCreditNoteLine)
NEW_DISCOUNT = inserts(Discount, NewDiscount, without=("is_counted",))
CHANGED_DISCOUNT = updates(
    Discount,
    DiscountState,
    keys=("id", "customer_id"),
    without=("subscription_id", "name", "percent_off", "amount_off_cents", "currency", "periods", "plan_ids"),
)
NEW_INVOICE = inserts(Invoice, NewInvoice, without=("lines",))
FINALIZED_DRAFT = updates(
    Invoice,
    NewInvoice,
    keys=("id", "customer_id"),
    without=(
        *("subscription_id", "kind", "currency", "period_ordinal", "period_start", "period_end", "replaces_id"),
        *("test_clock_id", "created_at", "lines"),
    ),
)
DRAFT_LINE = updates(
    InvoiceLine,
    Line,
    keys=("id", "customer_id"),
    without=(
        *("kind", "description", "plan_id", "quantity", "unit_amount_cents", "amount_cents", "period_ordinal"),
        *("period_start", "period_end", "reverses_line_id", "reverses_invoice_id", "created_at", "change_id"),
        "period_seconds",
    ),
)
CHANGED_INVOICE = updates(
    Invoice,
    InvoiceState,
    keys=("id",),
    without=("customer_id", "subscription_id", "kind", "currency", "amount_cents", "due_at"),
)
NEW_PENDING_LINE = inserts(PendingLine, NewPendingLine, without=("line.reverses_invoice_id", "line.discount_cents"))
NEW_LINE = inserts(
    InvoiceLine, NumberedLine, without=("line.reverses_invoice_id", "line.created_at", "line.period_seconds")
)
NEW_ALLOCATION = inserts(Allocation, NewAllocation)
RELEASED_ALLOCATION = updates(Allocation, ReleasedAllocation, keys=("id",))
LEDGER_ENTRY = inserts(LedgerEntry, NewLedgerEntry)
EVENT = inserts(Event, NewEvent)


async def store(session: AsyncSession, accounts: Sequence[Account]) -> None:
    """Stores the decisions of the accounts. The caller must have locked their customers and subscriptions."""

    def decided(of: Callable[[Account], Iterable[Any]]) -> list[Any]:
        return [row for account in accounts for row in of(account)]

    def changed(name: str) -> list[Any]:
        return [row for account in accounts for row in getattr(account, name).values()]

    movements = await new_movements(session, accounts)
    await change_periods(session, accounts)
    await delete_removed_lines(session, accounts)
    writes = Writes()
    writes.add(CHANGED_CUSTOMER, [account.customer for account in accounts if account.customer_changed])
    writes.add(NEW_SUBSCRIPTION, [account.subscription for account in accounts if account.is_new])
    writes.add(MOVEMENT, movements)
    writes.add(PERIOD, decided(attrgetter("periods")))
    trials: list[NewTrial] = decided(attrgetter("trials"))
    writes.add(TRIAL, [trial for trial in trials if not trial.promised])
    writes.add(PROMISED_TRIAL, [trial for trial in trials if trial.promised])
    writes.add(PAYMENT, decided(attrgetter("payments")))
    writes.add(CHANGED_PAYMENT, changed("changed_payments"))
    writes.add(REVERSAL, decided(attrgetter("reversals")))
    writes.add(REFUND, decided(attrgetter("refunds")))
    notes: list[NewCreditNote] = decided(attrgetter("credit_notes"))
    writes.add(CREDIT_NOTE, notes)
    writes.add(CREDIT_NOTE_LINE, [line for note in notes for line in note.lines])
    writes.add(CHANGED_CREDIT_NOTE, changed("changed_credit_notes"))
    writes.add(NEW_DISCOUNT, decided(attrgetter("new_discounts")))
    writes.add(CHANGED_DISCOUNT, changed("changed_discounts"))
    writes.add(NEW_INVOICE, decided(attrgetter("invoices")))
    drafts: list[NewInvoice] = decided(attrgetter("finalized_drafts"))
    writes.add(FINALIZED_DRAFT, drafts)
    writes.add(DRAFT_LINE, [line for draft in drafts for line in draft.lines])
    writes.add(NEW_PENDING_LINE, decided(new_pending_lines))
    writes.add(NEW_LINE, decided(numbered_lines))
    writes.add(NEW_ALLOCATION, decided(attrgetter("allocations")))
    writes.add(RELEASED_ALLOCATION, decided(attrgetter("released_allocations")))
    writes.add(LEDGER_ENTRY, decided(attrgetter("ledger_entries")))
    writes.add(CHANGED_INVOICE, changed("changed_invoices"))
    changes = [account for account in accounts if account.subscription_changed or account.counted_changes]
    writes.add(CHANGED_SUBSCRIPTION, [account.subscription for account in changes if not account.is_new])
    events = decided(attrgetter("events"))
    writes.add(EVENT, events)
    announce_events(session, events)
    await writes.send(session)
    billed = [account.known_subscription.id for account in accounts if account.held and is_hold_resolved(account)]
    if billed:
        await session.execute(delete(BillingHold).where(BillingHold.subscription_id.in_(billed)))


async def new_movements(session: AsyncSession, accounts: Sequence[Account]) -> list[NewMovement]:
    """Returns the MRR movements for the changes of subscriptions and discounts.

    Reads the latest movements of the customers, unless nothing moves.
    """
    for account in accounts:
        if not account.is_counted:
            count(account, account.events[-1].occurred_at)
    moved = [account for account in accounts if account.counted_changes]
    if not moved:
        return []
    latest = await latest_movements(session, [account.customer.id for account in moved])
    found: list[NewMovement] = []
    for account in moved:
        movements = movements_of(account, latest.get(account.customer.id))
        # The next account may be another subscription of the customer.
        latest[account.customer.id] = movements[-1]
        found += movements
    return found


def is_hold_resolved(account: Account) -> bool:
    """Returns True if something that was due has been done: periods were billed, or the subscription has ended."""
    return bool(account.periods) or not account.known_subscription.is_live


async def store_lines(session: AsyncSession, lines: Sequence[Line]) -> None:
    """Stores the discounts and taxes of lines of a draft."""
    writes = Writes()
    writes.add(DRAFT_LINE, lines)
    await writes.send(session)


async def store_events(session: AsyncSession, events: Sequence[NewEvent]) -> None:
    writes = Writes()
    writes.add(EVENT, events)
    announce_events(session, events)
    await writes.send(session)


async def change_periods(session: AsyncSession, accounts: Sequence[Account]) -> None:
    for account in accounts:
        for change in account.changed_periods:
            subscription = account.known_subscription
            values = {name: value for name, value in asdict(change).items() if name != "ordinal" and value is not None}
            await session.execute(
                update(table_of(BillingPeriod))
                .where(
                    BillingPeriod.subscription_id == subscription.id,
                    BillingPeriod.customer_id == subscription.customer_id,
                    BillingPeriod.ordinal == change.ordinal,
                )
                .values(values)
            )


async def delete_removed_lines(session: AsyncSession, accounts: Sequence[Account]) -> None:
    """Deletes pending lines that are now on an invoice or have been dropped."""
    taken = [line.id for account in accounts for line in account.removed_pending_lines]
    if taken:
        await session.execute(delete(PendingLine).where(PendingLine.id.in_(taken)))


def new_pending_lines(account: Account) -> list[NewPendingLine]:
    return [NewPendingLine(account.known_subscription.id, line) for line in account.new_pending_lines]


def numbered_lines(account: Account) -> list[NumberedLine]:
    return [
        NumberedLine(invoice.id, position, line)
        for invoice in account.invoices
        for position, line in enumerate(invoice.lines, start=1)
    ]
