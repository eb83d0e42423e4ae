"""Connections: a pool for answers, and one for all else: reads without a transaction, and writes in one."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import asyncpg
from asyncpg import InterfaceError, InternalClientError
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine

from db.connecting import Connector
from db.reads import Reads
from db.rows import use_texts
from db.scope import SCOPE, Scope, ScopedSession, count_rows
from db.statements import LISTENERS

Sessions = async_sessionmaker[AsyncSession]

POOL_SIZE = 6
"""Connections for answers, and as many for all else."""
POOL_TIMEOUT_SECONDS = 1.5
"""So long a request waits for a connection that others use: with all else, it knows within two seconds."""
STATEMENTS_PREPARED = 300
"""So many statements stay prepared on a connection."""

START_UP_TIMEOUT_SECONDS = 5
"""So long a start-up task waits for its connection."""
STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000

ATTEMPTS = 3
"""So often a change is tried at most."""
FIRST_PAUSE_SECONDS = 0.05
"""Before a change is tried again, it waits for a part of this that is drawn by chance; then of twice as much."""
CHANGE_TIMEOUT_SECONDS = 30
"""After so long a try is given up: a server that stands still says nothing, its own timeouts neither."""
PING_TIMEOUT_SECONDS = 1.8

Result = TypeVar("Result")


class DatabaseUrlError(ValueError):
    """The database URL cannot be used. The message is one line for the person who set it."""


class OutcomeUnknown(Exception):
    """The connection was lost while a transaction was being committed: it may be stored, or not."""


class Database:
    """The database of one process.

    `reads` makes sessions on autocommit, one statement at a time; `writes` makes sessions whose work is one
    transaction: `async with database.writes.begin() as session`. For a request, `reads_in` and `writes_in` make the
    same, which keep to its `Scope`. What may be tried again goes through `change`.
    """

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE) -> None:
        options: dict[str, Any] = {
            # What is written down of an error must not hold the names and addresses that a statement was sent.
            "hide_parameters": True,
            "max_overflow": 0,
            "pool_timeout": POOL_TIMEOUT_SECONDS,
            "connect_args": {
                "async_creator_fn": Connector().connect,
                "statement_cache_size": STATEMENTS_PREPARED,
                # A timer for each use of a statement would cost a sixth of what it costs to send one.
                "max_cached_statement_lifetime": 0,
                "server_settings": {
                    "application_name": "billing",
                    "timezone": "UTC",
                    "datestyle": "ISO",
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
                },
            },
        }
        self.engine = create_async_engine(asyncpg_url(url), pool_size=pool_size, **options)
        self._answers = create_async_engine(asyncpg_url(url), pool_size=pool_size, pool_reset_on_return=None, **options)
        event.listen(self._answers.sync_engine, "connect", give_texts)
        event.listen(self.engine.sync_engine, "checkout", refuse_closed)
        for engine in (self.engine, self._answers):
            event.listen(engine.sync_engine, "handle_error", give_up_connection)
        self.listeners: list[Callable[[str], None]] = []
        """Are told of each statement that is sent by the driver; of others SQLAlchemy's own events tell."""
        self.on_retry: list[Callable[[str], None]] = []
        """Are told the SQLSTATE for which a change is tried again."""
        read_engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self.engine.sync_engine, "after_cursor_execute", count_rows)
        sessions: dict[str, Any] = {
            "expire_on_commit": False,
            "sync_session_class": ScopedSession,
            "info": {LISTENERS: self.listeners},
        }
        self.reads: Sessions = async_sessionmaker(read_engine, **sessions)
        self.writes: Sessions = async_sessionmaker(self.engine, **sessions)

    def reads_in(self, scope: Scope) -> AsyncSession:
        return self.reads(info={SCOPE: scope})

    def answers_in(self, scope: Scope) -> Reads:
        """What the answer to a request is read with: rows whose values are ready to be sent."""
        return Reads(self._answers, scope, lambda: self.reads_in(scope), self.listeners)

    def writes_in(self, scope: Scope) -> AsyncSession:
        return self.writes(info={SCOPE: scope})

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
        `repeatable`: done twice, it is the same as done once, and so it is also tried again where nobody knows whether
        it was committed. Raises `OutcomeUnknown` where nobody knows that in the end, and what `operation` raises. See
        docs/decisions/0012-transactions-are-tried-again.md.
        """
        attempt = 1
        while True:
            try:
                return await self._try(operation, scope)
            except Exception as error:
                state = state_to_try_again(error, repeatable=repeatable)
                if state is None or attempt == ATTEMPTS:
                    raise
            for listener in self.on_retry:
                listener(state)
            await asyncio.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)))  # noqa: S311
            attempt += 1

    async def _try(self, operation: Callable[[AsyncSession], Awaitable[Result]], scope: Scope | None) -> Result:
        committing = False
        async with self.writes() if scope is None else self.writes_in(scope) as session:
            try:
                async with asyncio.timeout(CHANGE_TIMEOUT_SECONDS):
                    result = await operation(session)
                    if session.new or session.dirty or session.deleted:
                        await session.flush()
                    committing = True
                    await session.commit()
            except Exception as error:
                lost = is_lost(error) or isinstance(error, OSError)
                if lost:
                    await self._give_up(session, error)
                if lost and committing:
                    raise OutcomeUnknown from error
                raise
        return result

    async def _give_up(self, session: AsyncSession, error: BaseException) -> None:
        """Keeps a connection that is lost, or of no more use, from going back into the pool."""
        await session.invalidate()
        if said_of(error, "sqlstate") == READ_ONLY:
            # The others were made before the server changed as well.
            await self.engine.dispose()

    async def ping(self) -> None:
        """Answers when the database does. Raises what `is_unavailable` knows when it does not."""
        async with asyncio.timeout(PING_TIMEOUT_SECONDS), self.reads() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()
        await self._answers.dispose()


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


def asyncpg_url(url: str) -> URL:
    """`url` as SQLAlchemy wants it for asyncpg: `postgres://` and `postgresql://` are taken as well.

    Of libpq's options in its query, those are taken that have a meaning here; `connect_timeout` gives way to our own.
    Raises `DatabaseUrlError`.
    """
    try:
        parsed = make_url(url)
        port_is_one = parsed.port is None or 0 < parsed.port < 65536
    except (ArgumentError, ValueError):
        port_is_one = False
    if not port_is_one:
        raise DatabaseUrlError("DATABASE_URL is not a URL such as postgresql://user:password@host:5432/database.")
    if parsed.drivername not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise DatabaseUrlError(f"DATABASE_URL names {parsed.drivername!r}; only postgresql:// is supported.")
    options = {TAKEN_OPTIONS.get(name): value for name, value in parsed.query.items() if name not in IGNORED_OPTIONS}
    if None in options:
        known = ", ".join(sorted(TAKEN_OPTIONS))
        raise DatabaseUrlError(f"DATABASE_URL has an option that is not supported; known ones are {known}.")
    return parsed.set(
        drivername="postgresql+asyncpg", query={name: value for name, value in options.items() if name is not None}
    )


TAKEN_OPTIONS = {"host": "host", "port": "port", "sslmode": "ssl", "ssl": "ssl"}
IGNORED_OPTIONS = frozenset({"application_name", "connect_timeout"})


@asynccontextmanager
async def single_connection(url: str) -> AsyncIterator[AsyncConnection]:
    """One connection outside any pool, for a start-up task. Timeouts of statements do not apply to it."""
    engine = create_async_engine(asyncpg_url(url), connect_args={"timeout": START_UP_TIMEOUT_SECONDS})
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what lies under it: the driver's own error, and each cause in turn."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.orig if isinstance(cause, DBAPIError) else cause.__cause__


def said_of(error: BaseException, attribute: str) -> str | None:
    """What PostgreSQL says of `error` under the driver's name for it."""
    found = (getattr(cause, attribute, None) for cause in causes(error))
    return next((value for value in found if isinstance(value, str)), None)


