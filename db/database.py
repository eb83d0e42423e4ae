"""Connections: one pool, from which reads go without a transaction and writes in one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncpg import InternalClientError
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine

Sessions = async_sessionmaker[AsyncSession]

POOL_SIZE = 10
POOL_TIMEOUT_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_MS = 10_000
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000


class DatabaseUrlError(ValueError):
    """The database URL cannot be used. The message is one line for the person who set it."""


class Database:
    """The database of one process.

    `reads` makes sessions on autocommit, one statement at a time; `writes` makes sessions whose work is one
    transaction: `async with database.writes.begin() as session`.
    """

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE) -> None:
        self.engine = create_async_engine(
            asyncpg_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            connect_args={
                "timeout": CONNECT_TIMEOUT_SECONDS,
                "server_settings": {
                    "application_name": "billing",
                    "timezone": "UTC",
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
                },
            },
        )
        read_engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.reads: Sessions = async_sessionmaker(read_engine, expire_on_commit=False)
        self.writes: Sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    async def ping(self) -> None:
        """Answers when the database does. Raises what `is_unavailable` knows when it does not."""
        async with self.reads() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()


def asyncpg_url(url: str) -> URL:
    """`url` as SQLAlchemy wants it for asyncpg: `postgres://` and `postgresql://` are taken as well.

    Raises `DatabaseUrlError`.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUrlError("DATABASE_URL is not a URL such as postgresql://user:password@host/database.") from None
    if parsed.drivername not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise DatabaseUrlError(f"DATABASE_URL names {parsed.drivername!r}; only postgresql:// is supported.")
    return parsed.set(drivername="postgresql+asyncpg")


@asynccontextmanager
async def single_connection(url: str) -> AsyncIterator[AsyncConnection]:
    """One connection outside any pool, for a start-up task. Timeouts of statements do not apply to it."""
    engine = create_async_engine(asyncpg_url(url), connect_args={"timeout": CONNECT_TIMEOUT_SECONDS})
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def violated_constraint(error: BaseException) -> str | None:
    """The name of the constraint that PostgreSQL says `error` violates."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    while cause is not None:
        name = getattr(cause, "constraint_name", None)
        if isinstance(name, str):
            return name
        cause = cause.__cause__
    return None


UNAVAILABLE_SQLSTATES = ("08", "57P", "53")
"""Connection exceptions, operator intervention (shut-down, starting up), insufficient resources."""


def is_unavailable(error: BaseException) -> bool:
    """Whether `error` says that the database cannot be reached or takes no work at the moment."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError | TimeoutError | InternalClientError):
            return True
        sqlstate = getattr(cause, "sqlstate", None)
        if isinstance(sqlstate, str) and sqlstate.startswith(UNAVAILABLE_SQLSTATES):
            return True
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
        cause = cause.orig if isinstance(cause, DBAPIError) else cause.__cause__
    return False
