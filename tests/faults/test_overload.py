"""An overloaded server: requests time out, and are told that the server is busy."""

import asyncio
import signal
from threading import Event, Thread
from time import monotonic, sleep

import httpx
import pytest

from bench.operations import operation_of
from tests.cli.conftest import billing
from tests.faults.processes import Server, Servers, send
from tests.support import PATIENCE_SECONDS

CONNECTIONS = 64
SECONDS = 4.0
"""Timeout for a query."""
RUNS, STANDS = 0.01, (0.09, 0.3, 1.0)
"""Seconds during which the server alternately runs and is paused. The pauses get longer until it is overloaded."""


class Slowed:
    """Pauses a server for part of the time."""

    def __init__(self, server: Server) -> None:
        self.stands = STANDS[0]
        self._server = server
        self._over = Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> "Slowed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            send(self._server.workers(), signal.SIGSTOP)
            sleep(self.stands)
            send(self._server.workers(), signal.SIGCONT)
            sleep(RUNS)


async def ask(client: httpx.AsyncClient) -> tuple[int, str, float]:
    """Sends a query. Returns the response's status, its first error code, and the seconds it took."""
    began = monotonic()
    query = operation_of("nested").document
    answer = await client.post("/graphql", json={"query": query, "variables": {"first": 50}})
    errors = answer.json().get("errors", [])
    codes = [error["extensions"]["code"] for error in errors]
    if answer.status_code == 503:
        assert answer.headers["retry-after"] == "1"
        assert "busy" in errors[0]["message"]
    return answer.status_code, codes[0] if codes else "", monotonic() - began


@pytest.mark.slow
async def test_a_server_that_may_hardly_run_refuses_nothing_before_its_time(
    servers: Servers, database_url: str
) -> None:
    filled = billing("demo", "--customers", "60", "--as-of", "2026-11-01", DATABASE_URL=database_url)
    assert filled.returncode == 0, filled.stderr
    server = await servers.start("--no-renew", DATABASE_URL=database_url, BILLING_MAX_SECONDS=f"{SECONDS:g}")
    refused: list[float] = []
    async with httpx.AsyncClient(
        base_url=server.url, timeout=PATIENCE_SECONDS, limits=httpx.Limits(max_connections=CONNECTIONS)
    ) as client:
        with Slowed(server) as slowed:
            for stands in STANDS:
                slowed.stands = stands
                answers = await asyncio.gather(*(ask(client) for _ in range(CONNECTIONS)))
                assert {(status, code) for status, code, _ in answers} <= {(200, ""), (503, "OVERLOADED")}
                refused = [seconds for status, _, seconds in answers if status == 503]
                if refused:
                    break
        assert (await ask(client))[:2] == (200, "")

    assert refused, "there was not enough to do"
    assert min(refused) >= SECONDS
