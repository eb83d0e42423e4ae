"""A real PgBouncer in transaction mode between the server and PostgreSQL: many transactions share few sessions."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from billing.enums import RunTrigger
from db.database import Database, single_connection
from db.driver.connection import return_to_pool
from db.driver.urls import asyncpg_url, pgbouncer_url
from db.embedded import EmbeddedPostgres
from db.settings import DatabaseSettings
from services.runs import run_renewals
from tests.cli.conftest import Serve, billing, serve  # noqa: F401 - a fixture
from tests.conftest import FOLDER, scalar
from tests.faults.processes import end_all, paused
from tests.faults.test_migrations import VALID, NewerVersion, newer, until_true  # noqa: F401 - a fixture
from tests.faults.traffic import traffic
from tests.migrations.test_upgrade import violated
from tests.races.lives import a_subscriber, store_customers, stored_plans
from tests.support import NOW, PATIENCE_SECONDS

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
SESSIONS = 3
DUE = 40
SLEEP_SECONDS = 120

CONFIGURATION = """
[databases]
* = host={sockets} port=5432 user=billing

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
"""


@pytest.fixture(scope="module")
def pgbouncer(server: EmbeddedPostgres) -> Iterator[int]:
    """Port of a PgBouncer in front of the tests' PostgreSQL, with few sessions for each database."""
    if PGBOUNCER is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PgBouncer is not installed")
        pytest.skip("PgBouncer is not installed (Debian's package: pgbouncer)")
    # PgBouncer refuses to run as root, and the tests' PostgreSQL trusts the user `nobody`.
    folder = Path(os.environ[FOLDER]) / f"pgbouncer-{uuid4().hex}"
    folder.mkdir(mode=0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "pgbouncer.ini"
    sockets = asyncpg_url(server.url).query["host"]
    configuration.write_text(CONFIGURATION.format(sockets=sockets, port=port, sessions=SESSIONS))
    said = folder / "said"
    as_nobody: dict[str, Any] = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
    with said.open("w") as output:
        process = subprocess.Popen([PGBOUNCER, str(configuration)], stdout=output, stderr=output, **as_nobody)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "process up" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.02)
        yield port
    finally:
        end_all([process], signal.SIGTERM)


def through(port: int, url: str) -> str:
    """Returns the URL of the same database behind PgBouncer."""
    return f"postgresql://billing@127.0.0.1:{port}/{asyncpg_url(url).database}"


@pytest.fixture
async def pooled(database_url: str, pgbouncer: int) -> AsyncIterator[Database]:
    """A migrated database behind PgBouncer."""
    # Many requests wait for few sessions, on a busy machine.
    database = Database(pgbouncer_url(through(pgbouncer, database_url)), DatabaseSettings(pool_timeout_seconds=30))
    yield database
    await database.close()


async def test_a_server_migrates_serves_and_renews_over_few_sessions(
    serve: Serve,  # noqa: F811
    empty_database_url: str,
    pgbouncer: int,
) -> None:
    environment = {
        "DATABASE_URL": through(pgbouncer, empty_database_url),
        "BILLING_PGBOUNCER": "on",
        "BILLING_AUTH": "off",
    }

    served = await asyncio.to_thread(serve, "--workers", "2", "--renew-every", "0.5", environment=environment)
    async with traffic(served.url, clients=12) as clients:
        await clients.until_answered(300)
        sessions = await scalar(
            empty_database_url,
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'",
        )
    verified = await asyncio.to_thread(billing, "verify", **environment)

    assert clients.failed == []
    assert "migrated from nothing" in served.said.read_text()
    assert sessions <= SESSIONS + 1
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert served.stop() == 0
    assert "Traceback" not in served.said.read_text()


async def test_renewals_side_by_side(pooled: Database, database_url: str) -> None:
    plans = await stored_plans(pooled)
    await store_customers(pooled, [a_subscriber(seed, plans, days=(45, 75), behind=(36, 44)) for seed in range(DUE)])

    report = await run_renewals(
        pooled, as_of=NOW, now=NOW, trigger=RunTrigger.COMMAND, chunk_size=5, concurrency=SESSIONS
    )

    assert (report.renewed, report.failed) == (DUE, 0)
    assert await violated(database_url) == []


