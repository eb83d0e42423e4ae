"""Billing holds: why a subscription could not be billed, and when to retry."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import AmountTooLarge, BillingError
from billing.ids import SubscriptionId
from billing.limits import MAX_HOLD_REASON
from billing.money import TOO_LARGE, AmountOverflow
from db.database import Database
from db.driver.errors import server_detail, violated_constraint
from db.models import BillingHold, Subscription
from db.models.base import table_of

FIRST_RETRY = timedelta(minutes=1)
"""Delay before the first retry. It doubles with every attempt."""

LAST_RETRY = timedelta(days=1)
"""Maximum delay before a retry."""


def reason_of(error: Exception) -> str:
    """Returns why a subscription cannot be renewed, for the operator. Contains no personal data."""
    match error:
        case BillingError():
            reason = f"{error.code}: {error}"
        case AmountOverflow():
            reason = f"{AmountTooLarge.code}: {TOO_LARGE}"
        case DBAPIError():
            constraint = violated_constraint(error)
            state = server_detail(error, "sqlstate") or "unknown"
            reason = (
                f"The database returned an error: SQLSTATE {state}{f', constraint {constraint}' if constraint else ''}."
            )
        case _:
            reason = f"A bug in the server: {type(error).__name__}. See the server's log."
    return reason[:MAX_HOLD_REASON]


async def hold(
    database: Database, subscription_id: SubscriptionId, reason: str, *, due: ColumnElement[bool], now: datetime
) -> None:
    """Puts a subscription on hold, or updates its hold after another failed attempt.

    Does nothing if another worker has billed the subscription meanwhile.
    """
    holds = table_of(BillingHold)

    async def write_down(session: AsyncSession) -> None:
        still_due = select(Subscription.customer_id).where(Subscription.id == subscription_id, due)
        customer_id = await session.scalar(still_due.with_for_update(key_share=True))
        if customer_id is None:
            return
        statement = insert_or(holds).values(
            subscription_id=subscription_id,
            customer_id=customer_id,
            reason=reason,
            attempts=1,
            since=now,
            retry_at=now + FIRST_RETRY,
        )
        doubled = FIRST_RETRY * func.power(2, func.least(holds.c.attempts, 20))
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=[holds.c.subscription_id, holds.c.customer_id],
                set_={
                    "reason": reason,
                    "attempts": holds.c.attempts + 1,
                    "retry_at": now + func.least(doubled, LAST_RETRY),
                },
            )
        )

    await database.change(write_down)
