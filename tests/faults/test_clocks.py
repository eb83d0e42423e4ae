"""Calendars and clocks: ends of months, leap days, the end of the year, and a machine clock that is set back and
forward by an hour.

Each period is billed once, and the periods of a subscription follow each other without gaps. Expected values are
counted by hand or in seconds, not with the server's own arithmetic.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from db.database import Database
from graph.server.app import create_app
from services.ticks import Tick, tick, tick_forever
from tests.races.fingerprints import assert_sound
from tests.support import NOW, PATIENCE_SECONDS, Api, TestClock

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

PERIODS = "SELECT starts_at, ends_at FROM billing_periods WHERE subscription_id = :id ORDER BY ordinal"
BILLED = """
    SELECT invoices.period_start, invoices.period_end, line.period_start, line.period_end, line.amount_cents
    FROM invoices JOIN invoice_lines line ON line.invoice_id = invoices.id
    WHERE subscription_id = :id ORDER BY invoices.period_ordinal
"""
INVOICES = "SELECT count(*) FROM invoices WHERE subscription_id = :id"


def at(day: str, time: str = "00:00:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{time}+00:00").astimezone(UTC)


CALENDARS: list[tuple[str, int, str, list[str]]] = [
    (
        "MONTH",
        1,
        "12:00:00",
        [
            *("2023-01-31", "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31", "2023-06-30", "2023-07-31"),
            *("2023-08-31", "2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29"),
            *("2024-03-31", "2024-04-30"),
        ],
    ),
    (
        "MONTH",
        1,
        "00:00:00",
        [
            *("2024-02-29", "2024-03-29", "2024-04-29", "2024-05-29", "2024-06-29", "2024-07-29", "2024-08-29"),
            *("2024-09-29", "2024-10-29", "2024-11-29", "2024-12-29", "2025-01-29", "2025-02-28", "2025-03-29"),
        ],
    ),
    (
        "YEAR",
        1,
        "23:59:59",
        ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28", "2030-02-28"],
    ),
    ("MONTH", 12, "06:30:00", ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
    ("MONTH", 3, "00:00:00", ["2023-11-30", "2024-02-29", "2024-05-30", "2024-08-30", "2024-11-30", "2025-02-28"]),
    ("MONTH", 1, "23:59:59", ["2024-12-31", "2025-01-31", "2025-02-28", "2025-03-31"]),
    ("YEAR", 1, "23:59:59", ["2023-12-31", "2024-12-31", "2025-12-31"]),
    ("DAY", 1, "23:59:59", ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01"]),
    ("WEEK", 1, "00:00:00", ["2024-12-25", "2025-01-01", "2025-01-08"]),
]


@pytest.mark.parametrize(("interval", "count", "time", "days"), CALENDARS)
async def test_each_period_begins_on_its_day(
    api: Api, database: Database, clock: TestClock, interval: str, count: int, time: str, days: list[str]
) -> None:
    boundaries = [at(day, time) for day in days]
    clock.now = boundaries[0]
    plan = await api.a_plan(interval=interval, intervalCount=count)
    subscription = await api.a_subscription(plan_id=plan)

    for number, boundary in enumerate(boundaries[1:-1], start=1):
        for now, invoices in ((boundary - SECOND, number), (boundary, number + 1), (boundary + SECOND, number + 1)):
            clock.now = now
            await tick(database, now=clock())
            assert await scalar(database, INVOICES, subscription) == invoices, now

    await assert_billed_once(database, subscription, boundaries)
    await assert_sound(database)


async def test_missed_periods_are_caught_up_over_a_leap_day(api: Api, database: Database, clock: TestClock) -> None:
    _, _, time, days = CALENDARS[0]
    clock.now = at(days[0], time)
    subscription = await api.a_subscription(plan_id=await api.a_plan(interval="MONTH", intervalCount=1))

    clock.now = at(days[-2], time)
    # One run catches up on at most a year.
    for _ in range(2):
        await tick(database, now=clock())

    await assert_billed_once(database, subscription, [at(day, time) for day in days])
    await assert_sound(database)


async def test_the_clock_is_set_back_and_forward_between_requests_and_runs(
    api: Api, database: Database, clock: TestClock
) -> None:
    plan = await api.a_plan(interval="DAY", intervalCount=1)
    customers = [await api.a_customer() for _ in range(3)]
    before = await api.a_subscription(customers[0], plan)

    clock.now = NOW - HOUR
    after = await api.a_subscription(customers[1], plan)
    newcomer = await api.a_subscription(plan_id=plan)
    clock.now = NOW + HOUR
    ahead = await api.a_subscription(customers[2], plan)
    # Existing customers do not get a start before the time they were created.
    anchors = {before: NOW, after: NOW, newcomer: NOW - HOUR, ahead: NOW + HOUR}

    for days in range(1, 5):
        for hours in (0.5, -0.5, 0.5, -0.5, 1.5, 0.5, 1.5):
            clock.now = NOW + days * DAY + hours * HOUR
            await tick(database, now=clock())
            await rename(api, customers[0])
        for subscription, anchor in anchors.items():
            await assert_billed_once(database, subscription, days_from(anchor, days + 1))

    clock.now -= HOUR
    await api.mutate("cancelSubscription", "subscription { id }", id=before, atPeriodEnd=True)
    clock.now = NOW + 5 * DAY + HOUR
    for _ in range(2):
        await tick(database, now=clock())
        clock.now -= HOUR
    await assert_billed_once(database, before, days_from(NOW, 5))
    await assert_sound(database)


@dataclass
class JumpingClock:
    """A clock that jumps back by an hour with every odd jump, and forward with every even one."""

    now: datetime
    jumps: int = 0

    def __call__(self) -> datetime:
        return self.now - self.jumps % 2 * HOUR

    def jump(self, *_: Any) -> None:
        self.jumps += 1


async def test_the_clock_jumps_between_any_two_transactions(database: Database) -> None:
    clock = JumpingClock(NOW)
    event.listen(database.engine.sync_engine, "commit", clock.jump)
    transport = httpx.ASGITransport(create_app(database, clock=clock))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        api = Api(client)
        plan = await api.a_plan(interval="DAY", intervalCount=1)
        customers = [await api.a_customer() for _ in range(12)]
        subscriptions = [await api.a_subscription(customer, plan) for customer in customers]
        anchors = [await anchor_of(database, subscription) for subscription in subscriptions]
        assert set(anchors) <= {NOW, NOW - HOUR}

        for days in range(1, 4):
            # On both sides of each boundary.
            for minutes in (-30, 30, 90):
                clock.now = NOW + days * DAY + timedelta(minutes=minutes)
                began = clock.jumps
                await asyncio.gather(*(renew(database, clock) for _ in range(3)), rename(api, *customers))
                assert clock.jumps > began + 10
            # By now both readings of the clock are past the boundary.
            await renew(database, clock)

    for subscription, anchor in zip(subscriptions, anchors, strict=True):
        await assert_billed_once(database, subscription, days_from(anchor, 4))
    await assert_sound(database)


async def test_two_servers_renew_and_the_clock_of_one_jumps(api: Api, database: Database, clock: TestClock) -> None:
    plan = await api.a_plan(interval="DAY", intervalCount=1)
    subscriptions = [await api.a_subscription(plan_id=plan) for _ in range(20)]
    clock.now = NOW + DAY - HOUR / 2
    jumping = JumpingClock(clock.now + HOUR)
    ticks: list[Tick] = []
    enough = asyncio.Event()

    def on_tick(tick: Tick) -> None:
        ticks.append(tick)
        jumping.jump()
        if jumping.jumps == 6:
            clock.now, jumping.now = clock.now + DAY, jumping.now + DAY
        if jumping.jumps == 12:
            enough.set()

    async with asyncio.timeout(PATIENCE_SECONDS):
        loops = [
            asyncio.create_task(tick_forever(database, clock, every_seconds=0.01, on_tick=ticks.append)),
            asyncio.create_task(tick_forever(database, jumping, every_seconds=0.01, on_tick=on_tick)),
        ]
        await enough.wait()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    assert not any(tick.failed for tick in ticks)
    assert sum(tick.report.invoices for tick in ticks) == 2 * len(subscriptions)
    for subscription in subscriptions:
        await assert_billed_once(database, subscription, days_from(NOW, 3))
    await assert_sound(database)


def days_from(anchor: datetime, periods: int) -> list[datetime]:
    """Returns the boundaries of `periods` consecutive periods of one day."""
    return [anchor + timedelta(seconds=86_400 * number) for number in range(periods + 1)]


async def renew(database: Database, clock: JumpingClock) -> None:
    """Runs renewals with one transaction per subscription."""
    await tick(database, now=clock(), chunk_size=1)


async def rename(api: Api, *customers: str) -> None:
    for customer in customers:
        payload = await api.mutate("updateCustomer", "customer { id }", id=customer, name="Grace Hopper")
        assert payload["userErrors"] == []


async def assert_billed_once(database: Database, subscription: str, boundaries: list[datetime]) -> None:
    """Asserts that the subscription's periods have these boundaries and one invoice with one line each."""
    expected = list(pairwise(boundaries))
    async with database.sessions() as session:
        periods = (await session.execute(text(PERIODS), {"id": subscription})).all()
        billed = (await session.execute(text(BILLED), {"id": subscription})).all()
    assert [tuple(row) for row in periods] == expected
    assert [tuple(row) for row in billed] == [(*period, *period, 2900) for period in expected]
    assert await scalar(database, INVOICES, subscription) == len(boundaries) - 1


async def anchor_of(database: Database, subscription: str) -> Any:
    return await scalar(database, "SELECT started_at FROM subscriptions WHERE id = :id", subscription)


async def scalar(database: Database, statement: str, subscription: str) -> Any:
    async with database.sessions() as session:
        return await session.scalar(text(statement), {"id": subscription})
