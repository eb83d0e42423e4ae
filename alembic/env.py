"""How alembic reaches the database: a connection handed in, DATABASE_URL, or the embedded server."""

import asyncio
import logging

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from cli.database import database_server
from db.database import asyncpg_url, single_connection
from db.migrations import migration_lock
from db.models import Base


def render_item(type_: str, item: object, autogen_context: AutogenContext) -> str | bool:
    """Migrations name plain column types: they must read the same when the code's own types have changed."""
    if type_ != "type" or not isinstance(item, TypeDecorator):
        return False
    plain = item.impl_instance
    if not type(plain).__module__.startswith("sqlalchemy.dialects"):
        return f"sa.{plain!r}"
    autogen_context.imports.add("from sqlalchemy.dialects import postgresql")
    return "postgresql.JSONB()" if isinstance(plain, JSONB) else f"postgresql.{plain!r}"


def run(connection: Connection) -> None:
    with migration_lock(connection):
        run_locked(connection)


def run_locked(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
        render_item=render_item,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_on(url: str) -> None:
    async with single_connection(url) as connection:
        await connection.run_sync(run)
        await connection.commit()


def main() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        run(connection)
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with database_server() as server:
        if not context.is_offline_mode():
            asyncio.run(run_on(server.url))
            return
        context.configure(
            url=asyncpg_url(server.url),
            target_metadata=Base.metadata,
            literal_binds=True,
            render_item=render_item,
        )
        with context.begin_transaction():
            context.run_migrations()


main()
