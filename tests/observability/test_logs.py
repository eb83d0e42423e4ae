"""Log lines about requests, including slow and failed ones."""

import asyncio
import gc
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from billing.enums import ApiKeyScope
from cli.logs import Formatter
from db.database import Database
from graph.server.app import create_app
from graph.settings import Settings
from tests.access.conftest import a_key
from tests.cli.conftest import Serve
from tests.faults.database.test_tried_again import create, failing_with, fault
from tests.observability.conftest import Log
from tests.support import PATIENCE_SECONDS, Api, TestClock, counted_statements, patient

COUNT = "query Count { customers { totalCount } }"
RENAME = """
mutation Rename($input: UpdateCustomerInput!) {
  updateCustomer(input: $input) { customer { name } userErrors { code } }
}
"""

Serving = Callable[..., Api]


@pytest.fixture
async def serving(database: Database, clock: TestClock) -> AsyncIterator[Serving]:
    """Creates servers over the test's database."""
    clients = []

    def serve(token: str | None = None, **settings: Any) -> Api:
        transport = httpx.ASGITransport(create_app(database, settings=patient(Settings(**settings)), clock=clock))
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers))
        return Api(clients[-1])

    yield serve
    for client in clients:
        await client.aclose()


async def test_each_line_of_a_request_has_its_ids(
    serving: Serving, database: Database, clock: TestClock, log: Log
) -> None:
    key = await a_key(database, clock, ApiKeyScope.READ)
    api = serving(key.token, requires_key=True, log_requests=True)

    # Anything logged while the request is served has these fields too.
    def log_reads(statement: str) -> None:
        if "customers" in statement:
            logging.getLogger("any").info("a statement")

    database.listeners.append(log_reads)
    answer = await api.client.post("/graphql", json={"query": COUNT}, headers={"x-request-id": "client-17"})

    assert answer.headers["x-request-id"] == "client-17"
    [request] = await log.requests(1)
    lines = log.lines()
    assert {line["event"] for line in lines} == {"a statement", "request"}
    for line in lines:
        assert line["request_id"] == "client-17"
        assert line["key_id"] == str(key.key.id)
        assert (line["operation"], line["operation_type"]) == ("Count", "query")
        assert line["level"] == "info"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert (request["status"], request["route"], request["rows"]) == (200, "/graphql", 1)
    assert request["statements"] >= 1
    assert 0 < request["database_ms"] <= request["ms"]


@pytest.mark.parametrize("said", ["", "a b", "x" * 129, "ada@example.com", "ü", "a\tb", None])
async def test_a_request_without_a_well_formed_id_gets_one(serving: Serving, log: Log, said: str | None) -> None:
    api = serving(log_requests=True)

    headers = {} if said is None else {b"x-request-id": said.encode()}
    answer = await api.client.post("/graphql", json={"query": COUNT}, headers=headers)

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert [line["request_id"] for line in await log.requests(1)] == [answer.headers["x-request-id"]]


async def test_all_statements_of_a_request_are_counted(serving: Serving, database: Database, log: Log) -> None:
    api = serving(log_requests=True)
    customer, plan = await api.a_customer(), await api.a_plan()

    with counted_statements(database) as statements:
        await api.a_subscription(customer, plan)
        written = len(statements)
        await api(
            "query Nested { customers { nodes { subscriptions { nodes { plan { name } invoices { totalCount } } } } } }"
        )

    *_, subscribe, nested = await log.requests(4)
    assert (subscribe["statements"], nested["statements"]) == (written, len(statements) - written)
    assert nested["statements"] == 4
    assert 0 < subscribe["database_ms"] <= subscribe["ms"]


async def test_a_server_that_ends_has_logged_all_requests(database: Database, log: Log) -> None:
    app = create_app(database, settings=patient(Settings(log_requests=True)))
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
        app.router.lifespan_context(app),
    ):
        await client.post("/graphql", json={"query": COUNT})

    assert [line["operation"] for line in log.lines("request")] == ["Count"]


async def test_requests_are_not_logged_unless_that_is_set(serving: Serving, log: Log) -> None:
    await serving()(COUNT)

    assert log.lines() == []


async def waits_for_a_lock(database: Database) -> None:
    """Waits until a statement of this database waits for a lock."""
    question = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(PATIENCE_SECONDS), database.sessions() as session:
        while await session.scalar(question) == 0:  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(0.01)


