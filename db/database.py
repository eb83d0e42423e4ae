"""Database access of a process: one connection pool for responses, and one for everything else."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import asyncpg
from sqlalchemy import URL, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from billing.new_records import NewEvent
from db.access.queues import TURN, Busy, Queues, Turn
from db.access.reads import Reads
from db.access.rows import read_as_strings
from db.access.scope import Scope, count_rows
from db.access.transactions import Sessions
from db.driver.connection import Connector
from db.driver.errors import OutcomeUnknown, is_lost, is_unavailable, retryable_sqlstate
from db.driver.patience import running_timeout
from db.driver.pgbouncer import pgbouncer_arguments
from db.driver.pool import Pool
from db.driver.urls import asyncpg_url, driver_url, expects_writes, is_pgbouncer
from db.driver.usage import count_usage
from db.settings import DEFAULTS, DatabaseSettings

MAX_PREPARED_STATEMENTS = 300
"""Maximum number of prepared statements to keep per connection."""

START_UP_TIMEOUT_SECONDS = 5
"""Timeout for opening the connection of a start-up task."""
CLIENT_CHECK_INTERVAL_MS = 1_000
"""Interval at which PostgreSQL checks, during a statement or a lock wait, that this process is still connected."""

CLOSE_SECONDS = 1
CANCEL_POLL_SECONDS = 0.02

logger = logging.getLogger("billing.db")


NO_TIMEOUTS = """
    SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
"""
"""Turns off the timeouts that are configured for the role or the server, in the current transaction."""

MAX_ATTEMPTS = 3
"""Maximum number of attempts per change."""
FIRST_PAUSE_SECONDS = 0.05
"""Upper bound of the random pause before the first retry of a change. It doubles with each retry."""
CHANGE_TIMEOUT_SECONDS = 30
"""Timeout for each attempt of a change, and for its waits in line for the customer's lock in total.

