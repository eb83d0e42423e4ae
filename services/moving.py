"""Moving dates of subscriptions: the end of a trial and of the current period."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import SubscriptionId
from billing.moving import TrialRequest, extend_period, update_trial
from services.accounts.open import open_subscription, require_caught_up
from services.accounts.write import store
from services.idempotency import Outcome


async def update_subscription_trial(
    session: AsyncSession, request: TrialRequest, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Moves the end of a trial, or ends it now and bills the first full period.

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