async def test_a_slow_operation_is_named_with_what_it_waited_for(
    serving: Serving, database: Database, log: Log
) -> None:
    api = serving(slow_ms=400)
    customer = await serving(slow_ms=60_000).a_customer()

    async with database.sessions.begin() as session:
        await session.execute(text("SELECT FROM customers FOR UPDATE"))
        slow = asyncio.create_task(api(RENAME, input={"id": customer, "name": "Grace"}))
        await waits_for_a_lock(database)
        await asyncio.sleep(0.5)
    await slow
    await api("{ __typename }")

    [line] = log.lines()
    assert (line["event"], line["level"]) == ("slow operation", "warning")
    assert (line["operation"], line["operation_type"], line["status"]) == ("Rename", "mutation", 200)
    assert line["statements"] >= 3
    assert line["rows"] >= 1
    assert 400 < line["database_ms"] <= line["ms"] < 30_000


async def test_a_body_that_comes_slowly_is_no_slow_operation(serving: Serving, log: Log) -> None:
    # The first operation of a process is always slow.
    await serving(slow_ms=60_000)(COUNT)
    api = serving(slow_ms=400, log_requests=True)

    async def body() -> AsyncIterator[bytes]:
        yield b'{"query": '
        await asyncio.sleep(0.5)
        yield json.dumps(COUNT).encode() + b"}"

    answer = await api.client.post("/graphql", content=body(), headers={"content-type": "application/json"})

    assert answer.status_code == 200
    await log.requests(1)
    assert [line["event"] for line in log.lines()] == ["request"]


async def test_a_failure_is_one_line_with_its_traceback(serving: Serving, database: Database, log: Log) -> None:
    api = serving(slow_ms=60_000)
    async with database.sessions.begin() as session:
        await session.execute(text("ALTER TABLE customers ADD CONSTRAINT of_the_test CHECK (name <> 'Ada Lovelace')"))

    answer = await api.post(
        "mutation Create($name: String!, $email: String!) {"
        " createCustomer(input: {name: $name, email: $email}) { customer { id } } }",
        name="Ada Lovelace",
        email="ada@example.com",
    )

    [error] = answer.json()["errors"]
    assert error["extensions"] == {
        "code": "INTERNAL_SERVER_ERROR",
        "requestId": answer.headers["x-request-id"],
    }
    [line] = log.lines()
    assert (line["event"], line["level"]) == ("operation failed", "error")
    assert (line["operation"], line["request_id"]) == ("Create", answer.headers["x-request-id"])
    assert "SQLSTATE 23514, constraint of_the_test, table customers" in line["error"]
    assert 'File "' in line["exception"]
    assert "in create_customer\n" in line["exception"]
    assert "Ada Lovelace" not in log.text
    assert "@example.com" not in log.text


async def test_an_operation_that_fails_in_many_places_is_one_line(
    serving: Serving, database: Database, log: Log
) -> None:
    api = serving(slow_ms=60_000)
    async with database.sessions.begin() as session:
        await session.execute(text("ALTER TABLE plans RENAME TO other_plans"))

    answer = await api.post(f'{{ a: plan(id: "{uuid4()}") {{ id }} b: planByCode(code: "x") {{ id }} }}')

    assert len(answer.json()["errors"]) == 2
    [line] = log.lines()
    assert (line["event"], line["failures"]) == ("operation failed", 2)
    assert "SQLSTATE 42P01" in line["error"]


async def test_a_full_disk_is_one_line_that_says_so(serving: Serving, database_url: str, log: Log) -> None:
    await fault(database_url, failing_with("53100"), times=10)
    api = serving()

    answers = [await create(api) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503] * 3
    [line] = log.lines()
    assert (line["event"], line["level"]) == (
        "the database's disk is full: mutations fail until there is space",
        "error",
    )
    assert "exception" not in line


