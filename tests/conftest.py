"""Fixtures for all tests: one embedded PostgreSQL per run, and a migrated database for each test."""

import asyncio
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url, text
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from db.access.transactions import Sessions
from db.database import Database, single_connection
from db.driver.urls import asyncpg_url
from db.embedded import EmbeddedPostgres
from db.embedded.memory import SHARED_BUFFERS
from db.migrations import migrate
from graph.server.app import create_app
from tests.cli import conftest as servers
from tests.event_changes import watch_changes, wrongly_named
from tests.folders import roomy_memory
from tests.kept_databases import KeptDatabase
from tests.left_behind import kill_left_behind, unmount_left_behind
from tests.support import Api, TestClock, patient

# A slow machine does not make a property false.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

FOLDER = "_BILLING_TEST_FOLDER"
"""Environment variable with the folder that all pytest workers of a run share."""

SLOW = (
    # These start and kill servers and wait for the outcome, or scan a server with thousands of requests.
    *("faults", "walk", "scanners", "db/test_embedded.py", "races/test_killed_runs.py", "test_operations.py"),
    # These migrate databases, from each revision that matters, and fill large tables.
    *("migrations", "growth"),
    # Each test starts the command as a new process.
    "cli",
    # These install packages, build, and start third-party programs: browsers, compilers, other servers, linters.
    *("browser", "clients", "containers", "bench", "webhooks/test_examples.py"),
    *("test_advisories.py", "test_migration_check.py"),
    "test_schema_check.py",
)
"""Folders and files whose tests are marked `slow`. Tests that use the fixture named by `SERVER` are marked
too: see CONTRIBUTING.md.
"""

SERVER = "serve"

FIRST = ("faults", "walk", "containers", "bench", "execution")
"""Folders with the longest tests. They start first, so that no worker is left with a long one at the end."""

FAULTS = "faults"
"""Folder whose tests have time limits, so they must not compete with each other."""

POSTGRES = pytest.StashKey[EmbeddedPostgres]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="billing-tests-", dir=roomy_memory()))
        # If the tests run as root, PostgreSQL runs as another user, who must be able to enter the folder.
        folder.chmod(0o711)
        os.environ[FOLDER] = str(folder)
        for name in [*os.environ]:
            if name.startswith(("BILLING_", "DATABASE_URL")):
                del os.environ[name]
        os.environ[SHARED_BUFFERS] = "128MB"
        # The pytest controller outlives its workers, so it owns the server. Otherwise the next owner would have to
        # restart it.
        config.stash[POSTGRES] = EmbeddedPostgres(folder / "postgres")
        config.stash[POSTGRES].start()
        # No test cuts the power, so commits need not wait for the disk.
        asyncio.run(execute(config.stash[POSTGRES].url, "ALTER ROLE CURRENT_USER SET synchronous_commit = off"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = os.environ[FOLDER]
        kill_left_behind(FOLDER, folder)
        config.stash[POSTGRES].stop()
        unmount_left_behind(Path(folder))
        shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True)


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types.
    """Gives all tests of a file to one worker, and all of `FAULTS` to one."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return FAULTS if file.startswith(f"tests/{FAULTS}/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    return Scheduling(config, log)


def pytest_xdist_auto_num_workers() -> int:
    """Returns one more than the number of cores: tests of servers spend much of their time waiting."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks slow tests, and puts the folders with the longest tests first."""
    tests = Path(__file__).parent
    assert [path for path in (*SLOW, *FIRST, FAULTS) if not (tests / path).exists()] == []
    assert hasattr(servers, SERVER)
    slow = {path: any(path.is_relative_to(tests / part) for part in SLOW) for path in {item.path for item in items}}
    for item in items:
        starts_servers = isinstance(item, pytest.Function) and SERVER in item.fixturenames
        if starts_servers or slow[item.path]:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: place_of(item.path.relative_to(tests).parts[0]))


