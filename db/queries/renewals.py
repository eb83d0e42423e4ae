"""Metrics of subscriptions that wait to be billed."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import BillingHold, Subscription


async def waiting_renewals(session: AsyncSession) -> tuple[int, datetime | None]:
    """Returns the number of subscriptions on hold, and the earliest `next_billing_at` of all others.

    Ignores subscriptions on test clocks. Reads little more than the holds, so it is cheap.
    """
    on_hold = BillingHold.subscription_id == Subscription.id
    holds = (
        select(func.count())
        .select_from(BillingHold)
        .join(Subscription, on_hold)
        .where(Subscription.test_clock_id.is_(None))
        .scalar_subquery()
    )
    first = (
        select(Subscription.next_billing_at)
        .where(
            Subscription.next_billing_at.is_not(None),
            Subscription.test_clock_id.is_(None),
            ~select(BillingHold).where(on_hold).exists(),
        )
        .order_by(Subscription.next_billing_at)
        .limit(1)
        .scalar_subquery()
    )
    count, due_at = (await session.execute(select(holds, first))).one()
    return count, due_at
