"""Opening a customer's account for an operation: locked, at the customer's current time, with due periods billed."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.errors import CustomerNotFound, RenewalDue, SubscriptionCanceled, SubscriptionNotFound
from billing.ids import CustomerId, SubscriptionId
from billing.limits import MAX_PERIODS_AT_ONCE
from billing.money import rejecting_overflow
from billing.renewals import is_cancellation_due, is_due, renew
from db.models import Subscription
from db.queries.locks import lock_customer
from services.accounts.clock import customer_time
from services.accounts.read import read_accounts, read_customer
from services.accounts.write import store


async def open_customer(
    session: AsyncSession, customer_id: CustomerId, *, now: datetime, lock: bool = True
) -> tuple[Account, datetime]:
    """Returns the account of a customer with its live subscription, if any, and the customer's current time.

    A subscription whose scheduled cancellation is due is ended first, and is then not part of the account, unless more
    than `MAX_PERIODS_AT_ONCE` periods before it are not billed yet. `lock=False`
    is for previews: it locks and stores nothing. Raises `CustomerNotFound`, `AmountTooLarge`, `TestClockAdvancing`.
    """
    if lock:
        await lock_customer(session, customer_id)
    account = await read_customer(session, customer_id)
    if account is None:
        raise CustomerNotFound("There is no customer with this id.")
    at = await customer_time(session, account, now, lock=lock)
    subscription = account.subscription
    if subscription is None or account.held or not is_end_due(account, at):
        return account, at
    bill_due_periods(account, at)
    if lock:
        await store(session, [account])
    if subscription.is_live:
        behind = await read_customer(session, customer_id) if lock else account
        assert behind is not None, "it was read before"
        behind.recorded_at = now
        return behind, at
    rest = Account(
        account.customer,
        unpaid=account.unpaid,
        actor=account.actor,
        recorded_at=account.recorded_at,
        tax_rules=account.tax_rules,
        discounts=[each for each in account.discounts if each.subscription_id is None],
    )
    rest.not_stored = None if lock else account
    return rest, at


def bill_due_periods(account: Account, at: datetime) -> None:
    """Bills periods that are due, at most `MAX_PERIODS_AT_ONCE`. Raises `AmountTooLarge`."""
    with rejecting_overflow():
        renew(account, at, most=MAX_PERIODS_AT_ONCE)


def is_end_due(account: Account, at: datetime) -> bool:
    """Returns True if the end of the period or the given time, at which the subscription is set to cancel, has come."""
    subscription = account.known_subscription
    ends_with_period = subscription.cancel_at_period_end and is_due(account, at)
    return ends_with_period or is_cancellation_due(subscription, at)


async def open_subscription(
    session: AsyncSession, subscription_id: SubscriptionId, *, now: datetime, lock: bool = True
) -> tuple[Account, datetime]:
    """Returns the account of a live subscription, with due periods billed, and the customer's current time.

    Bills nothing if there is a billing hold, and at most `MAX_PERIODS_AT_ONCE` periods. Stores nothing: the caller
    does. `lock=False` is for previews. Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `AmountTooLarge`,
    `TestClockAdvancing`.
    """
    account, at = await read_subscription(session, subscription_id, now=now, lock=lock)
    subscription = account.known_subscription
    if subscription.is_live and not account.held:
        bill_due_periods(account, at)
    if not subscription.is_live:
        raise SubscriptionCanceled("This subscription has ended: CANCELED is final.")
    return account, at


async def read_subscription(
    session: AsyncSession, subscription_id: SubscriptionId, *, now: datetime, lock: bool = True
) -> tuple[Account, datetime]:
    """Returns the account of a subscription in any status, and the customer's current time. Bills nothing.

    Raises `SubscriptionNotFound`, `TestClockAdvancing`.
    """
    customer_id = await session.scalar(select(Subscription.customer_id).where(Subscription.id == subscription_id))
    if customer_id is None:
        raise SubscriptionNotFound("There is no subscription with this id.")
    if lock:
        await lock_customer(session, customer_id)
    [account] = await read_accounts(session, [subscription_id])
    at = await customer_time(session, account, now, lock=lock)
    return account, at


def require_caught_up(account: Account, at: datetime) -> None:
    """Raises `RenewalDue` if periods are due that `open_subscription` did not bill: too many, or on hold."""
    if is_due(account, at):
        raise RenewalDue("This subscription has periods that are not billed yet: see its billingHold, or try again.")