The timeouts of PostgreSQL are not enough: a server that hangs does not enforce them.
"""
BRIEF_SECONDS = 2
"""Timeout for operations that must be fast, without the wait for a connection."""
PING_TIMEOUT_SECONDS = 1.8
"""Timeout for `Database.ping`, including the wait for a connection."""

Result = TypeVar("Result")


class Database:
    """Connection pools and sessions of one process.

    `sessions()` returns an autocommit session. `async with sessions.begin()` opens a session whose work is one
    transaction. Both accept the `Scope` of a request and enforce it. Use `change` for transactions that may be
    retried. `pool_size` overrides the value in `settings`.
    """

    def __init__(self, url: str, settings: DatabaseSettings = DEFAULTS, *, pool_size: int | None = None) -> None:
        pool_size = pool_size or settings.pool_size
        self.writes = expects_writes(url)
        """False if the URL allows a read-only server."""
        options: dict[str, Any] = {
            # Errors are logged. They must not contain the names and addresses of customers.
            "hide_parameters": True,
            "poolclass": Pool,
            "max_overflow": 0,
            "pool_timeout": settings.pool_timeout_seconds,
            "connect_args": {"async_creator_fn": Connector(asyncpg_url(url)).connect}
            | connect_arguments(
                asyncpg_url(url),
                {
                    "application_name": "billing",
                    "timezone": "UTC",
                    "datestyle": "ISO",
                    "statement_timeout": str(settings.statement_timeout_ms),
                    "lock_timeout": str(settings.lock_timeout_ms),
                    "idle_in_transaction_session_timeout": str(settings.idle_in_transaction_timeout_ms),
                    "client_connection_check_interval": str(CLIENT_CHECK_INTERVAL_MS),
                },
            ),
        }
        address = driver_url(url)
        self.engine = create_async_engine(address, pool_size=pool_size, isolation_level="AUTOCOMMIT", **options)
        event.listen(self.engine.sync_engine, "after_cursor_execute", count_rows)
        self._answers = create_async_engine(address, pool_size=pool_size, pool_reset_on_return=None, **options)
        event.listen(self._answers.sync_engine, "connect", return_strings)
        self.listeners: list[Callable[[str], None]] = []
        """Called with the SQL of each statement sent directly by the driver. SQLAlchemy's events report the others."""
        self.on_retry: list[Callable[[str], None]] = []
        """Called before each retry of a transaction, with the SQLSTATE of the failure."""
        self.on_events: list[Callable[[Sequence[NewEvent]], None]] = []
        """Called with the events of each committed transaction. Not called if the outcome of the commit is unknown."""
        for engine in (self.engine, self._answers):
            event.listen(engine.sync_engine, "checkout", replace_closed_connection)
            event.listen(engine.sync_engine, "handle_error", invalidate_lost_connection)
            count_usage(engine.sync_engine)
        self._queues = Queues(max(1, pool_size // 2))
        self.sessions = Sessions(self.engine, self.listeners, self.on_events)
        self.brief_seconds = BRIEF_SECONDS
        """Timeout for each database step before a request is executed, once it has a connection."""
        self.pool_timeout_seconds = settings.pool_timeout_seconds

    def answers_in(self, scope: Scope, *, list_seconds: float | None = None) -> Reads:
        """Returns the reader for the response to a request. Its rows hold UUIDs and timestamps as strings.

        A list query that takes longer than `list_seconds` raises `ListTooSlow`.
        """
        return Reads(self._answers, scope, lambda: self.sessions(scope), self.listeners, list_seconds=list_seconds)

    @property
    def is_busy(self) -> bool:
        """True if a task is waiting for a connection."""
        return any(pool.in_line for pool in self.pools.values())

    @property
    def pools(self) -> dict[str, Pool]:
        """Connection pools by purpose."""
        return {"work": pool_of(self.engine), "answers": pool_of(self._answers)}

    async def change(
        self,
        operation: Callable[[AsyncSession], Awaitable[Result]],
        *,
        scope: Scope | None = None,
        repeatable: bool = False,
    ) -> Result:
        """Runs `operation` in a new transaction, commits it and returns the result of `operation`.

        The transaction is retried if the database rolled it back because of a conflict with another transaction, or if
        the connection was lost before the commit. So the side effects of `operation` outside the session must allow
        for repetition. If another transaction holds the customer's lock, this one waits in queue and then starts over:
        see `db.access.queues`. Set `repeatable` if running `operation` twice has the same effect as running it once: it
        is then also retried if it is unknown whether the commit succeeded.

        Raises `OutcomeUnknown` if this remains unknown, `Overloaded` if no connection or lock is available in time,
        and the errors of `operation`. See docs/decisions/0014-transactions-are-tried-again.md.
        """
        with self._queues.turn() as turn:
            return await self._change(operation, turn, scope=scope, repeatable=repeatable)

    async def _change(
        self,
        operation: Callable[[AsyncSession], Awaitable[Result]],
        turn: Turn,
        *,
        scope: Scope | None,
        repeatable: bool,
    ) -> Result:
        attempt = 1
        unknown = False
        deadline = time.monotonic() + CHANGE_TIMEOUT_SECONDS
        while True:
            try:
                async with self.sessions.begin(scope, seconds=CHANGE_TIMEOUT_SECONDS) as session:
                    session.info[TURN] = turn
                    return await operation(session)
            except Busy:
                # Nothing was done, so this does not count as an attempt.
                await turn.come(deadline - time.monotonic())
                continue
            except Exception as error:
                unknown = unknown or isinstance(error, OutcomeUnknown)
                state = retryable_sqlstate(error, repeatable=repeatable)
                if state is None or attempt == MAX_ATTEMPTS:
                    if unknown and is_unavailable(error):
                        # An earlier attempt may have been committed, even though this one failed.
                        raise OutcomeUnknown from error
                    raise
            for listener in self.on_retry:
                listener(state)
            await asyncio.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)))  # noqa: S311
            attempt += 1

    @asynccontextmanager
    async def brief(self) -> AsyncIterator[AsyncSession]:
        """Opens an autocommit session for operations that must be fast.

        Cancels the block `brief_seconds` after a connection is available. Raises `TimeoutError` once the connection is
        closed, which takes SQLAlchemy two more seconds if the server does not respond. The timeouts of PostgreSQL are
        not enough: a server that hangs does not enforce them.
        """
        async with self.sessions() as session:
            await session.connection()
            async with running_timeout(self.brief_seconds):
                yield session

    async def ping(self) -> None:
        """Returns once the database responds. Raises an error that `is_unavailable` recognizes if it does not."""
        async with asyncio.timeout(PING_TIMEOUT_SECONDS), self.sessions() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Closes all connections within 2 × `CLOSE_SECONDS`, even if the database does not respond.

        Tasks that still use a connection get the first `CLOSE_SECONDS` to cancel their SQL and return the connection.
        """
        deadline = time.monotonic() + CLOSE_SECONDS
        while any(pool.checkedout() for pool in self.pools.values()) and time.monotonic() < deadline:  # noqa: ASYNC110 - a pool has no event to wait for
            await asyncio.sleep(CANCEL_POLL_SECONDS)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                for engine in (self.engine, self._answers):
                    await engine.dispose()
        except TimeoutError:
            logger.warning("the database does not respond: its connections are dropped without a clean close")


async def accepts_writes(connection: AsyncConnection) -> bool:
    """Returns False on a standby, and where transactions are read-only by default."""
    return bool(await connection.scalar(text("SHOW transaction_read_only")) == "off")


def pool_of(engine: AsyncEngine) -> Pool:
    pool = engine.pool
    assert isinstance(pool, Pool)
    return pool


def return_strings(connection: DBAPIConnection, _record: object) -> None:
    """Makes a new connection return UUIDs and timestamps as strings, as responses contain them."""
    connection.run_async(read_as_strings)


def replace_closed_connection(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    """Makes the pool replace a connection that was closed while it was idle."""
    if cast("asyncpg.Connection", connection.driver_connection).is_closed():
        raise DisconnectionError("The connection was closed while it was in the pool.")


def invalidate_lost_connection(context: ExceptionContext) -> None:
    """Makes the pool drop a connection after an error that leaves it unusable, even if it is still open."""
    if is_lost(context.original_exception):
        context.is_disconnect = True


def connect_arguments(url: URL, server_settings: dict[str, str]) -> dict[str, Any]:
    """Returns the arguments with which the driver opens a connection."""
    arguments = {
        # 0 turns off the expiry timer. Setting it for each use of a statement costs a sixth of sending the statement.
        "max_cached_statement_lifetime": 0,
    }
    if is_pgbouncer(url):
        return arguments | pgbouncer_arguments(server_settings)
    return arguments | {"statement_cache_size": MAX_PREPARED_STATEMENTS, "server_settings": server_settings}


@asynccontextmanager
async def single_connection(url: str) -> AsyncIterator[AsyncConnection]:
    """Opens a connection outside any pool, for a start-up task. The timeouts in `DatabaseSettings` do not apply."""
    parsed = asyncpg_url(url)
    connector = Connector(parsed, timeout_seconds=START_UP_TIMEOUT_SECONDS)
    engine = create_async_engine(
        driver_url(url), connect_args={"async_creator_fn": connector.connect, **connect_arguments(parsed, {})}
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()
