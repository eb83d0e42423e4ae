"""A database that runs but rejects clients or keeps them waiting: each request fails within two seconds, and the server
recovers as soon as the database does.
"""

import asyncio

import asyncpg

from tests.conftest import execute, named
from tests.faults.database.asking import (
    CONNECTIONS,
    CROWD,
    READ,
    SUBSCRIBE,
    Asking,
    assert_nothing_lost,
    assert_served,
    assert_well_but_not_ready,
)
from tests.faults.database.postgres import END_OTHERS, Postgres
from tests.support import PATIENCE_SECONDS


async def test_a_database_that_may_only_be_read(there: Asking, postgres: Postgres) -> None:
    await execute(postgres.url, "ALTER DATABASE billing SET default_transaction_read_only = on")
    await execute(postgres.url, END_OTHERS)

    assert_served([await there.ask(READ)])
    there.assert_unavailable([await there.create(), await there.ask(SUBSCRIBE)])
    # The pool is full of connections that were opened while the database was read-only.
    assert set(await asyncio.gather(*(there.status("/health/db") for _ in range(CROWD)))) == {200}
    there.assert_unavailable([await there.ask(SUBSCRIBE)])
    assert await there.status("/health") == 200

    await execute(named(postgres.url, "postgres"), "ALTER DATABASE billing RESET default_transaction_read_only")

    assert_served([await there.ask(SUBSCRIBE)])
    await there.crowd_is_served()
    assert_nothing_lost(there, postgres)


async def test_a_pool_all_of_whose_connections_wait(quiet: Asking, postgres: Postgres) -> None:
    blocker = await asyncpg.connect(postgres.url.replace("postgresql+asyncpg", "postgresql"))
    try:
        await blocker.execute("BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        waiting = [asyncio.create_task(quiet.create() if n % 2 else quiet.ask(READ)) for n in range(CONNECTIONS)]
        await until_waiting(blocker, CONNECTIONS)

        busy = assert_well_but_not_ready(quiet, "all connections in use")
        crowd, _ = await asyncio.gather(quiet.crowd(), busy)
        quiet.assert_unavailable(crowd, "OVERLOADED")

        await blocker.execute("COMMIT")
    finally:
        await blocker.close()
    assert_served(await asyncio.gather(*waiting))
    await quiet.crowd_is_served()
    assert_nothing_lost(quiet, postgres)


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'billing' AND wait_event_type = 'Lock'"


async def until_waiting(connection: asyncpg.Connection, number: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval(WAITING) < number:
            await asyncio.sleep(0.02)
            # Within a transaction, PostgreSQL keeps returning the first snapshot of the statistics.
            await connection.execute("SELECT pg_stat_clear_snapshot()")
