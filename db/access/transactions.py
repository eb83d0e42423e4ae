"""Sessions: for reads on autocommit, and for the work of one transaction.

A transaction is the driver's own, and its session on autocommit: all that it sends is in that transaction. To begin and
to end one by way of SQLAlchemy takes four times as long; see docs/decisions/0011-rows-as-the-driver-gives-them.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from asyncpg.transaction import Transaction
from sqlalchemy import Connection, PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from billing.records import NewEvent
from db.access.scope import SCOPE, Scope, ScopedSession
from db.access.statements import DRIVER, LISTENERS, as_sqlalchemy_errors
from db.driver.connection import CONNECTION_LOST, ROLLBACK_SECONDS, driver_connection, drop, give_back
from db.driver.errors import READ_ONLY, OutcomeUnknown, is_lost, server_detail
from db.driver.usage import BEGIN, COMMIT, TimedStatement

EVENTS_KEY = "events"
"""Where a session's `info` has the events that its transaction stores, for those who are told of them."""


def announce_events(session: AsyncSession, events: Sequence[NewEvent]) -> None:
    """Has `Database.on_events` told of events that a session stores, once its transaction is committed."""
    announced: list[NewEvent] | None = session.info.get(EVENTS_KEY)
    if announced is not None:
        announced.extend(events)


class Sessions:
    """Makes sessions over one engine, which is on autocommit. They keep to a `Scope`, where one is given."""

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
        """A session each of whose statements is on its own."""
        return self._session(self._engine, scope)

    @asynccontextmanager
    async def begin(self, scope: Scope | None = None, *, seconds: float | None = None) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed when the block ends, and undone when it raises, or takes longer than these
        `seconds`.

        Raises `OutcomeUnknown` where the connection is lost while it is being committed, and `ConnectionError` or
        `TimeoutError` before.
        """
        async with asyncio.timeout(seconds):
            taken, transaction = await self._begun()
        committing = False
        # Where nobody is told they are not kept: a transaction may be as large as all demo data.
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
            await give_back(taken)

    async def _give_up(self, taken: PoolProxiedConnection, error: Exception) -> None:
        """Keeps a connection that is lost, or of no more use, from going back into the pool."""
        if server_detail(error, "sqlstate") == READ_ONLY:
            # The others were made before the server changed as well: the pool makes them anew when they are taken.
            self._engine.pool._invalidate(taken, error, _checkin=False)  # noqa: SLF001 - as the pool does of itself
        await drop(taken)

    async def _begun(self) -> tuple[PoolProxiedConnection, Transaction]:
        """A connection, and the transaction that has begun on it.

        A connection that was lost in the pool is dropped, and another one tried, once: the others are known to be lost
        by then. Raises `ConnectionError`, and `DBAPIError` where PostgreSQL refuses.
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
            # It may have begun: the next one would take itself for a part of it, and never be committed.
            await drop(taken)
            raise
        return taken, transaction

    def _session(self, bind: AsyncEngine | AsyncConnection, scope: Scope | None) -> AsyncSession:
        info: dict[Any, Any] = self._info if scope is None else {**self._info, SCOPE: scope}
        return AsyncSession(bind, sync_session_class=ScopedSession, expire_on_commit=False, info=info)


async def roll_back(transaction: Transaction) -> None:
    """Undoes a transaction. Where the database does not answer, that is done when the connection is closed."""
    with suppress(*CONNECTION_LOST):
        async with asyncio.timeout(ROLLBACK_SECONDS):
            await transaction.rollback()
