"""Migrations while a server is used: no request fails, however long others hold locks that the migration needs."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, text

from db.database import single_connection
from db.embedded import EmbeddedPostgres
from db.migrations import MigrationBlockedError, head_revision, retry_while_blocked, wait_briefly_for_locks
from tests.cli.conftest import Serve, serve  # noqa: F401 - a fixture
from tests.conftest import scalar
from tests.faults.processes import end_all
from tests.faults.traffic import traffic
from tests.migrations.test_schema import ROOT
from tests.migrations.test_upgrade import violated
from tests.support import PATIENCE_SECONDS

COLUMN = """
from alembic import op
import sqlalchemy as sa

revision = "0101"
down_revision = "{head}"
branch_labels = None
depends_on = None

def upgrade():
    op.add_column("customers", sa.Column("segment", sa.Text(), nullable=True))
    op.execute("ALTER TABLE invoices ADD COLUMN printed_at timestamptz")
"""
INDEX = """
from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None

def upgrade():
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_customers_segment")
        op.create_index("ix_customers_segment", "customers", ["segment"], postgresql_concurrently=True)
"""
REVISION = "SELECT version_num FROM alembic_version"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_customers_segment'::regclass"
BUILDING = """
    SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
"""


@dataclass
class NewerVersion:
    """A folder with the migrations of a version that is two revisions ahead."""

    folder: Path
    started: list[subprocess.Popen[bytes]]

    @property
    def said(self) -> str:
        """The output of all its migrations so far."""
        return (self.folder / "said").read_text()

    def upgrade(self, url: str, revision: str) -> subprocess.Popen[bytes]:
        """Starts `alembic upgrade` and returns its process."""
        with (self.folder / "said").open("a") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "alembic", "upgrade", revision],
                cwd=self.folder,
                env={**os.environ, "DATABASE_URL": url},
                stdout=said,
                stderr=said,
            )
        self.started.append(process)
        return process

    async def until_said(self, what: str, times: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.said.count(what) < times:
            assert self.started[-1].poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            await asyncio.sleep(0.02)

    async def end_of(self, process: subprocess.Popen[bytes]) -> None:
        code = await asyncio.to_thread(process.wait, PATIENCE_SECONDS)
        assert code == 0, self.said


@pytest.fixture
def newer(tmp_path: Path) -> Iterator[NewerVersion]:
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    versions = shutil.copytree(ROOT / "alembic", tmp_path / "alembic") / "versions"
    (versions / "0101.py").write_text(COLUMN.format(head=head_revision()))
    (versions / "0102.py").write_text(INDEX)
    version = NewerVersion(tmp_path, [])
    try:
        yield version
    finally:
        end_all(version.started, signal.SIGKILL)


@asynccontextmanager
async def always_ready(url: str) -> AsyncIterator[None]:
    """Polls the server's readiness throughout the block. Asserts that it is always ready."""
    answers: set[int] = set()

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            while True:
                answers.add((await client.get(f"{url}/ready")).status_code)
                await asyncio.sleep(0.05)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        asking.cancel()
    assert answers == {200}


async def test_a_migration_that_waits_for_locks_keeps_no_request_waiting(
    serve: Serve,  # noqa: F811
    data_dir: Path,
    newer: NewerVersion,
) -> None:
    served = await asyncio.to_thread(serve, "--data-dir", str(data_dir), "--renew-every", "1")
    with EmbeddedPostgres(data_dir) as postgres:
        async with always_ready(served.url), traffic(served.url) as clients:
            async with single_connection(postgres.url) as long:
                # Like a report, a dump or a forgotten session: it reads a table and keeps its transaction open.
                await long.execute(text("SELECT count(*) FROM invoices"))
                migrating = newer.upgrade(postgres.url, "0101")
                await newer.until_said("Trying again", 3)
                assert "oldest transaction: pid" in newer.said
                await clients.until_answered(50)
                assert await scalar(postgres.url, REVISION) == head_revision()
                await long.rollback()
            await newer.end_of(migrating)
            await clients.until_answered(50)

            # Building an index waits for as long as necessary. It blocks no requests, and does not wait for the next
            # migration, which waits for it.
            async with single_connection(postgres.url) as long:
                await long.execution_options(isolation_level="REPEATABLE READ")
                await long.execute(text("SELECT count(*) FROM customers"))
                building, next_one = (newer.upgrade(postgres.url, "0102") for _ in range(2))
                await until_true(postgres.url, BUILDING)
                await clients.until_answered(50)
                await long.rollback()
            await newer.end_of(building)
            await newer.end_of(next_one)
            await clients.until_answered(50)
        assert await scalar(postgres.url, REVISION) == "0102"
        assert await scalar(postgres.url, VALID)
        assert await violated(postgres.url) == []

    # No request waited long enough for a lock to time out.
    assert clients.failed == []


async def until_true(url: str, statement: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await scalar(url, statement):
        assert time.monotonic() < deadline, "nothing happens"
        await asyncio.sleep(0.02)


async def test_a_migration_gives_up_in_the_end_and_has_changed_nothing(database_url: str) -> None:
    def migrate(connection: Connection) -> None:
        def alter() -> None:
            connection.execute(text("CREATE TABLE colours (name text)"))
            connection.execute(text("ALTER TABLE plans ADD COLUMN colour text"))
            connection.commit()

        wait_briefly_for_locks(connection)
        retry_while_blocked(connection, alter, destination="head", patience_seconds=2)

    async with single_connection(database_url) as long, single_connection(database_url) as connection:
        await long.execute(text("SELECT count(*) FROM plans"))

        with pytest.raises(MigrationBlockedError, match="oldest transaction: pid"):
            await connection.run_sync(migrate)

    assert await scalar(database_url, "SELECT to_regclass('colours')") is None


@pytest.mark.parametrize(("destination", "least", "most"), [("head", 2, 10), ("+2", 1, 1)])
async def test_steps_that_are_counted_are_not_run_again_when_one_was_done(
    database_url: str, destination: str, least: int, most: int
) -> None:
    attempts = 0

    def migrate(connection: Connection) -> None:
        def two_steps() -> None:
            nonlocal attempts
            attempts += 1
            connection.execute(text(f"UPDATE alembic_version SET version_num = 'step {attempts}'"))
            connection.commit()
            connection.execute(text("ALTER TABLE plans ADD COLUMN colour text"))

        wait_briefly_for_locks(connection)
        retry_while_blocked(connection, two_steps, destination=destination, patience_seconds=2)

    async with single_connection(database_url) as long, single_connection(database_url) as connection:
        await long.execute(text("SELECT count(*) FROM plans"))
        with pytest.raises(MigrationBlockedError):
            await connection.run_sync(migrate)

    assert least <= attempts <= most
