"""Connections whose backend hangs without responding: waiting for them times out, and they never return to the pool."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest

from billing.enums import ApiKeyScope
from db.access.transactions import Sessions
from db.database import Database
from db.models import Customer
from graph.server.app import create_app
from graph.settings import Limits, Settings
from services.api_keys import create_api_key
from tests.faults.database.backends import standing_still
from tests.support import Api, TestClock, count

TYPENAME = "{ __typename }"
READ = "{ customers { nodes { id } } }"
QUERY_SECONDS = 1.0
CLOSE_SECONDS = 2.0
"""Timeout after which SQLAlchemy stops trying to close a connection gracefully."""
SPARE_SECONDS = 30.0
"""Margin for slow machines. Without a timeout, the operation would wait forever."""

Serving = Callable[..., Api]


@pytest.fixture
async def usual(database_url: str) -> AsyncIterator[Database]:
    """The database with its default timeouts."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def serving(usual: Database, clock: TestClock) -> AsyncIterator[Serving]:
    async with AsyncExitStack() as stack:

        def serve(token: str | None = None, **settings: Any) -> Api:
            transport = httpx.ASGITransport(create_app(usual, settings=Settings(**settings), clock=clock))
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            client = httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)
            stack.push_async_callback(client.aclose)
            return Api(client)

        yield serve


async def test_a_key_that_cannot_be_read(
    serving: Serving, usual: Database, other: asyncpg.Connection, clock: TestClock
) -> None:
    async with usual.sessions.begin() as session:
        key = await create_api_key(session, name="key", scope=ApiKeyScope.READ, now=clock.now)
    api = serving(key.token, requires_key=True)
    await api(READ)

    async with standing_still(other):
        # The cached result has expired by now.
        clock.now += timedelta(minutes=2)
        began = monotonic()
        answer = await api.post(TYPENAME)
        assert monotonic() - began < usual.brief_seconds + CLOSE_SECONDS + SPARE_SECONDS
        assert answer.status_code == 503
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        # The hanging connection was discarded, and a new one works.
        await api(TYPENAME)


async def test_a_query_that_was_given_up_drops_its_connection(serving: Serving, other: asyncpg.Connection) -> None:
    api = serving(limits=Limits(seconds=QUERY_SECONDS))
    await api(READ)

    async with standing_still(other):
        began = monotonic()
        assert (await api.post(READ)).json()["errors"][0]["extensions"]["code"] == "TIMEOUT"
        assert monotonic() - began < QUERY_SECONDS + SPARE_SECONDS
        await api(READ)


async def test_a_payload_that_cannot_be_read(
    serving: Serving, usual: Database, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation was stored, so the error must not tell the client to retry."""
    monkeypatch.setattr("graph.server.http.MUTATIONS_SECONDS", 3)
    api = serving()
    await asyncio.gather(*(api(READ) for _ in range(3)))
    create = (
        'mutation { createCustomer(input: {name: "Ada", email: "ada@example.com"}) {'
        " customer { id subscriptions { nodes { id } } } userErrors { code } } }"
    )
    await other.execute("BEGIN; LOCK TABLE subscriptions IN ACCESS EXCLUSIVE MODE")

    answer = await api.post(create)

    await other.execute("ROLLBACK")
    assert answer.status_code == 200
    assert answer.json()["data"] is None
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "UNAVAILABLE"
    assert "may have been applied" in error["message"]
    assert await count(Sessions(usual.engine), Customer) == 1
