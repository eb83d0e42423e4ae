"""A server started from the command line, over a PostgreSQL that the test stops and starts."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.cli.conftest import Serve, serve
from tests.faults.database.asking import Asking, asking
from tests.faults.database.postgres import Postgres
from tests.support import PATIENT_ENVIRONMENT

__all__ = ["serve"]


@pytest.fixture
def postgres(data_dir: Path) -> Iterator[Postgres]:
    """A separate PostgreSQL for each test."""
    postgres = Postgres(data_dir)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A database connection that does not belong to the server."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def there(serve: Serve, postgres: Postgres) -> AsyncIterator[Asking]:
    """A server with all its connections open."""
    async with server_over(postgres, serve, "--renew-every", "1") as there:
        yield there


@pytest.fixture
async def quiet(serve: Serve, postgres: Postgres) -> AsyncIterator[Asking]:
    """A server with all its connections open, which only requests use: it does no renewals."""
    async with server_over(postgres, serve, "--no-renew") as quiet:
        yield quiet


@asynccontextmanager
async def server_over(postgres: Postgres, serve: Serve, *arguments: str) -> AsyncIterator[Asking]:
    # A request that waits for a lock must wait until the test releases it.
    environment = {
        "DATABASE_URL": postgres.url,
        "BILLING_AUTH": "off",
        **PATIENT_ENVIRONMENT,
        "BILLING_POOL_TIMEOUT_SECONDS": "1.2",
    }
    served = serve(*arguments, environment=environment)
    assert served.url, served.said.read_text()
    async with asking(served) as there:
        await there.crowd_is_served()
        yield there
