"""Test clocks: simulated time that changes only when the clock is advanced. Customers created on one use its time."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import EventType, TestClockStatus
from billing.errors import InvalidInput, TestClockAdvancing, TestClockBackwards, TestClockNotFound
from billing.ids import TestClockId, new_id
from billing.limits import MAX_NAME, MAX_YEARS_AHEAD
from billing.validation import optional_text
from db.models import TestClock
from db.models.base import mark_changed
from services.events import record
from services.idempotency import Outcome


async def create_test_clock(
    session: AsyncSession, *, name: str | None = None, frozen_at: datetime | None = None, now: datetime
) -> Outcome:
    """Creates a test clock at `frozen_at`, by default `now`. Raises `InvalidInput`."""
    clock = TestClock(
        id=TestClockId(new_id()),
        name=optional_text(name, "name", MAX_NAME),
        status=TestClockStatus.READY,
        frozen_at=frozen_at or now,
        target_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    require_within_reach(clock.frozen_at, now, "frozen_at")
    session.add(clock)
    await record(session, EventType.TEST_CLOCK_CREATED, clock, at=clock.frozen_at, now=now)
    return Outcome(test_clock_id=clock.id)


async def start_advancing(session: AsyncSession, *, test_clock_id: TestClockId, to: datetime, now: datetime) -> Outcome:
    """Makes a clock ADVANCING. It becomes READY when everything due up to `to` is billed.

    Does nothing if the clock is already advancing to the same time. Raises `TestClockNotFound`, `TestClockAdvancing`,
    `TestClockBackwards`, `InvalidInput`.
    """
    clock = await lock_existing_test_clock(session, test_clock_id)
    if clock.target_at == to:
        return Outcome(test_clock_id=test_clock_id)
    if clock.status is TestClockStatus.ADVANCING:
        raise TestClockAdvancing("This test clock is advancing: wait until it is READY.", "test_clock_id")
    if to <= clock.frozen_at:
        raise TestClockBackwards(f"This test clock is at {clock.frozen_at:%FT%TZ} and can only move forward.")
    require_within_reach(to, now, "to")
    clock.status = TestClockStatus.ADVANCING
    clock.target_at = to
    mark_changed(clock, now)
    await record(session, EventType.TEST_CLOCK_ADVANCING, clock, at=clock.frozen_at, now=now)
    return Outcome(test_clock_id=test_clock_id)


async def stop_test_clock(session: AsyncSession, clock: TestClock, *, now: datetime) -> None:
    """Makes a clock READY at its target."""
    assert clock.target_at is not None, "an advancing clock has a target"
    clock.frozen_at, clock.target_at = clock.target_at, None
    clock.status = TestClockStatus.READY
    mark_changed(clock, now)
    await record(session, EventType.TEST_CLOCK_ADVANCED, clock, at=clock.frozen_at, now=now)


def require_within_reach(at: datetime, now: datetime, field: str) -> None:
    if abs(at - now) > timedelta(days=366 * MAX_YEARS_AHEAD):
        raise InvalidInput(f"The time of a test clock must be within {MAX_YEARS_AHEAD} years of now.", field)


async def read_existing_test_clock(session: AsyncSession, test_clock_id: TestClockId) -> TestClock:
    """Returns the clock. Raises `TestClockNotFound`."""
    return require_found(await session.scalar(select(TestClock).where(TestClock.id == test_clock_id)))


async def lock_existing_test_clock(session: AsyncSession, test_clock_id: TestClockId) -> TestClock:
    """Locks the clock and returns it. Raises `TestClockNotFound`."""
    return require_found(
        await session.scalar(
            select(TestClock)
            .where(TestClock.id == test_clock_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    )


def require_found(clock: TestClock | None) -> TestClock:
    """Returns the clock. Raises `TestClockNotFound` if it is None."""
    if clock is None:
        raise TestClockNotFound("There is no test clock with this id.")
    return clock
