"""Bringing a database to the newest schema, once, however many processes start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database import single_connection

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

    Concurrent callers take turns; all but the first find nothing to do.
    """
    head = head_revision()
    async with single_connection(url) as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        await connection.commit()
        before = await current_revision(connection)
        await connection.commit()
        if before != head:
            await connection.run_sync(upgrade_to_head)
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        await connection.commit()
    return before, head


def upgrade_to_head(connection: Connection) -> None:
    """`alembic upgrade head` on an open connection, which `alembic/env.py` takes from the config's attributes."""
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
