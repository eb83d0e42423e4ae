"""Test clocks: a time that stands still until it is moved forward. Customers created on one live in its time."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import InvalidInput, TestClockAdvancing, TestClockBackwards, TestClockNotFound
from billing.ids import TestClockId, new_id
from billing.validation import optional_text
from billing.words import EventType, TestClockStatus
from db.models import TestClock
from db.models.base import changed
from services.events import record
from services.idempotency import Outcome

MAX_NAME = 255
MAX_YEARS_AHEAD = 100


async def create_test_clock(
    session: AsyncSession, *, name: str | None = None, frozen_at: datetime | None = None, now: datetime
) -> Outcome:
    """Stores a clock that stands at `frozen_at`, by default at `now`. Raises `InvalidInput`."""
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
    """Sends a clock on its way: it is ADVANCING until all that is due on the way is billed.

    One that is on its way to that very instant just goes on. Raises `TestClockNotFound`, `TestClockAdvancing`,
    `TestClockBackwards`, `InvalidInput`.
    """
    clock = await existing_test_clock(session, test_clock_id, lock=True)
    if clock.target_at == to:
        return Outcome(test_clock_id=test_clock_id)
    if clock.status is TestClockStatus.ADVANCING:
        raise TestClockAdvancing("This test clock is advancing: wait until it is READY.", "test_clock_id")
    if to <= clock.frozen_at:
        raise TestClockBackwards(f"This test clock stands at {clock.frozen_at:%FT%TZ}, and goes forward only.")
    require_within_reach(to, now, "to")
    clock.status = TestClockStatus.ADVANCING
    clock.target_at = to
    changed(clock, now)
    await record(session, EventType.TEST_CLOCK_ADVANCING, clock, at=clock.frozen_at, now=now)
    return Outcome(test_clock_id=test_clock_id)


async def stop_test_clock(session: AsyncSession, clock: TestClock, *, now: datetime) -> None:
    """Lets a clock stand still that has arrived."""
    assert clock.target_at is not None, "what has arrived was on its way"
    clock.frozen_at, clock.target_at = clock.target_at, None
    clock.status = TestClockStatus.READY
    changed(clock, now)
    await record(session, EventType.TEST_CLOCK_ADVANCED, clock, at=clock.frozen_at, now=now)


def require_within_reach(at: datetime, now: datetime, field: str) -> None:
    if abs(at - now) > timedelta(days=366 * MAX_YEARS_AHEAD):
        raise InvalidInput(f"A test clock must stand within {MAX_YEARS_AHEAD} years of now.", field)


async def existing_test_clock(session: AsyncSession, test_clock_id: TestClockId, *, lock: bool = False) -> TestClock:
    """The clock. Raises `TestClockNotFound`."""
    statement = select(TestClock).where(TestClock.id == test_clock_id)
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    clock = await session.scalar(statement)
    if clock is None:
        raise TestClockNotFound("There is no test clock with this id.")
    return clock