def violated_constraint(error: BaseException) -> str | None:
    """The name of the constraint that PostgreSQL says `error` violates."""
    return said_of(error, "constraint_name")


READ_ONLY = "25006"
ROLLED_BACK_SQLSTATES = ("40001", "40P01")
"""The database has undone a transaction for the sake of others: it could not be serialized with them; a deadlock."""

LOST_SQLSTATES = (
    *("08", "57P"),  # connections, shutting down and starting up
    *(READ_ONLY, "25P03", "25P04"),  # a primary that has become a standby, ended for idling or lasting too long
)
"""The connection is closed, or is to a server that has changed its part: a new one may do."""

UNAVAILABLE_SQLSTATES = (
    *("28", "3D", "53"),  # authorization, no such database, no resources
    "55P03",  # lock not to be had
    *LOST_SQLSTATES,
    *ROLLED_BACK_SQLSTATES,
)


def is_timeout(error: BaseException) -> bool:
    """Whether `error` says that a statement took longer than it may."""
    return said_of(error, "sqlstate") == "57014"


def is_lost(error: BaseException) -> bool:
    """Whether `error` says that the connection it was met on is closed, or of no more use."""
    for cause in causes(error):
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
        # Of a value that cannot be sent the driver says the same, in a class that is a ValueError as well.
        if isinstance(cause, InterfaceError) and not isinstance(cause, ValueError):
            return True
    return (said_of(error, "sqlstate") or "").startswith(LOST_SQLSTATES)


def state_to_try_again(error: BaseException, *, repeatable: bool) -> str | None:
    """The SQLSTATE for which a transaction that failed with `error` may be tried again; None where it may not."""
    if isinstance(error, OutcomeUnknown) and not repeatable:
        return None
    state = said_of(error, "sqlstate")
    if state in ROLLED_BACK_SQLSTATES:
        return state
    if is_lost(error):
        return state or "08006"
    return None


def is_unavailable(error: BaseException) -> bool:
    """Whether `error` says that the database cannot be reached or takes no such work at the moment."""
    for cause in causes(error):
        if isinstance(cause, OSError | PoolTimeout | InternalClientError | OutcomeUnknown):
            return True
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
    return (said_of(error, "sqlstate") or "").startswith(UNAVAILABLE_SQLSTATES)
