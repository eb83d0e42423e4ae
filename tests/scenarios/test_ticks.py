"""Background ticks of the server: a part that fails is logged and does not stop the other parts."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.access.transactions import Sessions
from db.database import Database
from services.runs import Report
from services.ticks import Tick, tick, tick_forever
from tests.graph.test_test_clocks import a_clock, send
from tests.support import PATIENCE_SECONDS, Api, TestClock, events_settle

PARTS = {
    "renewals": (
        "ALTER TABLE billing_runs ADD CHECK (trigger <> 'SERVER')",
        "SELECT count(*) = 2 FROM invoices WHERE test_clock_id IS NULL",
    ),
    "test clocks": (
        "ALTER TABLE test_clocks RENAME COLUMN name TO gone",
        "SELECT bool_and(status = 'READY') FROM test_clocks",
    ),
    "repairs": (
        "ALTER TABLE trials RENAME COLUMN started_at TO gone",
        "SELECT bool_or(email_key = 'groß@example.com') FROM customers",
    ),
    "figures": (
        "ALTER TABLE daily_figures ADD CHECK (currency <> 'EUR')",
        "SELECT sum(invoiced_cents) >= 2900 FROM daily_figures",
    ),
    "pruning": (
        "ALTER TABLE idempotency_keys RENAME COLUMN created_at TO gone",
        "SELECT count(*) = 0 FROM idempotency_keys",
    ),
}
"""Parts of a tick: a statement that makes the part fail, and a query that returns true if the part was done."""


async def execute(sessions: Sessions, statement: str) -> None:
    async with sessions.begin() as session:
        await session.execute(text(statement))


async def something_to_do(api: Api, sessions: Sessions, clock: TestClock) -> None:
    """Creates work for each part: a period to bill, a test clock to advance, an `email_key` to repair, and an
    idempotency key to prune.
    """
    await api.a_subscription(await api.a_customer(email="groß@example.com", idempotencyKey="groß"))
    await execute(sessions, "UPDATE customers SET email_key = 'gross@example.com'")
    await send(sessions, await a_clock(api), 40)
    clock.forward(days=30)


@pytest.mark.parametrize("broken", PARTS)
async def test_a_part_that_fails_keeps_no_other(
    api: Api,
    database: Database,
    sessions: Sessions,
    clock: TestClock,
    caplog: pytest.LogCaptureFixture,
    broken: str,
) -> None:
    await something_to_do(api, sessions, clock)
    await events_settle(database)
    breaks, _ = PARTS[broken]
    await execute(sessions, breaks)

    with pytest.raises(DBAPIError):
        await tick(database, now=clock.now)

    assert [record.message for record in caplog.records] == [f"{broken} failed"]
    async with sessions() as session:
        done = {name: await session.scalar(text(said)) for name, (_, said) in PARTS.items() if name != broken}
    assert done == dict.fromkeys(done, True)


async def test_a_test_clock_that_cannot_be_moved_keeps_no_other(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    broken, other = await a_clock(api), await a_clock(api)
    for clock_id in (broken, other):
        await send(sessions, clock_id, 40)
    await execute(sessions, f"ALTER TABLE test_clocks ADD CHECK (id <> '{broken}' OR status <> 'READY') NOT VALID")

    with pytest.raises(DBAPIError):
        await tick(database, now=clock.now)

    assert [record.message for record in caplog.records] == [f"test clock {broken} failed"]
    clocks = await api(
        f'{{ broken: testClock(id: "{broken}") {{ status }} other: testClock(id: "{other}") {{ status }} }}'
    )
    assert clocks == {"broken": {"status": "ADVANCING"}, "other": {"status": "READY"}}


async def test_a_tick_that_failed_is_logged_once_and_told(
    api: Api, database: Database, sessions: Sessions, clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    await something_to_do(api, sessions, clock)
    await execute(sessions, PARTS["repairs"][0])
    ticks: list[Tick] = []
    enough = asyncio.Event()

    def tell(tick: Tick) -> None:
        ticks.append(tick)
        enough.set()

    ticking = asyncio.create_task(tick_forever(database, clock, every_seconds=PATIENCE_SECONDS, on_tick=tell))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await enough.wait()
    ticking.cancel()

    assert ticks == [Tick(Report(renewed=1, invoices=1, past_due=1), failed=True)]
    assert [record.message for record in caplog.records] == ["repairs failed"]
