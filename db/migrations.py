"""Migration of a database to the newest schema, safe with concurrent starts and while others use the database."""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
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
    """The database is newer than the code. The message is one line for the person who started the command."""


class MigrationBlockedError(Exception):
    """A migration could not get its locks. The message is one line for the person who started the command."""


class ExtensionMissingError(Exception):
    """A migration could not create an extension. The message is one line for the person who started the command."""


HERE = Path(__file__).parent
SCRIPTS = next(folder for folder in (HERE / "alembic", HERE.parent / "alembic") if folder.is_dir())
"""Folder of the migrations: inside this package in an installed wheel, next to it in a checkout."""
MIGRATION_LOCK = 7_205_316_947_082_011_511
"""Key of the advisory lock that a process holds while it migrates. The value is arbitrary, but must never change."""

LOCK_POLL_SECONDS = 0.2
"""Interval between attempts to get the advisory lock while another process migrates."""

LOCK_TIMEOUT_MS = 500
"""Timeout for each wait of a migration for a table lock. All requests for the table queue behind it meanwhile."""

FIRST_LOCK_PAUSE_SECONDS = 1.0
LAST_PAUSE_SECONDS = 10.0
LOCK_RETRY_SECONDS = 600.0
"""Maximum time for which migrations are retried until they get their locks."""

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


@cache
def head_revision() -> str:
    """Returns the newest revision that this code knows."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "there are migrations"
    return head


async def current_revision(connection: AsyncConnection) -> str | None:
    """Returns the revision of the database, or None before the first migration."""
    return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def migrate(url: str) -> tuple[str | None, str]:
    """Migrates the database at `url` to the newest revision. Returns the revisions before and after.

    Concurrent callers take turns, and all but the first find nothing to do. Raises `UnknownRevisionError` and
    `MigrationBlockedError`.
    """
    async with migration_lock(url), single_connection(url) as connection:
        before, after = await connection.run_sync(upgrade_to_head)
        await connection.commit()
    return before, after


def upgrade_to_head(connection: Connection) -> tuple[str | None, str]:
    """Runs `alembic upgrade head` on an open connection. Returns the revisions before and after.

    `alembic/env.py` reads the connection from the attributes of the config.
    """
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


@cache
def known_revisions() -> frozenset[str]:
    """Returns all revisions that this code knows."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions())


@asynccontextmanager
async def migration_lock(url: str) -> AsyncIterator[None]:
    """Blocks all other migrations of the database for the duration of the block.

    The lock belongs to a transaction, on a separate connection: a session lock could get lost, because a pooler in
    transaction mode may run the next statement in another session. CREATE INDEX CONCURRENTLY waits for each transaction
    that holds a snapshot, so this one must not hold any. A statement that waits for the lock would hold one, so the
    lock is polled instead.
    """
    async with single_connection(url) as connection:
        while not await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}):
            await connection.rollback()
            await asyncio.sleep(LOCK_POLL_SECONDS)
        # Sent as plain text, through the driver: a prepared statement would keep its snapshot until the next one.
        raw = await connection.get_raw_connection()
        await cast("asyncpg.Connection", raw.driver_connection).execute(NO_TIMEOUTS)
        yield


def wait_briefly_for_locks(connection: Connection) -> None:
    """Sets a lock timeout of `LOCK_TIMEOUT_MS` in each transaction on the connection.

    Autocommit statements have no such timeout. CREATE INDEX CONCURRENTLY must be one: it waits for old transactions to
    end, but nobody queues behind it. The timeout is set per transaction, because a pooler may give the session to other
    clients.
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


def retry_while_blocked(
    connection: Connection,
    migrations: Callable[[], None],
    *,
    destination: str | None,
    patience_seconds: float = LOCK_RETRY_SECONDS,
) -> None:
    """Runs migrations, and retries them if one does not get a lock.

    A migration that fails for this reason changes nothing, and the ones before it stay applied. Requests that queued
    behind it proceed during the pauses. A destination such as `+2` is relative to the revision of the database, so it
    cannot be retried after one of its steps has succeeded. Raises `MigrationBlockedError` if the migrations cannot be
    retried, or not within `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    pause = FIRST_LOCK_PAUSE_SECONDS
    while True:
        before = revision_of(connection)
        try:
            return migrations()
        except DBAPIError as error:
            connection.rollback()
            if (error.statement or "").startswith("CREATE EXTENSION"):
                reason = server_detail(error, "message") or error
                raise ExtensionMissingError(
                    f"The database user cannot run `{error.statement}`: {reason}. Run it once in this database as the"
                    " database's owner or a superuser, and try again."
                ) from error
            if server_detail(error, "sqlstate") not in LOCK_SQLSTATES:
                raise
            oldest = connection.scalar(text(OLDEST_TRANSACTION)) or "none left"
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
