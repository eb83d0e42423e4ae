"""Updating subscriptions: the metadata, the start, and the end of the trial or of the current period."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.enums import EventType
from billing.ids import SubscriptionId
from billing.moving import TrialRequest, extend_period, move_start, start_if_due, update_trial
from billing.validation import UNCHANGED, Unchanged, valid_metadata
from db.models import Subscription
from db.models.base import table_of
from services.accounts.open import open_subscription, read_subscription, require_caught_up
from services.accounts.write import store
from services.idempotency import Outcome


async def update_subscription(
    session: AsyncSession,
    *,
    subscription_id: SubscriptionId,
    start_at: datetime | None = None,
    metadata: Mapping[str, str] | None | Unchanged = UNCHANGED,
    now: datetime,
) -> Outcome:
    """Moves the start of a PENDING subscription, and replaces the metadata of one in any status.

    A start that has come starts the subscription, which bills its trial or first period. Raises `SubscriptionNotFound`,
    `SubscriptionCanceled` and `RenewalDue` (both for a `start_at`), `SubscriptionStarted`, `StartInThePast`,
    `InvalidInput`, `AmountTooLarge`, `TestClockAdvancing`.
    """
    pairs = UNCHANGED if metadata is UNCHANGED else valid_metadata(metadata)
    if start_at is None:
        account, at = await read_subscription(session, subscription_id, now=now)
    else:
        account, at = await open_subscription(session, subscription_id, now=now)
        require_caught_up(account, at)
        move_start(account, start_at, at)
    subscription = account.known_subscription
    also = [] if pairs is UNCHANGED else await replace_metadata(session, account, pairs)
    if also or subscription.has_changed:
        account.record_change(EventType.SUBSCRIPTION_UPDATED, subscription, at, also)
    invoice = start_if_due(account, at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id, invoice_id=invoice.id if invoice else None)


async def replace_metadata(session: AsyncSession, account: Account, pairs: dict[str, str]) -> list[str]:
    """Replaces the metadata of a subscription. Returns the changed columns: none if the metadata is the same."""
    subscriptions, subscription = table_of(Subscription), account.known_subscription
    theirs = (
        subscriptions.c.id == subscription.id,
        subscriptions.c.customer_id == subscription.customer_id,
        subscriptions.c.metadata != pairs,
    )
    done = await session.execute(
        update(subscriptions).where(*theirs).values(metadata=pairs).returning(subscriptions.c.id)
    )
    return ["metadata"] if done.all() else []


async def update_subscription_trial(
    session: AsyncSession, request: TrialRequest, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Moves the end of a trial, or ends it now and bills the first billing period.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `RenewalDue`, `TestClockAdvancing` and the errors of
    `update_trial`.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    require_caught_up(account, at)
    invoice = update_trial(account, request, at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id, invoice_id=invoice.id if invoice else None)


async def extend_subscription_period(
    session: AsyncSession, until: datetime, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Extends the current period without a charge.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `RenewalDue`, `TestClockAdvancing` and the errors of
    `extend_period`.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    require_caught_up(account, at)
    extend_period(account, until, at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id)
