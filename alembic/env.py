"""Environment of alembic. Connects through a connection that is passed in, DATABASE_URL, or the embedded PostgreSQL."""

import asyncio
import logging

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Column, Connection, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from db.database import single_connection
from db.migrations import LOCK_TIMEOUT_MS, migration_lock, retry_while_blocked, wait_briefly_for_locks
from db.models import Base


def render_item(type_: str, item: object, autogen_context: AutogenContext) -> str | bool:
    """Renders custom column types as plain types, so that migrations stay valid when the custom types change."""
    if type_ != "type" or not isinstance(item, TypeDecorator):
        return False
    plain = item.impl_instance
    if not type(plain).__module__.startswith("sqlalchemy.dialects"):
        return f"sa.{plain!r}"
    autogen_context.imports.add("from sqlalchemy.dialects import postgresql")
    return "postgresql.JSONB()" if isinstance(plain, JSONB) else f"postgresql.{plain!r}"


def include_object(item: object, _name: str | None, type_: str, _reflected: bool, _compared: object) -> bool:
    """Skips indexes on expressions. PostgreSQL stores expressions in another form, so they would always differ."""
    return type_ != "index" or (isinstance(item, Index) and all(isinstance(each, Column) for each in item.expressions))


def run(connection: Connection) -> None:
    wait_briefly_for_locks(connection)
    # For example `head` or `+1`. Some commands of alembic have no revision.
    destination = getattr(context.config.cmd_opts, "revision", None)
    retry_while_blocked(connection, lambda: run_once(connection), destination=destination)


def run_once(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
        render_item=render_item,
        include_object=include_object,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_on(url: str) -> None:
    async with migration_lock(url), single_connection(url) as connection:
        await connection.run_sync(run)
        await connection.commit()


def print_sql() -> None:
    """Prints the SQL of the migrations. Needs no database."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=Base.metadata,
        literal_binds=True,
        render_item=render_item,
        transaction_per_migration=True,
    )
    # Same timeout as in `wait_briefly_for_locks`. A migration that exceeds it changes nothing and can be run again.
    context.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        run(connection)
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if context.is_offline_mode():
        print_sql()
        return
    # Only the `alembic` command gets here, as an entry point like cli/. The server passes a connection.
    from cli.database import database_server

    with database_server() as server:
        asyncio.run(run_on(server.url))


main()
