"""Fills accounts from the database, locked for change or, for a preview, on plain reads."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.ids import CustomerId, InvoiceLineId, PlanId, SubscriptionId
from billing.periods import Period
from billing.records import (
    BilledLine,
    BillTo,
    CustomerState,
    InvoiceState,
    PlannedLine,
    PlanState,
    SubscriptionState,
    Terms,
    terms_from,
)
from db.access.scope import actor_of
from db.models import Plan
from db.queries.accounts import (
    CUSTOMER_COLUMNS,
    PLAN_COLUMNS,
    SUBSCRIPTION_COLUMNS,
    Plain,
    billed_lines,
    credited_by_line,
    head_by_customer,
    heads_by_subscription,
    plan_columns,
    unpaid_invoices_by_customer,
    waiting_lines_by_subscription,
)

CUSTOMER_END = len(CUSTOMER_COLUMNS)
SUBSCRIPTION_END = CUSTOMER_END + len(SUBSCRIPTION_COLUMNS)
PLAN_END = SUBSCRIPTION_END + len(PLAN_COLUMNS)
PENDING_END = PLAN_END + len(PLAN_COLUMNS)
HAS_UNPAID = PENDING_END + 1


async def read_accounts(session: AsyncSession, ids: Sequence[SubscriptionId]) -> list[Account]:
    """The accounts of the subscriptions, in the order in which they are due.

    To change them, lock their customers before, by a statement of its own: what a statement reads beside the rows that
    it locks is older than they are, where it had to wait. Three statements at most, however many accounts.
    """
    return await filled(session, await heads_by_subscription(session, ids))


async def filled(session: AsyncSession, heads: Sequence[Plain]) -> list[Account]:
    """The accounts with what is unpaid and what waits for the next invoice."""
    accounts = [account_of(head) for head in heads]
    owing: defaultdict[CustomerId, list[Account]] = defaultdict(list)
    for account, head in zip(accounts, heads, strict=True):
        account.actor = actor_of(session)
        if head[HAS_UNPAID]:
            owing[account.customer.id].append(account)
    if owing:
        for row in await unpaid_invoices_by_customer(session, list(owing)):
            for account in owing[row[0]]:
                account.unpaid.append(InvoiceState(*row[1:]))
    by_subscription = {account.subscription.id: account for account in accounts if account.subscription}
    if by_subscription:
        for row in await waiting_lines_by_subscription(session, list(by_subscription)):
            by_subscription[row[0]].waiting.append(PlannedLine(*row[1:]))
    return accounts


async def read_billed_lines(session: AsyncSession, account: Account, after: datetime) -> None:
    """Adds the charges that something may be given back of: those whose span ends later than `after`."""
    subscription = account.known_subscription
    rows = await billed_lines(session, subscription.id, after)
    credited = await credited_by_line(session, [row.id for row in rows]) if rows else {}
    account.billed_lines = [billed_line(row, credited) for row in rows]


def billed_line(row: Plain, credited: dict[InvoiceLineId, int]) -> BilledLine:
    return BilledLine(
        id=row.id,
        invoice_id=row.invoice_id,
        description=row.description,
        plan_id=row.plan_id,
        quantity=row.quantity,
        unit_amount_cents=row.unit_amount_cents,
        amount_cents=row.amount_cents,
        period_ordinal=row.period_ordinal,
        span=Period(row.period_start, row.period_end),
        credited_cents=credited.get(row.id, 0),
    )


async def read_customer(session: AsyncSession, customer_id: CustomerId) -> Account | None:
    """The account of a customer with what is unpaid and the live subscription, if any; None for no customer."""
    head = await head_by_customer(session, customer_id)
    if head is None:
        return None
    [account] = await filled(session, [head])
    return account


def account_of(head: Plain) -> Account:
    customer = customer_state(head)
    if head[CUSTOMER_END] is None:
        return Account(customer)
    subscription = SubscriptionState(*head[CUSTOMER_END:SUBSCRIPTION_END])
    pending_plan, pending_quantity = head[PLAN_END:PENDING_END], subscription.pending_quantity
    return Account(
        customer=customer,
        subscription=subscription,
        terms=terms_from(head[SUBSCRIPTION_END:PLAN_END], subscription.quantity),
        pending_terms=terms_from(pending_plan, pending_quantity) if pending_quantity else None,
        held=head[PENDING_END] is not None,
    )


def customer_state(row: Plain) -> CustomerState:
    columns, addressee = row[: CUSTOMER_END - 4], row[CUSTOMER_END - 4 : CUSTOMER_END]
    return CustomerState(*columns, BillTo(*addressee))  # type: ignore[call-arg]


async def read_plan(session: AsyncSession, plan_id: PlanId) -> PlanState | None:
    row = await plan_columns(session, plan_id)
    return None if row is None else PlanState(*row)


def terms_of(plan: Plan | PlanState, quantity: int) -> Terms:
    """What `quantity` units of a plan cost for each of its intervals."""
    return terms_from([getattr(plan, column) for column in PLAN_COLUMNS], quantity)
