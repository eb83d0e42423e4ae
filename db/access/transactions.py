"""Sessions in autocommit mode, and sessions for one transaction.

A transaction is begun and committed directly with the driver, because SQLAlchemy takes four times as long. Its session
is in autocommit mode for SQLAlchemy, but everything that it sends is part of the driver's transaction. See
docs/decisions/0011-rows-as-the-driver-gives-them.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from asyncpg.transaction import Transaction
from sqlalchemy import Connection, PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from billing.new_records import NewEvent
from db.access.scope import SCOPE, Scope, ScopedSession
from db.access.statements import DRIVER, LISTENERS, as_sqlalchemy_errors
from db.driver.connection import (
    CONNECTION_LOST,
    ROLLBACK_SECONDS,
    discard_connection,
    driver_connection,
    return_to_pool,
)
from db.driver.errors import READ_ONLY, OutcomeUnknown, is_lost, server_detail
from db.driver.usage import BEGIN, COMMIT, TimedStatement

EVENTS_KEY = "events"
"""Key in the `info` of a session for the events of its transaction, which are passed to `Database.on_events`."""


def announce_events(session: AsyncSession, events: Sequence[NewEvent]) -> None:
    """Passes events that a session stores to `Database.on_events` when its transaction is committed."""
    announced: list[NewEvent] | None = session.info.get(EVENTS_KEY)
    if announced is not None:
        announced.extend(events)


class Sessions:
    """Creates sessions, optionally limited by a `Scope`, for an engine in autocommit mode."""

    def __init__(
        self,
        engine: AsyncEngine,
        listeners: Sequence[Callable[[str], None]] = (),
        on_events: Sequence[Callable[[Sequence[NewEvent]], None]] = (),
    ) -> None:
        self._engine = engine
        self._on_events = on_events
        self._info = {LISTENERS: listeners}

    def __call__(self, scope: Scope | None = None) -> AsyncSession:
        """Returns a session in autocommit mode: each statement is its own transaction."""
        return self._session(self._engine, scope)

    @asynccontextmanager
    async def begin(self, scope: Scope | None = None, *, seconds: float | None = None) -> AsyncIterator[AsyncSession]:
        """Yields a session for one transaction, which is committed when the block ends.

        The transaction is rolled back if the block raises or takes longer than `seconds`. Starting the transaction has
        a separate timeout of the same length. Raises `OutcomeUnknown` if the connection is lost or the timeout expires
        during the commit, and `ConnectionError` or `TimeoutError` before it.
        """
        async with asyncio.timeout(seconds):
            taken, transaction = await self._begun()
        committing = False
        # Without listeners, events are not collected: they need memory, and all demo data is one transaction.
        events: list[NewEvent] | None = [] if self._on_events else None
        try:
            async with asyncio.timeout(seconds):
                connection = AsyncConnection(
                    self._engine, Connection(self._engine.sync_engine, taken, _allow_revalidate=False)
                )
                try:
                    async with self._session(connection, scope) as session:
                        session.info[DRIVER], session.info[EVENTS_KEY] = driver_connection(taken), events
                        yield session
                        if session.in_transaction():
                            await session.commit()
                except BaseException:
                    await roll_back(transaction)
                    raise
                committing = True
                with as_sqlalchemy_errors(COMMIT), TimedStatement(COMMIT):
                    await transaction.commit()
        except Exception as error:
            if is_lost(error) or isinstance(error, OSError):
                await self._give_up(taken, error)
                if committing:
                    raise OutcomeUnknown from error
            raise
        else:
            if events:
                for listener in self._on_events:
                    listener(events)
        finally:
            await return_to_pool(taken)

    async def _give_up(self, taken: PoolProxiedConnection, error: Exception) -> None:
        """Removes a lost or unusable connection from the pool."""
        if server_detail(error, "sqlstate") == READ_ONLY:
            # The server has become a standby. Older connections lead to it too: the pool replaces them at checkout.
            self._engine.pool._invalidate(taken, error, _checkin=False)  # noqa: SLF001 - as SQLAlchemy does itself
        await discard_connection(taken)

    async def _begun(self) -> tuple[PoolProxiedConnection, Transaction]:
        """Returns a connection and the transaction that was begun on it.

        If the connection was lost while it was idle in the pool, tries one other connection. One retry is enough: by
        then, the driver knows which of the others are lost. Raises `ConnectionError`, and `DBAPIError` for errors of
        PostgreSQL.
        """
        try:
            return await self._begin_on(await self._engine.raw_connection())
        except CONNECTION_LOST:
            with as_sqlalchemy_errors(BEGIN):
                return await self._begin_on(await self._engine.raw_connection())

    async def _begin_on(self, taken: PoolProxiedConnection) -> tuple[PoolProxiedConnection, Transaction]:
        transaction = driver_connection(taken).transaction()
        try:
            with TimedStatement(BEGIN):
                await transaction.start()
        except BaseException:
            # The transaction may have begun: the next one would become a savepoint in it and never be committed.
            await discard_connection(taken)
            raise
        return taken, transaction

    def _session(self, bind: AsyncEngine | AsyncConnection, scope: Scope | None) -> AsyncSession:
        info: dict[Any, Any] = self._info if scope is None else {**self._info, SCOPE: scope}
        return AsyncSession(bind, sync_session_class=ScopedSession, expire_on_commit=False, info=info)


async def roll_back(transaction: Transaction) -> None:
    """Rolls back a transaction. If the database does not respond, closing the connection does it."""
    with suppress(*CONNECTION_LOST):
        async with asyncio.timeout(ROLLBACK_SECONDS):
            await transaction.rollback()
