"""SIGTERM while the database and the trace collector hang, as if their network were down."""

import asyncio
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from db.database import Database
from db.embedded import EmbeddedPostgres
from tests.faults.locks import are_waiting, lock, renamed
from tests.faults.processes import Servers, family_of, paused, until
from tests.support import a_customer, stored

BUDGET_SECONDS = 25 + 30
"""Maximum duration of a shutdown in seconds: 25, plus a margin for slow machines. Waiting for the collector would
exceed it.
"""


@pytest.fixture
def silent_collector() -> Iterator[str]:
    """URL of a trace collector that accepts connections but never responds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


async def test_a_database_that_stands_still_keeps_no_server_from_its_end(
    servers: Servers, own_postgres: EmbeddedPostgres, silent_collector: str
) -> None:
    url = own_postgres.url
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": silent_collector, "OTEL_EXPORTER_OTLP_TIMEOUT": "120"}
    # Only half of the connections may wait for customers.
    traced["BILLING_POOL_SIZE"] = "12"
    one = await servers.start("--renew-every", "0.1", DATABASE_URL=url, **traced)
    several = await servers.start("--workers", "2", DATABASE_URL=url, **traced)
    database = Database(url)
    customers = [await stored(database.sessions, a_customer()) for _ in range(6)]
    ids = [str(customer.id) for customer in customers]

    async with lock(url, *ids):
        sent = [asyncio.create_task(renamed(server, id_)) for server in (one, several) for id_ in ids]
        await until(lambda: are_waiting(database, len(sent)), what="the mutations wait")
        with paused(family_of(own_postgres)):
            began = time.monotonic()
            for server in (one, several):
                server.send(signal.SIGTERM)

            codes = await asyncio.gather(*(server.ended() for server in (one, several)))

            took = time.monotonic() - began
    # Each waiting request gets a response or loses its connection.
    await asyncio.gather(*sent, return_exceptions=True)
    await database.close()

    assert codes == [0, 0]
    assert took < BUDGET_SECONDS, took
