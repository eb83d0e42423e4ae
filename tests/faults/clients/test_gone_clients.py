"""Clients that disconnect while their query runs: the server cancels the statement in PostgreSQL."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from tests.cli.conftest import Served
from tests.support import PATIENCE_SECONDS

CLIENTS = 6

QUERIES = {
    "by the short way": "{ invoices { nodes { id customer { name } } } }",
    "by the mapper": '{ node(id: "01a2125c-7b7d-74c2-b1f9-fab6d09299a4") { id } }',
}
RUNNING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'billing' AND state = 'active'
"""
LOCKED = RUNNING + " AND wait_event_type = 'Lock'"


@pytest.fixture
async def other(served_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A database connection that does not belong to the server."""
    connection = await asyncpg.connect(served_database_url.replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def until(connection: asyncpg.Connection, statement: str, number: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await connection.fetchval(statement) != number:
            await asyncio.sleep(0.01)
            # Within a transaction, PostgreSQL keeps returning the first snapshot of the statistics.
            await connection.execute("SELECT pg_stat_clear_snapshot()")


def ask(served: Served, query: str, behind: bytes = b"") -> socket.socket:
    """Sends a query, followed by the bytes `behind`, without reading the response."""
    address = urlsplit(served.url)
    client = socket.create_connection((address.hostname, address.port))
    body = json.dumps({"query": query}).encode()
    head = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    client.sendall(head.encode() + b"\r\n\r\n" + body + behind)
    return client


def hang_up(client: socket.socket) -> None:
    client.close()


def break_off(client: socket.socket) -> None:
    """Closes the connection with a reset, as a machine does that has lost track of the connection."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("go", [hang_up, break_off])
async def test_the_statements_of_clients_that_have_gone_are_cancelled(
    served: Served, other: asyncpg.Connection, query: str, go: Callable[[socket.socket], None]
) -> None:
    async with other.transaction():
        for table in ("customers", "invoices", "plans", "subscriptions"):
            await other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        clients = [ask(served, query) for _ in range(CLIENTS)]
        await until(other, LOCKED, CLIENTS)

        for client in clients:
            go(client)

        await until(other, RUNNING, 0)
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as others:
        answers = await asyncio.gather(*(others.post("/graphql", json={"query": query}) for _ in range(2 * CLIENTS)))
    assert {answer.status_code for answer in answers} == {200}
    assert not [answer.json() for answer in answers if "errors" in answer.json()]
    assert "Traceback" not in served.said.read_text()


@pytest.mark.parametrize("go", [hang_up, break_off])
async def test_the_statement_of_a_client_that_has_sent_more_and_gone_is_cancelled(
    served: Served, other: asyncpg.Connection, go: Callable[[socket.socket], None]
) -> None:
    """Pipelined requests behind the query make no difference: the statement is cancelled and nothing fails."""
    async with other.transaction():
        await other.execute("LOCK TABLE invoices IN ACCESS EXCLUSIVE MODE")
        client = ask(served, QUERIES["by the short way"], b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        await until(other, LOCKED, 1)
        go(client)
        await until(other, RUNNING, 0)

    served.until("/ready")
    assert "Traceback" not in served.said.read_text()
    assert "operation failed" not in served.said.read_text()


def test_clients_that_go_in_the_middle_of_their_answers_are_no_errors(served: Served) -> None:
    address = urlsplit(served.url)
    for _ in range(3):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((address.hostname, address.port))
            client.settimeout(1)
            # The server stops reading once the client stops reading its responses.
            with suppress(TimeoutError):
                while True:
                    client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300)
            break_off(client)

    served.until("/ready")
    assert "Traceback" not in served.said.read_text()
    assert "operation failed" not in served.said.read_text()


async def test_a_mutation_whose_client_has_gone_is_brought_to_its_end(
    served: Served, other: asyncpg.Connection
) -> None:
    create = 'mutation { createCustomer(input: {name: "Ada", email: "ada@example.com"}) { customer { id } } }'
    async with other.transaction():
        await other.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        client = ask(served, create)
        await until(other, LOCKED, 1)
        client.close()

    await until(other, "SELECT count(*) FROM customers WHERE email = 'ada@example.com'", 1)