def place_of(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """Embedded PostgreSQL of this test run."""
    with EmbeddedPostgres(Path(os.environ[FOLDER]) / "postgres") as postgres:
        yield postgres


@pytest.fixture(scope="session")
def prepared_folder() -> Path:
    """Folder of an embedded PostgreSQL with a migrated database, which runs no more. Tests copy it: see `data_dir`."""
    folder = Path(os.environ[FOLDER]) / "prepared"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir(mode=0o755)
            with EmbeddedPostgres(folder) as postgres:
                asyncio.run(migrate(postgres.url))
    return folder


def folder_of_postgres() -> Path:
    """Returns a new, empty folder for an embedded PostgreSQL that PostgreSQL's user can access."""
    folder = Path(os.environ[FOLDER]) / f"data-{uuid4().hex}"
    folder.mkdir(mode=0o755)
    return folder


def copy_of(prepared_folder: Path) -> Path:
    """Returns a folder for an embedded PostgreSQL, with a migrated database: a start takes a tenth of the time."""
    folder = folder_of_postgres()
    subprocess.run(["cp", "-a", prepared_folder / "data", folder], check=True)
    return folder


@pytest.fixture
def new_folder() -> Path:
    """An empty folder for an embedded PostgreSQL that PostgreSQL's user can access."""
    return folder_of_postgres()


@pytest.fixture
def data_dir(prepared_folder: Path) -> Path:
    """A folder for an embedded PostgreSQL, with its data and a migrated database."""
    return copy_of(prepared_folder)


async def execute(url: str, statement: str) -> None:
    async with single_connection(url) as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))


async def scalar(url: str, statement: str) -> Any:
    """Returns the first column of the first row, or None without rows."""
    async with single_connection(url) as connection:
        return await connection.scalar(text(statement))


def named(url: str, database: str) -> str:
    return asyncpg_url(url).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
async def template(server: EmbeddedPostgres) -> str:
    """Creates and migrates the database that the databases of tests are copied from. Returns its name."""
    name = f"template_{uuid4().hex}"
    await execute(server.url, f"CREATE DATABASE {name}")
    await migrate(named(server.url, name))
    return name


@asynccontextmanager
async def new_database(server: EmbeddedPostgres, template: str = "template1") -> AsyncIterator[str]:
    """Creates a copy of the template for the duration of the block. Yields its URL."""
    url = await create_database(server, template)
    yield url
    await execute(server.url, f"DROP DATABASE {make_url(url).database} WITH (FORCE)")


async def create_database(server: EmbeddedPostgres, template: str) -> str:
    """Creates a copy of the template. Returns its URL."""
    name = f"test_{uuid4().hex}"
    # Copying files takes two thirds of the time of copying pages through the WAL.
    await execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    return named(server.url, name)


@pytest.fixture
async def empty_database_url(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """URL of a database without tables."""
    async with new_database(server) as url:
        yield url


@pytest.fixture(scope="session")
async def kept_databases(server: EmbeddedPostgres) -> AsyncIterator[list[KeptDatabase]]:
    """The database that the last test of this worker left empty, if it did."""
    kept: list[KeptDatabase] = []
    yield kept
    for database in kept:
        await discard(server, database)


async def discard(server: EmbeddedPostgres, kept: KeptDatabase) -> None:
    await kept.database.close()
    await execute(server.url, f"DROP DATABASE {kept.database.engine.url.database} WITH (FORCE)")


@pytest.fixture
async def kept_database(
    request: pytest.FixtureRequest, server: EmbeddedPostgres, template: str, kept_databases: list[KeptDatabase]
) -> AsyncIterator[KeptDatabase]:
    watched = events_name_changes.__name__ in request.fixturenames
    kept = kept_databases.pop() if kept_databases else None
    if kept and kept.watched != watched:
        await discard(server, kept)
        kept = None
    if kept is None:
        kept = KeptDatabase(await create_database(server, template), watched=watched)
        if watched:
            async with kept.database.sessions.begin() as session:
                await watch_changes(session)
        await kept.begin()
    yield kept
    if await kept.empty():
        kept_databases.append(kept)
    else:
        await discard(server, kept)


@pytest.fixture
def database_url(kept_database: KeptDatabase) -> str:
    """URL of a migrated database without rows."""
    return kept_database.url


@pytest.fixture
def database(kept_database: KeptDatabase) -> Database:
    return kept_database.database


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return database.sessions


@pytest.fixture
async def events_name_changes(sessions: Sessions) -> AsyncIterator[None]:
    """In the test, events name the columns that are changed: those that the API shows, and no others."""
    yield
    async with sessions() as session:
        assert await wrongly_named(session) == []


@pytest.fixture
def clock() -> TestClock:
    """Clock of the API, controlled by the test."""
    return TestClock()


@pytest.fixture
async def api(database: Database, clock: TestClock) -> AsyncIterator[Api]:
    """Client of the API over the test's database. Requests do not go through a socket."""
    transport = httpx.ASGITransport(create_app(database, settings=patient(), clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client)
