"""Loads accounts from the database. Locks nothing: callers that change the accounts lock the customers first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.discounts import DiscountState
from billing.enums import Settlement
from billing.ids import CustomerId, SubscriptionId
from billing.mrr import count_as_stored
from db.access.scope import actor_of
from db.queries.accounts import Head, head_by_customer, heads_by_subscription, unpaid_invoices_by_customer
from db.queries.discounts import discounts_in_force
from db.queries.lines import (
    billed_lines,
    billed_lines_of_subscriptions,
    credited_by_line,
    pending_lines_by_subscriptions,
)
from db.queries.tax_rules import tax_rules


async def read_accounts(session: AsyncSession, ids: Sequence[SubscriptionId]) -> list[Account]:
    """Returns the accounts of the subscriptions, in the order in which they are due.

    Sends at most three statements, one more if a seller is configured, one more if there are discounts, and two more if
    one of the subscriptions ends at a given time with a credit.

    Callers that change the accounts must lock the customers in an earlier statement. A statement that waits for a lock
    can return rows of other tables as they were before the wait.
    """
    return await fill_accounts(session, await heads_by_subscription(session, ids))


async def fill_accounts(session: AsyncSession, heads: Sequence[Head]) -> list[Account]:
    """Returns the accounts with their unpaid invoices and pending lines."""
    accounts = [account_of(head) for head in heads]
    owing: defaultdict[CustomerId, list[Account]] = defaultdict(list)
    for account, head in zip(accounts, heads, strict=True):
        account.actor = actor_of(session)
        if head.has_unpaid:
            owing[account.customer.id].append(account)
    if owing:
        for invoice in await unpaid_invoices_by_customer(session, list(owing)):
            theirs = owing[invoice.customer_id]
            for account in theirs:
                account.unpaid.append(invoice if len(theirs) == 1 else replace(invoice))
    discounted = [account for account, head in zip(accounts, heads, strict=True) if head.has_discounts]
    await read_discounts(session, discounted)
    await read_tax_rules(session, accounts)
    by_subscription = {account.subscription.id: account for account in accounts if account.subscription}
    if by_subscription:
        for waiting in await pending_lines_by_subscriptions(session, list(by_subscription)):
            by_subscription[waiting.subscription_id].pending_lines.append(waiting.line)
    await read_lines_to_credit(session, by_subscription)
    for account in by_subscription.values():
        count_as_stored(account)
    return accounts


async def read_discounts(session: AsyncSession, accounts: Sequence[Account]) -> None:
    """Loads the discounts of the accounts' customers and subscriptions."""
    if not accounts:
        return
    found: defaultdict[CustomerId, list[DiscountState]] = defaultdict(list)
    customer_ids = list({account.customer.id for account in accounts})
    subscription_ids = [account.subscription.id for account in accounts if account.subscription]
    for discount in await discounts_in_force(session, customer_ids, subscription_ids):
        found[discount.customer_id].append(discount)
    several = len(accounts) > len(customer_ids)
    for account in accounts:
        mine = (None, account.subscription and account.subscription.id)
        theirs = found[account.customer.id]
        account.discounts = [replace(each) if several else each for each in theirs if each.subscription_id in mine]


async def read_tax_rules(session: AsyncSession, accounts: Sequence[Account]) -> None:
    """Loads what decides taxes, for all accounts at once, if a seller is configured."""
    seller_id = next((account.customer.seller_id for account in accounts if account.customer.seller_id), None)
    if seller_id is not None:
        rules = await tax_rules(session, seller_id)
        for account in accounts:
            account.tax_rules = rules


async def read_lines_to_credit(session: AsyncSession, accounts: Mapping[SubscriptionId, Account]) -> None:
    """Loads the charges of subscriptions that will be credited when they end at a given time."""
    ends = {
        id_: account.subscription.cancel_at
        for id_, account in accounts.items()
        if account.subscription and account.subscription.is_live
        if account.subscription.cancel_settlement is Settlement.CREDIT and account.subscription.cancel_at
    }
    if not ends:
        return
    found = await billed_lines_of_subscriptions(session, list(ends), min(ends.values()))
    credited = await credited_by_line(session, [line.id for _, line in found])
    for id_, line in found:
        line.credited_cents = credited.get(line.id, 0)
        accounts[id_].billed_lines.append(line)


async def read_billed_lines(session: AsyncSession, account: Account, after: datetime) -> None:
    """Loads the charges that can be credited: those whose period ends later than `after`."""
    subscription = account.known_subscription
    account.billed_lines = await billed_lines(session, subscription.id, after)
    if account.billed_lines:
        credited = await credited_by_line(session, [line.id for line in account.billed_lines])
        for line in account.billed_lines:
            line.credited_cents = credited.get(line.id, 0)


async def read_customer(session: AsyncSession, customer_id: CustomerId) -> Account | None:
    """Returns the account of a customer with its live subscription, if any, or None if there is no such customer."""
    head = await head_by_customer(session, customer_id)
    if head is None:
        return None
    [account] = await fill_accounts(session, [head])
    return account


def account_of(head: Head) -> Account:
    subscription, pending = head.subscription, head.pending_plan
    if subscription is None:
        return Account(head.customer)
    assert head.plan is not None, "a subscription's plan is never deleted"
    return Account(
        customer=head.customer,
        subscription=subscription,
        terms=head.plan.terms(subscription.quantity),
        pending_terms=pending.terms(subscription.pending_quantity)
        if pending and subscription.pending_quantity
        else None,
        held=head.hold_attempts is not None,
    )
