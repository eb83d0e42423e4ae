"""The current time of a customer: wall-clock time, or the time of a test clock."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.enums import TestClockStatus
from billing.errors import TestClockAdvancing
from billing.ids import TestClockId
from db.models import TestClock


async def customer_time(session: AsyncSession, account: Account, now: datetime, *, lock: bool) -> datetime:
    """Returns the current time of the customer, and sets the account's `recorded_at` to `now`.

    Never earlier than the last change of customer or subscription, even if the system clock was set back. Raises
    `TestClockAdvancing`.
    """
    test_clock_id = account.customer.test_clock_id
    at = now if test_clock_id is None else await clock_time(session, test_clock_id, lock=lock)
    account.recorded_at = now
    changes = [account.customer.updated_at]
    if account.subscription is not None:
        changes.append(account.subscription.updated_at)
    return max(at, *changes)


async def clock_time(session: AsyncSession, test_clock_id: TestClockId, *, lock: bool = True) -> datetime:
    """Returns the time of a test clock. With `lock`, the clock cannot be advanced until the transaction ends.

    Raises `TestClockAdvancing`.
    """
    statement = select(TestClock.frozen_at, TestClock.status).where(TestClock.id == test_clock_id)
    if lock:
        statement = statement.with_for_update(read=True)
    frozen_at, status = (await session.execute(statement)).one()
    if status is TestClockStatus.ADVANCING:
        raise TestClockAdvancing("The customer's test clock is advancing: wait until it is READY.")
    return frozen_at
