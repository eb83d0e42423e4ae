"""The database that a command works on, as the environment says."""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from rich.console import Console

from cli.errors import CommandError
from cli.settings import read_configuration
from db.database import Database
from db.driver.urls import asyncpg_url, is_pooled
from db.location import DatabaseServer, running_server
from db.migrations import migrate


@contextmanager
def database_server(data_dir: Path | None = None, *, make: bool = True) -> Iterator[DatabaseServer]:
    """The database for the time of the block. `data_dir` is an option, and stands above its variable.

    An embedded one is made where there is none, unless `make` is false. Raises `CommandError`, `DatabaseUrlError` and
    `EmbeddedPostgresError`.
    """
    configuration = read_configuration(data_dir=data_dir)
    with running_server(configuration.url(), configuration.data_dir, make=make) as server:
        yield server


@asynccontextmanager
async def database_at(url: str, *, pool_size: int) -> AsyncIterator[Database]:
    """The database at `url`, with the timeouts that are set, for the time of the block."""
    database = Database(url, read_configuration().of_database(), pool_size=pool_size)
    try:
        yield database
    finally:
        await database.close()


def typed(command: str, data_dir: Path | None = None) -> str:
    """A command of ours as a person types it to reach the same database. `./dev` says by which name it is called."""
    words = [os.environ.get("_BILLING_COMMAND", "billing"), command]
    if data_dir is not None:
        words += ["--data-dir", shlex.quote(str(data_dir))]
    return " ".join(words)


def require_direct(server: DatabaseServer) -> None:
    """Raises `CommandError` behind PgBouncer: the programs of PostgreSQL change settings of their session."""
    if is_pooled(asyncpg_url(server.url)):
        raise CommandError(
            "Backups are made and restored on PostgreSQL itself, not through PgBouncer: give its own address as"
            " DATABASE_URL, and leave BILLING_PGBOUNCER out."
        )


def migrated(server: DatabaseServer, *, console: Console) -> None:
    """Migrates the database and says what was done."""
    before, head = asyncio.run(migrate(server.url))
    console.print(f"Database    {server}")
    done = "up to date" if before == head else f"migrated from {before or 'nothing'}"
    console.print(f"Schema      {head}, {done}")
