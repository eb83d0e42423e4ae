"""Connections behind PgBouncer in transaction mode, where each transaction may run in another session of PostgreSQL.

Whatever belongs to a session is none of a client's there: a prepared statement would be looked for where it was not
made, and a timeout would go to others. So statements are prepared without a name, for one use: between that and its use
the driver asks for no answer that would end a transaction. And each statement runs in a transaction, its own where
there is no other, in which the timeouts are set. This holds for all versions of PgBouncer: newer ones know prepared
statements with names, and older ones, such as that of Debian 12, do not.

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

TAKEN_SETTINGS = ("application_name", "timezone", "datestyle")
"""Of a connection's settings, PgBouncer takes these, and gives them to each session that it lends."""

NEEDS_NO_TRANSACTION = re.compile(r"\s*(CREATE|DROP|REINDEX)\b.*\bCONCURRENTLY\b", re.IGNORECASE | re.DOTALL)


def pgbouncer_arguments(settings: Mapping[str, str]) -> dict[str, Any]:
    """What a connection with these settings is made with, for SQLAlchemy and its driver."""
    of_transaction = [name for name in settings if name not in TAKEN_SETTINGS]
    set_local = "".join(f" SET LOCAL {name} = {int(settings[name])};" for name in of_transaction)
    return {
        "server_settings": {name: settings[name] for name in TAKEN_SETTINGS if name in settings},
        "connection_class": type("Connection", (PgBouncerConnection,), {"__slots__": (), "set_local": set_local}),
        # What is prepared is used once, and has no name then: neither the driver nor SQLAlchemy keeps it.
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
    }


class PgBouncerConnection(asyncpg.Connection):
    """A connection each of whose statements runs in a transaction."""

    __slots__ = ()

    set_local = ""
    """SQL that a transaction begins with."""

    @asynccontextmanager
    async def at_least_its_own(self) -> AsyncIterator[None]:
        """A transaction, where none has begun."""
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
        # Without arguments, it is one message: nothing can come in between, and more of them cost nothing.
        begins = query.startswith("BEGIN")
        return await super().execute(query + self.set_local if begins else query, **options)

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        async with self.at_least_its_own():
            return await super().fetch(*arguments, **options)

    async def fetchrow(self, *arguments: Any, **options: Any) -> Any:
        async with self.at_least_its_own():
            return await super().fetchrow(*arguments, **options)

    async def set_builtin_type_codec(self, *arguments: Any, **options: Any) -> None:
        # It asks the database for the type.
        async with self.at_least_its_own():
            await super().set_builtin_type_codec(*arguments, **options)

    async def prepare(self, query: str, **options: Any) -> Any:
        """A statement; outside of a transaction, one whose transaction begins here, and ends with its one use."""
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
    """A prepared statement with a transaction of its own, which its one use ends."""

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
    """A statement that cannot be in a transaction: sent as text, in one message."""

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
    """Begins the transaction. Where that is broken off, nobody knows whether it has, and the connection is given up."""
    try:
        await transaction.start()
    except BaseException:
        connection.terminate()
        raise


async def end_transaction(connection: asyncpg.Connection, transaction: Transaction) -> None:
    """Rolls back, unless the connection is lost and the transaction with it; given up where nothing answers in time."""
    if connection.is_closed():
        return
    try:
        async with asyncio.timeout(ROLLBACK_SECONDS):
            await transaction.rollback()
    except TimeoutError:
        connection.terminate()
