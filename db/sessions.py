"""Sessions: for reads on autocommit, and for the work of one transaction.

A transaction is the driver's own, and its session on autocommit: all that it sends is in that transaction. To begin and
to end one by way of SQLAlchemy takes four times as long; see docs/decisions/0011-rows-as-the-driver-gives-them.md.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from asyncpg.transaction import Transaction
from sqlalchemy import Connection, PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from db.connections import CONNECTION_LOST, driver_connection, drop, give_back, take
from db.scope import SCOPE, Scope, ScopedSession
from db.statements import DRIVER, LISTENERS, refusals
from db.usage import BEGIN, COMMIT, Sent


class Sessions:
    """Makes sessions over one engine, which is on autocommit. They keep to a `Scope`, where one is given."""

    def __init__(self, engine: AsyncEngine, listeners: Sequence[Callable[[str], None]] = ()) -> None:
        self._engine = engine
        self._info = {LISTENERS: listeners}

    def __call__(self, scope: Scope | None = None) -> AsyncSession:
        """A session each of whose statements is on its own."""
        return self._session(self._engine, scope)

    @asynccontextmanager
    async def begin(self, scope: Scope | None = None) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed when the block ends, and undone when it raises.

        Raises `ConnectionError` where the connection is lost. Where that comes of the commit, nobody knows whether it
        was done.
        """
        taken, transaction = await self._begun()
        try:
            connection = AsyncConnection(self._engine, Connection(self._engine.sync_engine, taken))
            try:
                async with self._session(connection, scope) as session:
                    session.info[DRIVER] = driver_connection(taken)
                    yield session
                    if session.in_transaction():
                        await session.commit()
            except BaseException:
                with suppress(*CONNECTION_LOST):  # nothing is left to undo
                    await transaction.rollback()
                raise
            with refusals(COMMIT), Sent(COMMIT):
                await transaction.commit()
        finally:
            await give_back(taken)

    async def _begun(self) -> tuple[PoolProxiedConnection, Transaction]:
        """A connection, and the transaction that has begun on it. A connection that was lost in the pool is dropped."""
        while True:
            taken = await take(self._engine)
            transaction = driver_connection(taken).transaction()
            try:
                with Sent(BEGIN):
                    await transaction.start()
            except CONNECTION_LOST:
                await drop(taken)
            except BaseException:
                await give_back(taken)
                raise
            else:
                return taken, transaction

    def _session(self, bind: AsyncEngine | AsyncConnection, scope: Scope | None) -> AsyncSession:
        info: dict[Any, Any] = self._info if scope is None else {**self._info, SCOPE: scope}
        return AsyncSession(bind, sync_session_class=ScopedSession, expire_on_commit=False, info=info)
