"""What waits to be billed."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import BillingHold, Subscription


async def waiting_renewals(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many subscriptions are on hold, and when of all others the first is due; those on test clocks left out.

    One statement, which reads the holds, and of the subscriptions little more than those.
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
