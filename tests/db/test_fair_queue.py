"""The connection pool is fair: connections go to waiting tasks in the order of arrival."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from db.database import Database
from db.driver.errors import Overloaded
from db.settings import DatabaseSettings
from tests.support import PATIENCE_SECONDS


@asynccontextmanager
async def small(url: str, size: int, seconds: float) -> AsyncIterator[Database]:
    database = Database(url, DatabaseSettings(pool_size=size, pool_timeout_seconds=seconds))
    try:
        yield database
    finally:
        await database.close()


async def test_who_comes_later_does_not_take_it(database_url: str) -> None:
    order: list[str] = []

    async with small(database_url, 1, 30) as database:
        taken = await database.engine.raw_connection()

        async def wait(name: str) -> None:
            waited = await database.engine.raw_connection()
            order.append(name)
            waited.close()

        waiting = []
        for name in ("first", "second"):
            waiting.append(asyncio.create_task(wait(name)))
            await asyncio.sleep(0)
        taken.close()
        # The event loop has not run any other task yet.
        await wait("later")
        await asyncio.gather(*waiting)

    assert order == ["first", "second", "later"]


async def test_who_gives_up_takes_none_along(database_url: str) -> None:
    async with small(database_url, 1, 30) as database:
        taken = await database.engine.raw_connection()
        waiting = [asyncio.create_task(database.engine.raw_connection()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        taken.close()
        # This task has been handed the connection but is cancelled before it can run.
        waiting[1].cancel()
        done = await waiting[2]
        given_up = await asyncio.gather(*waiting[:2], return_exceptions=True)
        assert [type(each) for each in given_up] == [asyncio.CancelledError] * 2
        assert database.pools["work"].checkedout() == 1
        done.close()
        assert database.pools["work"].checkedout() == 0


async def test_nobody_waits_longer_than_may_be(database_url: str) -> None:
    async with small(database_url, 1, 0.05) as database:
        taken = await database.engine.raw_connection()
        for _ in range(2):
            with pytest.raises(Overloaded):
                await database.engine.raw_connection()
        taken.close()
        (await database.engine.raw_connection()).close()
        assert database.pools["work"].checkedout() == 0


async def test_a_crowd_comes_to_its_turns_in_order(database_url: str) -> None:
    """With many tasks that request connections repeatedly, each waits for no more others than there are tasks."""
    clients, turns, size = 24, 20, 3
    longest = 0
    passed = 0

    async with small(database_url, size, 30) as database:

        async def come() -> None:
            nonlocal longest, passed
            for _ in range(turns):
                before = passed
                taken = await database.engine.raw_connection()
                longest = max(longest, passed - before)
                passed += 1
                await asyncio.sleep(0)
                taken.close()

        # Opening a connection is no turn: others pass meanwhile.
        for taken in [await database.engine.raw_connection() for _ in range(size)]:
            taken.close()
        await asyncio.gather(*(come() for _ in range(clients)))

    assert passed == clients * turns
    assert longest <= clients


async def test_who_waits_learns_that_no_connection_can_be_made() -> None:
    async with small("postgresql://nobody@127.0.0.1:1/nothing", 3, 2 * PATIENCE_SECONDS) as database:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await asyncio.gather(*(database.engine.raw_connection() for _ in range(40)), return_exceptions=True)

        assert {type(each) for each in found} == {ConnectionRefusedError}
        assert database.pools["work"].checkedout() == 0
