"""Lists that take too long are stopped. The error names filters and order, and the time counts against the rate
limit.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import text

from billing.enums import ApiKeyScope
from db.database import Database, single_connection
from graph.server.app import create_app
from graph.settings import Limits, Settings
from services.settings import RateLimit
from tests.access.conftest import a_key
from tests.support import Api, TestClock

IMPATIENT = Limits(list_seconds=0.3)
SAID = (
    "`invoices` with the filter `kind`, `currency` and the order `AMOUNT` took longer than 0.3 s. "
    "Use a narrower filter."
)
LIST = '{ invoices(filter: {kind: [ONE_OFF], currency: "EUR"}, orderBy: {field: AMOUNT}) { %s } }'


@asynccontextmanager
async def held(url: str) -> AsyncIterator[None]:
    """Blocks all reads of invoices within the block."""
    async with single_connection(url) as connection:
        await connection.execute(text("LOCK TABLE invoices IN ACCESS EXCLUSIVE MODE"))
        yield


@asynccontextmanager
async def serving(database: Database, clock: TestClock, settings: Settings, token: str = "") -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(create_app(database, settings=settings, clock=clock))
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        yield Api(client)


@pytest.mark.parametrize("selection", ["nodes { id }", "totalCount"])
async def test_a_list_that_takes_too_long_says_what_was_asked_for(
    database: Database, database_url: str, clock: TestClock, selection: str
) -> None:
    async with serving(database, clock, Settings(limits=IMPATIENT)) as api:
        async with held(database_url):
            answer = (await api.post(LIST % selection)).json()
        assert [(error["message"], error["extensions"]["code"]) for error in answer["errors"]] == [(SAID, "TIMEOUT")]
        assert (await api(LIST % selection))["invoices"] in ({"nodes": []}, {"totalCount": 0})
    assert database.pools["answers"].checkedout() == 0


async def test_the_time_of_a_slow_list_is_charged_to_the_key(
    database: Database, database_url: str, clock: TestClock
) -> None:
    issued = await a_key(database, clock, ApiKeyScope.READ)
    limit = RateLimit(rows_per_second=1000, burst=100)
    settings = Settings(requires_key=True, limits=IMPATIENT, rate_limit=limit)
    async with serving(database, clock, settings, issued.token) as api:
        for _ in range(5):
            assert (await api.post(LIST % "nodes { id }")).status_code == 200
        async with held(database_url):
            assert (await api.post(LIST % "nodes { id }")).status_code == 200
        assert (await api.post(LIST % "nodes { id }")).status_code == 429
