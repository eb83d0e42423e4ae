"""Transactions: whatever was reported as stored is stored, even if the task is cancelled or the connection is lost."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import func, select, text

from db.database import Database
from db.driver.errors import is_unavailable
from db.models import Customer
from tests.faults.database.proxy import Proxy
from tests.support import PATIENCE_SECONDS, a_customer, stored

TURNS = [*range(40), *range(40, 400, 9)]


@pytest.fixture
async def single(database_url: str) -> AsyncIterator[Database]:
    """Database with a single connection, so that transactions reuse it one after the other."""
    database = Database(database_url, pool_size=1)
    yield database
    await database.close()


async def is_stored(database: Database, customer: Customer) -> bool:
    async with database.sessions() as session:
        return bool(await session.scalar(select(func.count()).where(Customer.id == customer.id)))


@pytest.mark.parametrize("times", [1, 2])
async def test_a_transaction_that_is_cancelled_at_any_moment_does_no_harm(single: Database, times: int) -> None:
    for turns in TURNS:
        one, other, next_one = a_customer(), a_customer(), a_customer()

        async def store_both(one: Customer = one, other: Customer = other) -> None:
            async with single.sessions.begin() as session:
                session.add(one)
                await session.flush()
                session.add(other)

        task = asyncio.create_task(store_both())
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        [ended] = await asyncio.gather(task, return_exceptions=True)

        await stored(single.sessions, next_one)
        found = [await is_stored(single, each) for each in (one, other, next_one)]
        assert found in ([True, True, True], [False, False, True]), turns
        assert found[0] or ended is not None, "what was said to be stored is"


async def test_a_begin_that_is_refused_leaves_nothing_behind(database_url: str) -> None:
    async with Proxy(database_url) as proxy:
        single = Database(proxy.url, pool_size=1)
        async with single.sessions() as session:
            first = await session.scalar(text("SELECT pg_backend_pid()"))
        proxy.cancel_begin = True
        with pytest.raises(asyncpg.QueryCanceledError):
            await stored(single.sessions, a_customer())

        kept = await stored(single.sessions, a_customer())
        assert await is_stored(single, kept)
        async with single.sessions() as session:
            assert await session.scalar(text("SELECT pg_backend_pid()")) != first
        await single.close()


async def test_a_server_that_drops_connections_at_their_first_word_is_unavailable() -> None:
    made = 0

    async def drop(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal made
        made += 1
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        async with await asyncio.start_unix_server(drop, Path(folder) / ".s.PGSQL.5432"):
            unable = Database(f"postgresql://billing@/billing?host={folder}&port=5432")
            with pytest.raises(Exception) as error:  # noqa: PT011 - any error that says that the database is unavailable
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await stored(unable.sessions, a_customer())
            await unable.close()

    assert is_unavailable(error.value)
    assert made <= 4
