"""The database of a process: a pool of connections for answers, and one for all else."""

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

from billing.records import NewEvent
from db.access.queues import TURN, Busy, Queues, Turn
from db.access.reads import Reads
from db.access.rows import use_texts
from db.access.scope import Scope, count_rows
from db.access.transactions import Sessions
from db.driver.connection import Connector
from db.driver.errors import OutcomeUnknown, is_lost, is_unavailable, state_to_try_again
from db.driver.patience import running_timeout
from db.driver.pgbouncer import pooled_arguments
from db.driver.pool import Pool
from db.driver.urls import asyncpg_url, driver_url, is_pooled
from db.driver.usage import count_usage
from db.settings import DEFAULTS, DatabaseSettings

STATEMENTS_PREPARED = 300
"""So many statements stay prepared on a connection."""

START_UP_TIMEOUT_SECONDS = 5
"""So long a start-up task waits for its connection."""
CLIENT_CHECK_INTERVAL_MS = 1_000
"""So often PostgreSQL looks, while it runs a statement or waits for a lock, whether this process is still there."""

CLOSE_SECONDS = 1
POLL_SECONDS = 0.02

logger = logging.getLogger("billing.db")


NO_TIMEOUTS = """
    SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
"""
"""Frees the present transaction from timeouts that a role or a server may have been given."""

ATTEMPTS = 3
"""So often a change is tried at most."""
FIRST_PAUSE_SECONDS = 0.05
"""Before a change is tried again, it waits for a part of this that is drawn by chance; then of twice as much."""
CHANGE_TIMEOUT_SECONDS = 30
"""After so long a try is given up: a server that stands still says nothing, its own timeouts neither."""
BRIEF_SECONDS = 2
"""Timeout for what must not take long, beside the wait for a connection."""
PING_TIMEOUT_SECONDS = 1.8
"""So long whoever asks whether the database is there waits for its answer."""

Result = TypeVar("Result")


