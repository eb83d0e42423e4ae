"""PostgreSQL's disk is full: writers are told to retry, reads work while PostgreSQL runs, and everything recovers as
soon as there is space.

Nothing acknowledged is lost, and nothing is applied twice.
"""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from db.driver.errors import server_detail
from tests.conftest import FOLDER, execute
from tests.faults.database.postgres import Postgres
from tests.faults.disks import Disk, small_disk
from tests.faults.frontends import Frontend, Record, assert_nothing_is_lost_or_doubled, at_work
from tests.faults.processes import Server, Servers, until
from tests.support import PATIENCE_SECONDS

MEGABYTES = 192
CLIENTS = 4
TEST_SECONDS = 2 * PATIENCE_SECONDS

DISK_FULL = "53100"
REFUSED = "503 UNAVAILABLE"
WRITE_MUCH = "CREATE TABLE much AS SELECT repeat('x', 100) FROM generate_series(1, 10000)"
READ = "{ customers(first: 20) { nodes { id invoices { totalCount } } } }"


@pytest.fixture
def disk() -> Iterator[Disk]:
    with small_disk(Path(os.environ[FOLDER]), MEGABYTES) as disk:
        yield disk


@pytest.fixture
def postgres(disk: Disk, tmp_path: Path) -> Iterator[Postgres]:
    """A PostgreSQL with its data on this disk. Its log is stored elsewhere."""
    postgres = Postgres(disk.folder, log=tmp_path / "postgres.log")
    try:
        postgres.start()
        yield postgres
    finally:
        disk.clear()
        postgres.stop()


async def test_tables_cannot_grow(servers: Servers, postgres: Postgres, disk: Disk, tmp_path: Path) -> None:
    async with asyncio.timeout(TEST_SECONDS):
        server = await servers.start("--renew-every", "0.5", DATABASE_URL=postgres.url)
        pid, record = server.pid, Record()
        async with at_work([Frontend([server.url], record) for _ in range(CLIENTS)]):
            await more_answers(record, 60)
            await preallocate_the_log(postgres, record)
            disk.fill()
            await until(partial(have_come_to, record, REFUSED, 20), what="mutations are refused")
            assert await state_of(postgres.url, WRITE_MUCH) == DISK_FULL
            await assert_reads_go_on(server)
            await more_refusals(record, 20)
            assert postgres.runs

            disk.clear()
            await more_answers(record, 60)

        assert server.runs
        assert server.pid == pid
        await server.ready()
        assert set(record.sent_again) == {REFUSED}
        await assert_nothing_is_lost_or_doubled(postgres.url, record, tmp_path)


async def test_the_log_cannot_grow(servers: Servers, postgres: Postgres, disk: Disk, tmp_path: Path) -> None:
    """PostgreSQL cannot write its WAL: it exits, and cannot restart until there is space."""
    async with asyncio.timeout(TEST_SECONDS):
        server = await servers.start("--renew-every", "0.5", DATABASE_URL=postgres.url)
        pid, record = server.pid, Record()
        async with at_work([Frontend([server.url], record) for _ in range(CLIENTS)]):
            await more_answers(record, 60)
            disk.fill()
            await use_up_the_log(postgres)
            assert re.search(r"PANIC: .*No space left on device", postgres.said())
            await more_refusals(record, 20)
            assert await server.answers("/health")
            assert await server.answers("/ready", 503)

            disk.clear()
            postgres.stop()
            postgres.start()
            await more_answers(record, 60)

        assert server.runs
        assert server.pid == pid
        await server.ready()
        assert record.sent_again[REFUSED] >= 20
        await assert_nothing_is_lost_or_doubled(postgres.url, record, tmp_path)


async def preallocate_the_log(postgres: Postgres, record: Record) -> None:
    """Makes PostgreSQL keep WAL segments for future use, so that its tables run out of space long before its log."""
    for _ in range(3):
        await execute(postgres.url, "SELECT pg_switch_wal()")
        await more_answers(record, 5)
    # Keeps the segments that are no longer needed for use in the future.
    await execute(postgres.url, "CHECKPOINT")


async def use_up_the_log(postgres: Postgres) -> None:
    """Makes PostgreSQL start new WAL segments until it exits."""

    async def has_ended() -> bool:
        with suppress(DBAPIError, OSError):
            await execute(postgres.url, "SELECT pg_switch_wal()")
        return not postgres.runs

    await until(has_ended, what="PostgreSQL ends")


async def assert_reads_go_on(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_SECONDS) as client:
        for path in ("/health", "/health/db", "/ready"):
            assert (await client.get(path)).status_code == 200, path
        for _ in range(10):
            answer = await client.post("/graphql", json={"query": READ})
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["data"]["customers"]["nodes"]) > 5


async def state_of(url: str, statement: str) -> str | None:
    """Returns the SQLSTATE that a statement fails with."""
    with pytest.raises(DBAPIError) as failed:
        await execute(url, statement)
    return server_detail(failed.value, "sqlstate")


async def more_answers(record: Record, more: int) -> None:
    async def have_come(enough: int) -> bool:
        return record.answered >= enough

    await until(partial(have_come, record.answered + more), what="mutations are done")


async def more_refusals(record: Record, more: int) -> None:
    await until(partial(have_come_to, record, REFUSED, record.sent_again[REFUSED] + more), what="more are refused")


async def have_come_to(record: Record, reason: str, count: int) -> bool:
    return record.sent_again[reason] >= count
