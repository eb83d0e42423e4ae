"""Bringing a database to the newest schema, once, however many processes start, and while others use it."""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, RootTransaction, event, text
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database import NO_TIMEOUTS, single_connection
from db.driver.errors import server_detail

log = logging.getLogger(__name__)


class UnknownRevisionError(Exception):
    """The database is newer than the code. The message is one line for the person who started it."""


class MigrationBlockedError(Exception):
    """A migration did not get the locks that it needs. The message is one line for the person who started it."""


HERE = Path(__file__).parent
SCRIPTS = next(folder for folder in (HERE / "alembic", HERE.parent / "alembic") if folder.is_dir())
"""The migrations: in an installed wheel inside of this package, in a checkout beside it."""
MIGRATION_LOCK = 7_205_316_947_082_011_511
"""Key of the advisory lock that a migrating process holds. Any constant does; it must never change."""

LOCK_POLL_SECONDS = 0.2
"""So often it is asked whether another process has done migrating."""

LOCK_TIMEOUT_MS = 500
"""So long a migration waits for a lock on a table at a time: behind it all requests for the table wait."""

FIRST_LOCK_PAUSE_SECONDS = 1.0
LAST_PAUSE_SECONDS = 10.0
PATIENCE_SECONDS = 600.0
"""So long a migration tries to get its locks."""

LOCK_SQLSTATES = ("55P03", "40P01")

OLDEST_TRANSACTION = """
    SELECT format('pid %s, user %s, application %s, since %s', pid, usename, application_name, xact_start)
    FROM pg_stat_activity
    WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
        AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pg_locks.pid = pg_stat_activity.pid)
    ORDER BY xact_start LIMIT 1
"""


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def head_revision() -> str:
    """The newest revision that this code knows."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "there are migrations"
    return head


async def current_revision(connection: AsyncConnection) -> str | None:
    """The revision that the database is at; None before the first migration."""
    return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def migrate(url: str) -> tuple[str | None, str]:
    """Brings the database at `url` to the head. Returns the revisions before and after.

    Concurrent callers take turns; all but the first find nothing to do. Raises `UnknownRevisionError` and
    `MigrationBlockedError`.
    """
    async with migration_lock(url), single_connection(url) as connection:
        before, after = await connection.run_sync(upgrade_to_head)
        await connection.commit()
    return before, after


def upgrade_to_head(connection: Connection) -> tuple[str | None, str]:
    """`alembic upgrade head` on an open connection, which `alembic/env.py` takes from the config's attributes."""
    head = head_revision()
    before = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    if before != head:
        if before is not None and before not in known_revisions():
            raise UnknownRevisionError(
                f"The database is at revision {before}, which this version does not know: a newer version migrated it."
            )
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, head


def known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


@asynccontextmanager
async def migration_lock(url: str) -> AsyncIterator[None]:
    """Keeps all other migrations of the database waiting for the time of the block.

    The lock is that of a transaction on a connection of its own: behind a pooler of transactions, the next statement
    of a session may run in another one. CREATE INDEX CONCURRENTLY waits for each transaction that has a snapshot, so
    none may be open here: a statement that waited for the lock would have one, and is sent again and again instead.
    """
    async with single_connection(url) as connection:
        while not await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}):
            await connection.rollback()
            await asyncio.sleep(LOCK_POLL_SECONDS)
        # By the driver, as plain text: a prepared statement keeps its snapshot until the next one.
        raw = await connection.get_raw_connection()
        await cast("asyncpg.Connection", raw.driver_connection).execute(NO_TIMEOUTS)
        yield


def wait_briefly_for_locks(connection: Connection) -> None:
    """Has each transaction on the connection wait for a lock for `LOCK_TIMEOUT_MS` at most.

    Not what runs on autocommit, which CREATE INDEX CONCURRENTLY has to: it waits for old transactions to end, and
    nobody waits behind it. The timeout is one of the transaction, since a pooler may give the session to others.
    """
    limited: RootTransaction | None = None

    def limit(connection: Connection, cursor: DBAPICursor, *_: object) -> None:
        nonlocal limited
        transaction = connection.get_transaction()
        if isinstance(transaction, RootTransaction) and transaction is not limited:
            limited = transaction
            if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
                cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")

    event.listen(connection, "before_cursor_execute", limit)


def until_not_blocked(
    connection: Connection,
    migrations: Callable[[], None],
    *,
    destination: str | None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """Runs migrations, and again where one did not get a lock: that one has changed nothing, and those before it stay.

    In between, all that waited behind it goes on. A destination such as `+2` counts from where the database is: where
    one of its steps was done, it cannot be run again. Raises `MigrationBlockedError`.
    """
    deadline = time.monotonic() + patience_seconds
    pause = FIRST_LOCK_PAUSE_SECONDS
    while True:
        before = revision_of(connection)
        try:
            return migrations()
        except DBAPIError as error:
            connection.rollback()
            if server_detail(error, "sqlstate") not in LOCK_SQLSTATES:
                raise
            oldest = connection.scalar(text(OLDEST_TRANSACTION)) or "none by now"
            waits_for = f"a migration is waiting for a table in use; oldest transaction: {oldest}"
            repeatable = revision_of(connection) == before or not re.search(r"[+-]\d+$", destination or "")
            if not repeatable or time.monotonic() + pause > deadline:
                raise MigrationBlockedError(f"Gave up: {waits_for}. No migration is half done: try again.") from error
            log.warning("Trying again in %.1f s: %s", pause, waits_for)
        time.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311
        pause = min(2 * pause, LAST_PAUSE_SECONDS)


def revision_of(connection: Connection) -> tuple[str, ...]:
    heads = MigrationContext.configure(connection).get_current_heads()
    connection.rollback()
    return heads