async def test_a_database_that_is_gone_is_a_warning(clock: TestClock, log: Log) -> None:
    database = Database("postgresql://nobody:s3cret@127.0.0.1:1/nothing")
    transport = httpx.ASGITransport(create_app(database, clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.post("/graphql", json={"query": COUNT})
    await database.close()

    [line] = log.lines()
    assert (line["event"], line["level"], line["codes"]) == ("operation failed", "warning", ["UNAVAILABLE"])
    assert line["error"].startswith("ConnectionRefusedError: ")
    assert "s3cret" not in log.text


async def test_what_no_code_expects_is_a_500_with_the_requests_id(
    serving: Serving, database: Database, log: Log
) -> None:
    async with database.sessions.begin() as session:
        # With two revisions, Alembic raises an error.
        await session.execute(text("INSERT INTO alembic_version VALUES ('another')"))

    answer = await serving().client.get("/ready")

    assert answer.status_code == 500
    [error] = answer.json()["errors"]
    assert error["extensions"] == {
        "code": "INTERNAL_SERVER_ERROR",
        "requestId": answer.headers["x-request-id"],
    }
    [line] = log.lines("operation failed")
    assert (line["error"], line["request_id"]) == ("alembic.util.exc.CommandError", answer.headers["x-request-id"])
    assert "in ready\n" in line["exception"]
    assert "more than one" not in log.text


async def test_a_server_that_cannot_start_says_why_and_no_more(database: Database, log: Log) -> None:
    app = create_app(database, settings=Settings())
    sent = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ValueError, match="main thread"):
        # A server cannot handle signals outside the main thread.
        await asyncio.to_thread(asyncio.run, app({"type": "lifespan"}, receive, send))

    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    # The HTTP server logs these messages.
    assert "main thread" not in str(sent)
    [line] = log.lines()
    assert (line["event"], line["level"], line["error"]) == ("the server failed", "critical", "ValueError")
    assert "main thread" not in log.text


async def test_what_libraries_log_of_exceptions_is_their_type(log: Log) -> None:
    """The garbage collector may also report exceptions left by other tests."""
    error = ValueError("Ada Lovelace")
    for name in ("uvicorn.error", "sqlalchemy.pool", "alembic.runtime.migration", "opentelemetry.exporter"):
        logging.getLogger(name).error("it fails: %s, %r", error, error)
        logging.getLogger(name).error("it fails", exc_info=error)

    async def fails() -> None:
        raise error

    task = asyncio.ensure_future(fails())
    await asyncio.wait((task,))
    del task
    gc.collect()

    assert {line["event"] for line in log.lines()} >= {
        "it fails: ValueError, ValueError",
        "it fails",
        "Task exception was never retrieved",
    }
    assert "Ada" not in log.text


def test_a_server_logs_json_that_a_program_reads(serve: Serve, database_url: str) -> None:
    served = serve(environment={**QUIET, "DATABASE_URL": database_url, "BILLING_LOG_REQUESTS": "on"})
    served.graphql(COUNT)
    assert served.stop() == 0

    said = served.said.read_text().splitlines()
    lines = [json.loads(line) for line in said if line.startswith("{")]
    assert "Count" in {line.get("operation") for line in lines}
    people = [line for line in said if not line.startswith("{")]
    assert {line.split()[0] for line in people} <= {*FOR_PEOPLE}


QUIET = {"BILLING_AUTH": "off", "BILLING_RENEW": "off"}
FOR_PEOPLE = ("Database", "Schema", "API", "Dashboard", "Playground", "Health", "Renewals", "Stop")


def test_on_a_terminal_it_is_text() -> None:
    record = logging.LogRecord("billing.requests", logging.WARNING, __file__, 1, "slow operation", (), None)
    record.facts = {"ms": 1234.5, "operation": "Rename"}

    line = re.sub(r"\x1b\[[\d;]*m", "", Formatter(terminal=True).format(record))

    assert re.fullmatch(
        r"\S+Z \[warning  \] slow operation +\[billing\.requests\] ms=1234\.5 operation=Rename", line
    ), line


def test_a_server_on_a_terminal_logs_text(tmp_path: Path, database_url: str) -> None:
    terminal, end = os.openpty()
    environment = {
        **os.environ,
        **QUIET,
        "DATABASE_URL": database_url,
        "BILLING_LOG_REQUESTS": "on",
        "TERM": "xterm",
    }
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0"]
    banner = tmp_path / "banner"
    with banner.open("w") as output, subprocess.Popen(command, env=environment, stdout=end, stderr=output) as process:
        os.close(end)
        try:
            url = until(lambda: re.search(r"Playground\s+(\S+)/graphql", banner.read_text()))[1]
            until(lambda: answers(f"{url}/health"))
            said = os.read(terminal, 100_000).decode()
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
    os.close(terminal)

    assert re.search(r"\[.*info.*\].*request.*route.*=.*/health", said), said
    assert "{" not in said


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail("it has not come to that")
