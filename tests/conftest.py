"""What all tests stand on: one embedded PostgreSQL for the run, and for each test a migrated database of its own."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import text

from db.access.transactions import Sessions
from db.database import Database, single_connection
from db.driver.urls import asyncpg_url
from db.embedded import EmbeddedPostgres
from db.embedded.memory import SHARED_BUFFERS
from db.migrations import migrate
from db.settings import DatabaseSettings
from graph.server.app import create_app
from tests.cli import conftest as servers
from tests.folders import roomy_memory
from tests.support import Api, TestClock
from tests.told import watch_changes, wrongly_told

# A slow machine is no failure of a property.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

FOLDER = "_BILLING_TEST_FOLDER"
"""Names the folder that all processes of one run share."""

SLOW = (
    # They start servers, kill them, and wait for what comes of it; or scan one with thousands of requests.
    *("faults", "walk", "scanners", "db/test_embedded.py", "races/test_killed_runs.py"),
    # Each starts the command anew.
    "cli",
    # They install packages, build, and start programs that are not ours: browsers, compilers, other servers, linters.
    *("browser", "clients", "containers", "bench", "test_advisories.py", "test_migration_check.py"),
    "test_schema_check.py",
)
"""Folders and files whose tests are `slow`, as are those for which `SERVER` starts servers: see CONTRIBUTING.md."""

SERVER = "serve"

FIRST = ("faults", "walk", "containers", "bench", "execution")
"""Folders with the tests that take longest. They begin first, so that no process is left alone with one in the end."""

POSTGRES = pytest.StashKey[EmbeddedPostgres]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="billing-tests-", dir=roomy_memory()))
        # As root, PostgreSQL runs as another user, who must get there.
        folder.chmod(0o711)
        os.environ[FOLDER] = str(folder)
        for name in [*os.environ]:
            if name.startswith(("BILLING_", "DATABASE_URL")):
                del os.environ[name]
        os.environ[SHARED_BUFFERS] = "128MB"
        # The process that outlives all others of the run owns the server: the next owner would have to start it anew.
        config.stash[POSTGRES] = EmbeddedPostgres(folder / "postgres")
        config.stash[POSTGRES].start()
        # Tests do not pull the plug: what is committed need not be on the disk.
        asyncio.run(execute(config.stash[POSTGRES].url, "ALTER ROLE CURRENT_USER SET synchronous_commit = off"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[POSTGRES].stop()
        shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True)


def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: tests of servers wait a good part of their time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks slow tests, and keeps the tests of a file in one process, and all of `tests/faults` in one: they hold
    servers to times, and would take them from each other.
    """
    tests = Path(__file__).parent
    faults = tests / "faults"
    assert [path for path in (*SLOW, *FIRST) if not (tests / path).exists()] == []
    assert hasattr(servers, SERVER)
    for item in items:
        starts_servers = isinstance(item, pytest.Function) and SERVER in item.fixturenames
        if starts_servers or any(item.path.is_relative_to(tests / path) for path in SLOW):
            item.add_marker(pytest.mark.slow)
        group = faults if faults in item.path.parents else item.path
        item.add_marker(pytest.mark.xdist_group(str(group.relative_to(tests))))
    items.sort(key=lambda item: place_of(item.path.relative_to(tests).parts[0]))


def place_of(folder: str) -> int:
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL of this run."""
    with EmbeddedPostgres(Path(os.environ[FOLDER]) / "postgres") as postgres:
        yield postgres


async def execute(url: str, statement: str) -> None:
    async with single_connection(url) as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))


def named(url: str, database: str) -> str:
    return asyncpg_url(url).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
async def template(server: EmbeddedPostgres) -> str:
    """A migrated database, which the tests' databases are copies of."""
    name = f"template_{uuid4().hex}"
    await execute(server.url, f"CREATE DATABASE {name}")
    await migrate(named(server.url, name))
    return name


@asynccontextmanager
async def new_database(server: EmbeddedPostgres, template: str = "template1") -> AsyncIterator[str]:
    """The URL of a copy of the template, for the time of the block."""
    name = f"test_{uuid4().hex}"
    # Files are copied in two thirds of the time that pages take.
    await execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield named(server.url, name)
    await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database_url(server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database without tables."""
    async with new_database(server) as url:
        yield url


@pytest.fixture
async def database_url(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A migrated database without rows."""
    async with new_database(server, template) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    # On a busy machine, more may wait for a connection than would in a server.
    database = Database(database_url, DatabaseSettings(pool_timeout_seconds=30))
    yield database
    await database.close()


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return database.sessions


@pytest.fixture
async def events_tell_changes(sessions: Sessions) -> AsyncIterator[None]:
    """In the test, events name the columns that are changed: those that the API shows, and no others."""
    async with sessions.begin() as session:
        await watch_changes(session)
    yield
    async with sessions() as session:
        assert await wrongly_told(session) == []


@pytest.fixture
def clock() -> TestClock:
    """The clock of the API, in the test's hand."""
    return TestClock()


@pytest.fixture
async def api(database: Database, clock: TestClock) -> AsyncIterator[Api]:
    """The API over the test's database, without a socket in between."""
    transport = httpx.ASGITransport(create_app(database, clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client)