class Database:
    """The database of one process.

    `sessions()` is a session on autocommit, one statement at a time; `async with sessions.begin()` one whose work is
    one transaction. Both take the `Scope` of a request, which they keep to. A `pool_size` stands above that of the
    settings. What may be tried again goes through `change`.
    """

    def __init__(self, url: str, settings: DatabaseSettings = DEFAULTS, *, pool_size: int | None = None) -> None:
        pool_size = pool_size or settings.pool_size
        options: dict[str, Any] = {
            # What is written down of an error must not hold the names and addresses that a statement was sent.
            "hide_parameters": True,
            "poolclass": Pool,
            "max_overflow": 0,
            "pool_timeout": settings.pool_timeout_seconds,
            "connect_args": {"async_creator_fn": Connector().connect}
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
        event.listen(self._answers.sync_engine, "connect", give_texts)
        self.listeners: list[Callable[[str], None]] = []
        """Are told of each statement that is sent by the driver; of others SQLAlchemy's own events tell."""
        self.on_retry: list[Callable[[str], None]] = []
        """Are told of each transaction that is done again: the SQLSTATE that it failed with."""
        self.on_events: list[Callable[[Sequence[NewEvent]], None]] = []
        """Are told the events of each transaction, once it is committed; not where nobody knows whether it is."""
        for engine in (self.engine, self._answers):
            event.listen(engine.sync_engine, "checkout", refuse_closed)
            event.listen(engine.sync_engine, "handle_error", give_up_connection)
            count_usage(engine.sync_engine)
        self._queues = Queues(max(1, pool_size // 2))
        self.sessions = Sessions(self.engine, self.listeners, self.on_events)
        self.brief_seconds = BRIEF_SECONDS
        """Timeout for each thing that comes before the answer to a request, once it has a connection."""
        self.pool_timeout_seconds = settings.pool_timeout_seconds

    def answers_in(self, scope: Scope, *, list_seconds: float | None = None) -> Reads:
        """What the answer to a request is read with: rows whose values are ready to be sent. A list that takes longer
        than `list_seconds` is broken off.
        """
        return Reads(self._answers, scope, lambda: self.sessions(scope), self.listeners, list_seconds=list_seconds)

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for a connection."""
        return any(pool.in_line for pool in self.pools.values())

    @property
    def pools(self) -> dict[str, Pool]:
        """The pools of connections, by what they are for."""
        return {"work": pool_of(self.engine), "answers": pool_of(self._answers)}

    async def change(
        self,
        operation: Callable[[AsyncSession], Awaitable[Result]],
        *,
        scope: Scope | None = None,
        repeatable: bool = False,
    ) -> Result:
        """What `operation` gives, in a transaction of its own that is committed.

        Where the database has undone it for the sake of another transaction, or the connection was lost before it was
        to be committed, it is tried again in a new transaction: so what it does beside the session must bear that.
        Where another one has the customer's lock, it waits in the queue and is begun anew: see `db.access.queues`.
        `repeatable`: done twice, it is the same as done once, and so it is also tried again where nobody knows whether
        it was committed. Raises `OutcomeUnknown` where nobody knows that in the end, and what `operation` raises. See
        docs/decisions/0014-transactions-are-tried-again.md.
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
                # It has done nothing, and is no try.
                await turn.come(deadline - time.monotonic())
                continue
            except Exception as error:
                unknown = unknown or isinstance(error, OutcomeUnknown)
                state = state_to_try_again(error, repeatable=repeatable)
                if state is None or attempt == ATTEMPTS:
                    if unknown and is_unavailable(error):
                        # An earlier try may be stored, whatever became of this one.
                        raise OutcomeUnknown from error
                    raise
            for listener in self.on_retry:
                listener(state)
            await asyncio.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)))  # noqa: S311
            attempt += 1

    @asynccontextmanager
    async def brief(self) -> AsyncIterator[AsyncSession]:
        """A session on autocommit for what must not take long: it is broken off after `brief_seconds`, and raises
        `TimeoutError` when its connection is closed, for which SQLAlchemy takes two seconds more where nothing answers.
        A server that stands still says nothing, its own timeouts neither.
        """
        async with self.sessions() as session:
            await session.connection()
            async with running_timeout(self.brief_seconds):
                yield session

    async def ping(self) -> None:
        """Answers when the database does. Raises what `is_unavailable` knows when it does not."""
        async with asyncio.timeout(PING_TIMEOUT_SECONDS), self.sessions() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Closes all connections, within twice `CLOSE_SECONDS` at most, whether or not the database answers.

        Whoever was told to end, and uses a connection, has that time to cancel its SQL and to give it back.
        """
        deadline = time.monotonic() + CLOSE_SECONDS
        while any(pool.checkedout() for pool in self.pools.values()) and time.monotonic() < deadline:  # noqa: ASYNC110 - a pool tells nobody
            await asyncio.sleep(POLL_SECONDS)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                for engine in (self.engine, self._answers):
                    await engine.dispose()
        except TimeoutError:
            logger.warning("the database does not answer: its connections are not closed in good order")


def pool_of(engine: AsyncEngine) -> Pool:
    pool = engine.pool
    assert isinstance(pool, Pool)
    return pool


def give_texts(connection: DBAPIConnection, _record: object) -> None:
    """Has a new connection give values as they are sent."""
    connection.run_async(use_texts)


def refuse_closed(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    """Has the pool make a new connection in the place of one that was closed while it lay there."""
    if cast("asyncpg.Connection", connection.driver_connection).is_closed():
        raise DisconnectionError("The connection was closed while it was in the pool.")


def give_up_connection(context: ExceptionContext) -> None:
    """Has the pool drop a connection after an error that leaves it useless, although it is open."""
    if is_lost(context.original_exception):
        context.is_disconnect = True


def connect_arguments(url: URL, server_settings: dict[str, str]) -> dict[str, Any]:
    """What the driver makes a connection with."""
    arguments = {
        # A timer for each use of a statement would cost a sixth of what it costs to send one.
        "max_cached_statement_lifetime": 0,
    }
    if is_pooled(url):
        return arguments | pooled_arguments(server_settings)
    return arguments | {"statement_cache_size": STATEMENTS_PREPARED, "server_settings": server_settings}


@asynccontextmanager
async def single_connection(url: str) -> AsyncIterator[AsyncConnection]:
    """One connection outside any pool, for a start-up task. Timeouts of statements do not apply to it."""
    engine = create_async_engine(
        driver_url(url), connect_args={"timeout": START_UP_TIMEOUT_SECONDS, **connect_arguments(asyncpg_url(url), {})}
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()
