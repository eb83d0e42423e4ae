"""Connections of a pool, as the driver has them."""

import time
from typing import Any, cast

import asyncpg
from sqlalchemy import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from db.driver.patience import running_timeout

CONNECTION_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


CANCEL_SECONDS = 0.5
"""So long a statement that was canceled has to end."""


async def give_back(taken: PoolProxiedConnection, *, canceled: bool = False) -> None:
    """Lets others have the connection, unless it cannot be used any more; `canceled`: a statement on it was."""
    usable = False
    try:
        usable = (
            not is_closed(taken)
            and (not canceled or await has_canceled(driver_connection(taken)))
            and not driver_connection(taken).is_in_transaction()
        )
    finally:
        if usable:
            taken.close()
        else:
            await drop(taken)


async def has_canceled(connection: asyncpg.Connection) -> bool:
    """Whether the database has acknowledged in time that it has canceled a statement: the driver waits for that before
    it sends the next one, and would wait for ever.
    """
    try:
        async with running_timeout(CANCEL_SECONDS):
            await connection.execute("SELECT 1")
    except (*CONNECTION_LOST, asyncpg.PostgresError):
        return False
    return True


async def drop(taken: PoolProxiedConnection) -> None:
    """Takes the connection out of its pool, which makes a new one when it is asked again."""
    if taken.dbapi_connection is not None:
        # SQLAlchemy would say good-bye first, and wait for an answer.
        driver_connection(taken).terminate()
        await greenlet_spawn(taken.invalidate)
    taken.close()


def driver_connection(taken: PoolProxiedConnection) -> asyncpg.Connection:
    return cast("asyncpg.Connection", taken.driver_connection)


def is_closed(taken: PoolProxiedConnection) -> bool:
    return taken.dbapi_connection is None or driver_connection(taken).is_closed()


CONNECT_TIMEOUT_SECONDS = 1
LONGEST_CONNECT_SECONDS = 30
"""Timeout for a connection, with the time in which this process does not run."""

SILENT_SECONDS = 1
"""So long a database that did not answer is taken for silent, before it is tried again."""


class Connector:
    """Makes connections. While the database does not answer at all, it says so without waiting for each of them."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    async def connect(self, *arguments: Any, **options: Any) -> asyncpg.Connection:  # noqa: ANN401 - the driver's
        """A new connection. Raises `TimeoutError` where the database does not answer, and what the driver raises."""
        if time.monotonic() < self._silent_until:
            raise TimeoutError("The database did not respond a moment ago.")
        try:
            async with running_timeout(CONNECT_TIMEOUT_SECONDS):
                return await asyncpg.connect(*arguments, timeout=LONGEST_CONNECT_SECONDS, **options)
        except TimeoutError:
            self._silent_until = time.monotonic() + SILENT_SECONDS
            raise


ROLLBACK_SECONDS = 1
