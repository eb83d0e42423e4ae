"""Runs on test clocks: moving a clock, and billing what is due on the way."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import TestClockId
from billing.invoicing import overdue_cutoff
from billing.renewals import bill_until
from billing.words import RunTrigger, TestClockStatus
from db.database import Database
from db.driver.errors import is_unavailable
from db.models import BillingHold, Subscription, TestClock
from db.queries.accounts import due_on, overdue_on
from services.runs import RunRow, RunTask, do_chunk
from services.test_clocks import lock_existing_test_clock, read_existing_test_clock, stop_test_clock

logger = logging.getLogger("billing.runs")

CLOCK_CHUNK = 50
"""As `CHUNK`, on a test clock, where each of them may live through a year at once."""

CLOCK_SECONDS = 5
"""So long the renewals of the world wait for test clocks, more or less."""


async def advance(database: Database, test_clock_id: TestClockId, *, now: datetime, seconds: float) -> bool:
    """Moves a test clock that is ADVANCING on its way, for so many seconds at most. Says whether it has arrived.

    Each customer lives through everything that is due on the way in the order of time; the chunks begin with those that
    are behind most.
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
    """Advances a test clock as far as the database lets it. A clock that is not there yet stays ADVANCING.

    Who has sent the clock is told what is stored: that the database is unavailable on the way is no refusal.
    """
    try:
        await advance(database, test_clock_id, now=now, seconds=seconds)
    except Exception as error:
        if not is_unavailable(error):
            raise
        logger.warning("test clock %s waits for the database: %s", test_clock_id, error)


def clock_task(clock: TestClock, until: datetime, now: datetime) -> RunTask:
    """What there is to live through on a test clock until an instant."""
    due = or_(due_on(clock.id, until), overdue_on(clock.id, overdue_cutoff(until)))
    return RunTask(due, lambda account: bill_until(account, until), now=now, actor="test clock")


async def stop_if_arrived(database: Database, sent: TestClock, work: RunTask) -> bool:
    """Lets the clock stand still if nothing is due any more on the way it was `sent`.

    What another process has claimed still is due. A clock that has arrived and was sent on meanwhile is left alone.
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


async def advance_test_clocks(database: Database, *, now: datetime) -> None:
    """Moves clocks on that are on their way, those that wait longest first, and tries again what is on hold on others.

    Takes `CLOCK_SECONDS` in all, more or less.
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
        if clock.status is TestClockStatus.ADVANCING:
            await advance(database, clock.id, now=now, seconds=seconds)
        else:
            await do_chunk(database, clock_task(clock, clock.frozen_at, now), limit=CLOCK_CHUNK)
