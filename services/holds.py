"""Billing holds: why a subscription was not billed, and when it is tried again."""

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
from db.driver.errors import said_of, violated_constraint
from db.models import BillingHold, Subscription
from db.models.base import table_of

FIRST_RETRY = timedelta(minutes=1)

LAST_RETRY = timedelta(days=1)


def reason_of(error: Exception) -> str:
    """Why a subscription cannot be renewed, for who runs the server. Holds no personal data."""
    match error:
        case BillingError():
            reason = f"{error.code}: {error}"
        case AmountOverflow():
            reason = f"{AmountTooLarge.code}: {TOO_LARGE}"
        case DBAPIError():
            constraint = violated_constraint(error)
            state = said_of(error, "sqlstate") or "unknown"
            reason = f"The database refuses: SQLSTATE {state}{f', constraint {constraint}' if constraint else ''}."
        case _:
            reason = f"A defect of the server: {type(error).__name__}. See its log."
    return reason[:MAX_HOLD_REASON]


async def hold(
    database: Database, subscription_id: SubscriptionId, reason: str, *, due: ColumnElement[bool], now: datetime
) -> None:
    """Writes down why a subscription was not billed, and when it is tried again: later each time, within a day.

    Nothing, where another process has billed it meanwhile.
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
