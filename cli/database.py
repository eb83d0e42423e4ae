"""The database that a command works on, as set by the environment."""

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
from db.driver.urls import asyncpg_url, is_pgbouncer
from db.location import DatabaseServer, running_server
from db.migrations import migrate


@contextmanager
def database_server(data_dir: Path | None = None, *, make: bool = True) -> Iterator[DatabaseServer]:
    """Provides the database for the duration of the block. `data_dir` is an option that overrides its variable.

    Creates an embedded database if there is none, unless `make` is false. Raises `CommandError`, `DatabaseUrlError` and
    `EmbeddedPostgresError`.
    """
    configuration = read_configuration(data_dir=data_dir)
    with running_server(configuration.url(), configuration.data_dir, make=make) as server:
        yield server


@asynccontextmanager
async def database_at(url: str, *, pool_size: int) -> AsyncIterator[Database]:
    """The database at `url` with the configured timeouts, closed when the block ends."""
    database = Database(url, read_configuration().of_database(), pool_size=pool_size)
    try:
        yield database
    finally:
        await database.close()


def command_line(command: str, data_dir: Path | None = None) -> str:
    """Returns a `billing` command for the same database as a user would type it. `./dev` sets the program's name."""
    words = [os.environ.get("_BILLING_COMMAND", "billing"), command]
    if data_dir is not None:
        words += ["--data-dir", shlex.quote(str(data_dir))]
    return " ".join(words)


def require_direct(server: DatabaseServer) -> None:
    """Raises `CommandError` behind PgBouncer, because PostgreSQL's client programs change session settings."""
    if is_pgbouncer(asyncpg_url(server.url)):
        raise CommandError(
            "Backup and restore do not work through PgBouncer: set DATABASE_URL to PostgreSQL's own address and"
            " unset BILLING_PGBOUNCER."
        )


def migrate_and_report(server: DatabaseServer, *, console: Console) -> None:
    """Migrates the database and prints the result."""
    before, head = asyncio.run(migrate(server.url))
    console.print(f"Database    {server}")
    done = "up to date" if before == head else f"migrated from {before or 'nothing'}"
    console.print(f"Schema      {head}, {done}")
