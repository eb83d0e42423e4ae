"""Bringing a database to the newest schema, once, however many processes start."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database import single_connection


class UnknownRevisionError(Exception):
    """The database is newer than the code. The message is one line for the person who started it."""


ROOT = Path(__file__).parent.parent
MIGRATION_LOCK = 7_205_316_947_082_011_511
"""Key of the advisory lock that a migrating process holds. Any constant does; it must never change."""


def alembic_config() -> Config:
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "alembic"))
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

    Concurrent callers take turns; all but the first find nothing to do. Raises `UnknownRevisionError`.
    """
    async with single_connection(url) as connection:
        before, after = await connection.run_sync(upgrade_to_head)
        await connection.commit()
    return before, after


def upgrade_to_head(connection: Connection) -> tuple[str | None, str]:
    """`alembic upgrade head` on an open connection, which `alembic/env.py` takes from the config's attributes."""
    head = head_revision()
    with migration_lock(connection):
        before = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        if before != head:
            if before is not None and before not in known_revisions():
                raise UnknownRevisionError(
                    f"The database is at revision {before}, which this version does not know: a newer one migrated it."
                )
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return before, head


def known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


@contextmanager
def migration_lock(connection: Connection) -> Iterator[None]:
    """Keeps all other migrations of this database waiting for the time of the block.

    Within it a statement waits for a lock on a table for 5 seconds at most: behind it all requests would queue.
    """
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("RESET lock_timeout"))
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