async def test_timeouts_are_those_of_each_transaction_and_go_to_nobody_else(pooled: Database, pgbouncer: int) -> None:
    shown = text("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    for session_of in (pooled.sessions, pooled.sessions.begin):
        async with session_of() as session:
            assert tuple((await session.execute(shown)).one()) == ("10s", "5s")
    taken = await pooled._answers.raw_connection()
    driver = cast("asyncpg.Connection", taken.driver_connection)
    assert [tuple(row) for row in await driver.fetch(str(shown))] == [("10s", "5s")]
    taken.close()
    async with single_connection(through(pgbouncer, str(pooled.engine.url.set(query={})))) as connection:
        assert tuple((await connection.execute(shown)).one()) == ("0", "0")


async def test_statements_of_many_clients_do_not_meet(pooled: Database) -> None:
    async def ask(number: int) -> None:
        for turn in range(10):
            session_of = pooled.sessions.begin if (number + turn) % 2 else pooled.sessions
            async with session_of() as session:
                found = await session.scalar(text(f"SELECT :number + {turn % 3}"), {"number": number})
            assert found == number + turn % 3

    await asyncio.gather(*(ask(number) for number in range(40)))


async def test_reads_of_many_requests_do_not_meet(pooled: Database) -> None:
    """Like the previous test, but with statements sent directly by the driver, with varying numbers of parameters."""

    async def ask(number: int) -> None:
        for turn in range(60):
            values = [number + turn] * (1 + (number + turn) % 5)
            sums = " + ".join(f"${place + 1}::int" for place in range(len(values)))
            taken = await pooled._answers.raw_connection()
            try:
                driver = cast("asyncpg.Connection", taken.driver_connection)
                assert [tuple(row) for row in await driver.fetch(f"SELECT {sums}", *values)] == [(sum(values),)]
            finally:
                taken.close()

    await asyncio.gather(*(ask(number) for number in range(30)))


async def test_what_is_written_on_autocommit_is_kept(pooled: Database, database_url: str) -> None:
    async with pooled.sessions() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = version_num || 'x'"))

    assert str(await scalar(database_url, "SELECT version_num FROM alembic_version")).endswith("x")


async def test_a_statement_that_fails_leaves_its_session_as_it_was(pooled: Database) -> None:
    for _ in range(2 * SESSIONS):
        async with pooled.sessions() as session:
            with pytest.raises(Exception, match="division by zero"):
                await session.execute(text("SELECT 1 / 0"))
            assert await session.scalar(text("SELECT 1")) == 1


async def test_a_query_that_nobody_waits_for_is_canceled(pooled: Database, database_url: str) -> None:
    sleeping = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    async with pooled.sessions() as session:
        asking = asyncio.create_task(session.execute(text(f"SELECT pg_sleep({SLEEP_SECONDS})")))
        await until_true(database_url, sleeping)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    async with asyncio.timeout(SLEEP_SECONDS / 2):
        await until_true(database_url, f"SELECT NOT ({sleeping})")
    async with pooled.sessions() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def by_sqlalchemy(database: Database, statement: str) -> None:
    async with database.sessions() as session:
        await session.execute(text(statement))


async def by_the_driver(database: Database, statement: str) -> None:
    taken = await database._answers.raw_connection()
    try:
        await cast("asyncpg.Connection", taken.driver_connection).fetch(statement)
    finally:
        await return_to_pool(taken)


@pytest.mark.parametrize("asked", [by_sqlalchemy, by_the_driver])
async def test_a_session_that_stands_still_is_not_waited_for(
    pooled: Database, database_url: str, asked: Callable[[Database, str], Coroutine[Any, Any, None]]
) -> None:
    sleeping = "FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    asking = asyncio.create_task(asked(pooled, f"SELECT pg_sleep({SLEEP_SECONDS})"))
    await until_true(database_url, f"SELECT count(*) > 0 {sleeping}")
    with paused([int(await scalar(database_url, f"SELECT pid {sleeping}"))]):
        asking.cancel()
        done, _ = await asyncio.wait([asking], timeout=PATIENCE_SECONDS)
    await asyncio.wait([asking])

    assert done == {asking}
    assert asking.cancelled()
    assert [pool.checkedout() for pool in pooled.pools.values()] == [0, 0]
    await asked(pooled, "SELECT 1")


async def test_an_index_is_made_concurrently(newer: NewerVersion, database_url: str, pgbouncer: int) -> None:  # noqa: F811
    await newer.end_of(newer.upgrade(pgbouncer_url(through(pgbouncer, database_url)), "0102"))

    assert await scalar(database_url, VALID)


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_backup_wants_postgresql_itself(database_url: str, pgbouncer: int, tmp_path: Path, command: str) -> None:
    file = tmp_path / "any.backup"
    if command == "restore":
        assert billing("backup", str(file), DATABASE_URL=database_url).returncode == 0

    done = billing(command, str(file), DATABASE_URL=through(pgbouncer, database_url), BILLING_PGBOUNCER="on")

    assert done.returncode == 1
    assert "do not work through PgBouncer" in done.stderr
