"""What time it is for a customer."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.errors import TestClockAdvancing
from billing.ids import TestClockId
from billing.words import TestClockStatus
from db.models import TestClock


async def customer_time(session: AsyncSession, account: Account, now: datetime, *, lock: bool) -> datetime:
    """What time it is for the customer; never earlier than the last change, should the clock have been set back."""
    test_clock_id = account.customer.test_clock_id
    at = now if test_clock_id is None else await clock_time(session, test_clock_id, lock=lock)
    account.recorded_at = now
    changes = [account.customer.updated_at]
    if account.subscription is not None:
        changes.append(account.subscription.updated_at)
    return max(at, *changes)


async def clock_time(session: AsyncSession, test_clock_id: TestClockId, *, lock: bool = True) -> datetime:
    """The time of a test clock that stands still, and does so until the transaction ends, if it is locked.

    Raises `TestClockAdvancing`.
    """
    statement = select(TestClock.frozen_at, TestClock.status).where(TestClock.id == test_clock_id)
    if lock:
        statement = statement.with_for_update(read=True)
    frozen_at, status = (await session.execute(statement)).one()
    if status is TestClockStatus.ADVANCING:
        raise TestClockAdvancing("The customer's test clock is advancing: wait until it is READY.")
    return frozen_at
