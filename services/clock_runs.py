"""Runs on test clocks: advance a clock and bill everything that is due on the way."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import RunTrigger, TestClockStatus
from billing.ids import TestClockId
from billing.renewals import bill_until
from billing.settling import overdue_cutoff
from db.database import Database
from db.driver.errors import is_unavailable
from db.models import BillingHold, Subscription, TestClock
from db.queries.accounts import due_on, overdue_on
from services.runs import RunRow, RunTask, do_chunk
from services.test_clocks import lock_existing_test_clock, read_existing_test_clock, stop_test_clock

logger = logging.getLogger("billing.runs")

TickPart = Callable[[str], AbstractContextManager[None]]
"""A part of a tick, by its name: what fails in it keeps no other part."""

CLOCK_CHUNK = 50
"""Maximum number of subscriptions per transaction on a test clock. Low, because each may have many periods due."""

CLOCK_SECONDS = 5
"""Approximate time limit for advancing test clocks in one tick."""


async def advance(database: Database, test_clock_id: TestClockId, *, now: datetime, seconds: float) -> bool:
    """Advances a test clock that is ADVANCING, for at most about `seconds`. Returns True if it has reached its target.

    Bills each subscription in chronological order. Subscriptions that were due first come first.
    """
    deadline = time.monotonic() + seconds
    clock = await database.change(lambda session: read_existing_test_clock(session, test_clock_id), repeatable=True)
    if clock.target_at is None:
        return True
    work = clock_task(clock, clock.target_at, now)
    arrived = False
    async with RunRow(database, RunTrigger.TEST_CLOCK, clock.target_at, now) as run:
        while not arrived and time.monotonic() < deadline:
            chunk = await do_chunk(database, work, limit=CLOCK_CHUNK)
            await run.add(chunk)
            if chunk.claimed == 0:
                arrived = await stop_if_arrived(database, clock, work)
                if not arrived:
                    await asyncio.sleep(0.02)
    return arrived


async def try_to_advance(database: Database, test_clock_id: TestClockId, *, now: datetime, seconds: float) -> None:
    """Advances a test clock as `advance` does, but only logs a warning if the database becomes unavailable.

    The request to advance the clock has been stored, so it must not fail. The clock stays ADVANCING until a tick
    finishes it.
    """
    try:
        await advance(database, test_clock_id, now=now, seconds=seconds)
    except Exception as error:
        if not is_unavailable(error):
            raise
        logger.warning("test clock %s is waiting for the database: %s", test_clock_id, error)


def clock_task(clock: TestClock, until: datetime, now: datetime) -> RunTask:
    """Returns the task that bills everything due on a test clock up to `until`."""
    due = or_(due_on(clock.id, until), overdue_on(clock.id, overdue_cutoff(until)))
    return RunTask(due, lambda account: bill_until(account, until), now=now, actor="test clock", renewed=set())


async def stop_if_arrived(database: Database, sent: TestClock, work: RunTask) -> bool:
    """Makes the clock READY if nothing is due any longer before the target of `sent`. Returns True if the target is
    reached.

    Also returns True if the clock's target has changed meanwhile. Subscriptions claimed by other workers still count as
    due.
    """

    async def stand_still(session: AsyncSession) -> bool:
        clock = await lock_existing_test_clock(session, sent.id)
        if clock.target_at != sent.target_at:
            return True
        left = select(Subscription.id).outerjoin(BillingHold, BillingHold.subscription_id == Subscription.id)
        if await session.scalar(select(exists(left.where(*work.conditions())))):
            return False
        await stop_test_clock(session, clock, now=work.now)
        return True

    return await database.change(stand_still, repeatable=True)


async def advance_test_clocks(database: Database, *, now: datetime, part: TickPart) -> None:
    """Advances clocks that are ADVANCING, and retries subscriptions on hold on other clocks, least recently updated
    clock first.

    Takes about `CLOCK_SECONDS` in total. Each clock is a `part` of its own.
    """
    deadline = time.monotonic() + CLOCK_SECONDS
    held = (
        select(Subscription.test_clock_id)
        .join(BillingHold, BillingHold.subscription_id == Subscription.id)
        .where(BillingHold.retry_at <= now)
    )
    to_do = or_(TestClock.status == TestClockStatus.ADVANCING, TestClock.id.in_(held))

    async def with_something_to_do(session: AsyncSession) -> Sequence[TestClock]:
        return (await session.scalars(select(TestClock).where(to_do).order_by(TestClock.updated_at))).all()

    for clock in await database.change(with_something_to_do, repeatable=True):
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            return
        with part(f"test clock {clock.id}"):
            if clock.status is TestClockStatus.ADVANCING:
                await advance(database, clock.id, now=now, seconds=seconds)
            else:
                await do_chunk(database, clock_task(clock, clock.frozen_at, now), limit=CLOCK_CHUNK)
