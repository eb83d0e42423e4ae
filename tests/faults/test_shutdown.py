"""SIGTERM with requests in progress: they are completed, new ones are rejected, and shutdown takes
at most 25 seconds.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database import Database
from tests.faults.locks import are_waiting, lock, renamed
from tests.faults.processes import Server, Servers, until
from tests.support import Api


@pytest.mark.parametrize("workers", [1, 3])
async def test_what_is_under_way_is_finished_and_new_requests_are_turned_away(
    servers: Servers, database_url: str, database: Database, api: Api, workers: int
) -> None:
    # Only half of the connections may wait for customers.
    server = await servers.start("--workers", str(workers), DATABASE_URL=database_url, BILLING_POOL_SIZE="12")
    customers = [await api.a_customer() for _ in range(6)]

    async with lock(database_url, *customers):
        sent = [asyncio.create_task(renamed(server, customer)) for customer in customers]
        await until(lambda: are_waiting(database, len(customers)), what="the mutations wait")
        server.send(signal.SIGTERM)

        await until(lambda: server.answers("/ready", 503), what="/ready is 503")
        assert not any(await asyncio.gather(*(server.answers("/ready", 200) for _ in range(10))))
        await until(lambda: refuses(server), what="connections are refused")
        assert await are_waiting(database, len(customers))
        assert server.runs

    answers = await asyncio.gather(*sent)
    assert [answer.status_code for answer in answers] == [200] * len(customers)
    assert [answer.json()["data"]["a"]["customer"]["name"] for answer in answers] == ["Grace Hopper"] * len(customers)
    assert await server.ended() == 0


async def test_what_takes_too_long_is_broken_off_with_its_sql(
    servers: Servers, database_url: str, database: Database, api: Api
) -> None:
    one, several = await asyncio.gather(
        servers.start(DATABASE_URL=database_url), servers.start("--workers", "2", DATABASE_URL=database_url)
    )
    # Each lock is released before the statement times out in PostgreSQL, but there is always another one to wait for.
    customers = [await api.a_customer() for _ in range(12)]
    others = [await api.a_customer() for _ in range(12)]
    async with AsyncExitStack() as locks:
        held = [
            await locks.enter_async_context(lock(database_url, *pair)) for pair in zip(customers, others, strict=True)
        ]
        sent = [asyncio.create_task(renamed(one, *customers)), asyncio.create_task(renamed(several, *others))]
        releases = asyncio.create_task(release(held, every_seconds=3))
        await until(lambda: are_waiting(database, 2), what="the mutations wait")
        for server in (one, several):
            server.send(signal.SIGTERM)

        codes = await asyncio.gather(*(server.ended() for server in (one, several)))

        assert codes == [0, 0]
        assert await are_waiting(database, 0), "its SQL runs on"
        # They would have ended after 36 seconds.
        assert not releases.done(), "there was an end to it"
        releases.cancel()

    answers = await asyncio.gather(*sent)
    # A part of each request was completed.
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [[error["extensions"]["code"] for error in answer.json()["errors"]] for answer in answers] == [
        ["UNAVAILABLE"],
        ["UNAVAILABLE"],
    ]
    assert all("may have been applied" in answer.json()["errors"][0]["message"] for answer in answers)


async def release(held: Sequence[AsyncConnection], *, every_seconds: float) -> None:
    """Releases one lock after the other."""
    for connection in held:
        await asyncio.sleep(every_seconds)
        await connection.rollback()


async def refuses(server: Server) -> bool:
    """Returns True if the server accepts no new connections."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False
