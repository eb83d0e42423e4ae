"""Driver connections: opening them, returning them to their pool, and dropping them."""

import time
from typing import Any, cast

import asyncpg
from sqlalchemy import URL, PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from db.driver.patience import running_timeout
from db.driver.urls import Place, places_of, target_of

CONNECTION_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


CANCEL_SECONDS = 0.5
"""Timeout for the database to confirm that it canceled a statement."""


async def return_to_pool(taken: PoolProxiedConnection, *, canceled: bool = False) -> None:
    """Returns the connection to its pool, or drops it if it is unusable.

    Set `canceled` if a statement on it was canceled.
    """
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
            await discard_connection(taken)


async def has_canceled(connection: asyncpg.Connection) -> bool:
    """Returns True if the database confirms within `CANCEL_SECONDS` that it canceled a statement.

    The driver waits for the confirmation before it sends the next statement, but has no timeout of its own.
    """
    try:
        async with running_timeout(CANCEL_SECONDS):
            await connection.execute("SELECT 1")
    except (*CONNECTION_LOST, asyncpg.PostgresError):
        return False
    return True


async def discard_connection(taken: PoolProxiedConnection) -> None:
    """Removes the connection from its pool, which opens a new one when needed."""
    if taken.dbapi_connection is not None:
        # SQLAlchemy alone would close it gracefully, and wait for a response.
        driver_connection(taken).terminate()
        await greenlet_spawn(taken.invalidate)
    taken.close()


def driver_connection(taken: PoolProxiedConnection) -> asyncpg.Connection:
    return cast("asyncpg.Connection", taken.driver_connection)


def is_closed(taken: PoolProxiedConnection) -> bool:
    return taken.dbapi_connection is None or driver_connection(taken).is_closed()


CONNECT_TIMEOUT_SECONDS = 1
LONGEST_CONNECT_SECONDS = 30
"""Timeout for opening a connection, by the clock. `CONNECT_TIMEOUT_SECONDS` only counts while this process runs."""

BACKOFF_SECONDS = 1
"""Time after a connection timeout during which the same host is not tried again."""


NOT_CONNECTED = (OSError, asyncpg.PostgresError, asyncpg.InternalClientError)
"""Errors after which another host of the database is tried."""


class Connector:
    """Opens connections to the database at a URL. Tries the host of the last connection first, then the others.

    After a timeout, no connection to the same host is attempted for `BACKOFF_SECONDS`.
    """

    def __init__(self, url: URL, *, timeout_seconds: float = CONNECT_TIMEOUT_SECONDS) -> None:
        """`url` is from `asyncpg_url`. `timeout_seconds` applies to each host."""
        # Without a place, the driver connects to the only host of the URL.
        self._places: list[Place | None] = [*places_of(url)] or [None]
        target = target_of(url)
        self._targets = ("standby", "any") if target == "prefer-standby" else (target,)
        """The targets to try, one after the other. None for that of the environment."""
        self._timeout_seconds = timeout_seconds
        self._silent_until: dict[Place | None, float] = {}

    async def connect(self, *arguments: Any, **options: Any) -> asyncpg.Connection:  # noqa: ANN401 - the driver's
        """Opens a connection.

        If no host can be used, raises the error that says most: see `how_vague`.
        """
        failures: list[Exception] = [TimeoutError("The database did not respond a moment ago.")]
        for target in self._targets:
            for place in [*self._places]:
                if time.monotonic() < self._silent_until.get(place, 0):
                    continue
                where: dict[str, str | int] = {} if place is None else {"host": place.host, "port": place.port}
                if target is not None:
                    where["target_session_attrs"] = target
                try:
                    connection = await self._connect(*arguments, **options, **where)
                except TimeoutError as error:
                    self._silent_until[place] = time.monotonic() + BACKOFF_SECONDS
                    failures.append(error)
                    # Callers have a time limit. The next one starts with another host.
                    self._places.remove(place)
                    self._places.append(place)
                except NOT_CONNECTED as error:
                    failures.append(error)
                else:
                    self._places.remove(place)
                    self._places.insert(0, place)
                    return connection
        raise min(failures, key=how_vague)

    async def _connect(self, *arguments: Any, **options: Any) -> asyncpg.Connection:  # noqa: ANN401 - the driver's
        async with running_timeout(self._timeout_seconds):
            return await asyncpg.connect(*arguments, timeout=LONGEST_CONNECT_SECONDS, **options)


def how_vague(error: Exception) -> int:
    """Orders errors of several hosts: what a server said, a refused connection, the wrong kind of server, silence."""
    if isinstance(error, asyncpg.PostgresError):
        return 0
    if isinstance(error, TimeoutError):
        return 3
    return 2 if isinstance(error, asyncpg.TargetServerAttributeNotMatched) else 1


ROLLBACK_SECONDS = 1
