"""Connections through PgBouncer in transaction mode, where each transaction may run in another session of PostgreSQL.

A client cannot keep state in a session there: a prepared statement may not exist in the next session, and a timeout
would also apply to other clients. So statements are prepared without a name and used once; in between, the driver sends
nothing that would end the transaction. Each statement runs in a transaction, in its own if none is open, and the
timeouts are set per transaction. This works with all versions of PgBouncer. Only newer ones support named prepared
statements; the version in Debian 12 does not.

See https://www.pgbouncer.org/features.html.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from asyncpg.transaction import Transaction

from db.driver.connection import ROLLBACK_SECONDS

TRACKED_SETTINGS = ("application_name", "timezone", "datestyle")
"""Connection settings that PgBouncer tracks per client, and applies to each session that it assigns to the client."""

NEEDS_NO_TRANSACTION = re.compile(r"\s*(CREATE|DROP|REINDEX)\b.*\bCONCURRENTLY\b", re.IGNORECASE | re.DOTALL)


def pgbouncer_arguments(settings: Mapping[str, str]) -> dict[str, Any]:
    """Returns the arguments with which SQLAlchemy and the driver open a connection with these settings."""
    of_transaction = [name for name in settings if name not in TRACKED_SETTINGS]
    set_local = "".join(f" SET LOCAL {name} = {int(settings[name])};" for name in of_transaction)
    return {
        "server_settings": {name: settings[name] for name in TRACKED_SETTINGS if name in settings},
        "connection_class": type("Connection", (PgBouncerConnection,), {"__slots__": (), "set_local": set_local}),
        # Neither the driver nor SQLAlchemy may cache statements: without a name, each can be used only once.
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
    }


class PgBouncerConnection(asyncpg.Connection):
    """A connection that runs each statement in a transaction."""

    __slots__ = ()

    set_local = ""
    """SQL appended to BEGIN, which sets the timeouts of the transaction."""

    @asynccontextmanager
    async def at_least_its_own(self) -> AsyncIterator[None]:
        """Runs the block in the open transaction, or in a new one if none is open."""
        if self.is_in_transaction():
            yield
            return
        transaction = self.transaction()
        await begin_transaction(self, transaction)
        try:
            yield
        except BaseException:
            await end_transaction(self, transaction)
            raise
        await transaction.commit()

    async def execute(self, query: str, *arguments: Any, **options: Any) -> str:
        if arguments:
            async with self.at_least_its_own():
                return await super().execute(query, *arguments, **options)
        # Without arguments, the query is one message: it needs no transaction, and can set the timeouts at no cost.
        begins = query.startswith("BEGIN")
        return await super().execute(query + self.set_local if begins else query, **options)

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        async with self.at_least_its_own():
            return await super().fetch(*arguments, **options)

    async def fetchrow(self, *arguments: Any, **options: Any) -> Any:
        async with self.at_least_its_own():
            return await super().fetchrow(*arguments, **options)

    async def set_builtin_type_codec(self, *arguments: Any, **options: Any) -> None:
        # Looks up the type in the database.
        async with self.at_least_its_own():
            await super().set_builtin_type_codec(*arguments, **options)

    async def prepare(self, query: str, **options: Any) -> Any:
        """Prepares a statement. If no transaction is open, starts one that ends after the statement's single use."""
        if self.is_in_transaction():
            return await super().prepare(query, **options)
        if NEEDS_NO_TRANSACTION.match(query):
            return PlainStatement(self, query)
        transaction = self.transaction()
        await begin_transaction(self, transaction)
        try:
            return SingleUseStatement(self, await super().prepare(query, **options), transaction)
        except BaseException:
            await end_transaction(self, transaction)
            raise


class SingleUseStatement:
    """A prepared statement with its own transaction, which ends after a single use."""

    def __init__(
        self, connection: PgBouncerConnection, statement: "PreparedStatement[Any]", transaction: Transaction
    ) -> None:
        self._connection = connection
        self._statement = statement
        self._transaction = transaction
        self.get_attributes = statement.get_attributes
        self.get_statusmsg = statement.get_statusmsg

    async def fetch(self, *arguments: Any) -> list[Any]:
        try:
            rows = await self._statement.fetch(*arguments)
        except BaseException:
            await end_transaction(self._connection, self._transaction)
            raise
        await self._transaction.commit()
        return rows


class PlainStatement:
    """A statement that cannot run in a transaction. It is sent as plain text, in one message."""

    def __init__(self, connection: PgBouncerConnection, query: str) -> None:
        self._connection = connection
        self._query = query
        self._status = ""

    def get_attributes(self) -> tuple[()]:
        return ()

    def get_statusmsg(self) -> str:
        return self._status

    async def fetch(self) -> list[Any]:
        self._status = await self._connection.execute(self._query)
        return []


async def begin_transaction(connection: asyncpg.Connection, transaction: Transaction) -> None:
    """Starts the transaction. Terminates the connection on failure, as the transaction may or may not have started."""
    try:
        await transaction.start()
    except BaseException:
        connection.terminate()
        raise


async def end_transaction(connection: asyncpg.Connection, transaction: Transaction) -> None:
    """Rolls back, unless the connection is closed. Terminates it if the database does not respond in time."""
    if connection.is_closed():
        return
    try:
        async with asyncio.timeout(ROLLBACK_SECONDS):
            await transaction.rollback()
    except TimeoutError:
        connection.terminate()
