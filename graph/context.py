"""What a resolver has at hand for the time of one request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol, TypeAlias

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from billing.idempotency import Outcome, Request, content_of, once
from db.database import Database
from graph.loaders import BatchedRead, Key, Loaders

Clock = Callable[[], datetime]


LOCAL_API_KEY = "local"
"""Who sends a request that carries no API key."""


class Retryable(Protocol):
    """An input that may be sent again with its idempotency key."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def idempotency_key(self) -> str | None: ...


def wall_clock() -> datetime:
    return datetime.now(UTC)


class Context:
    """The database, the loaders and the time of one request."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.loaders = Loaders(database.reads)
        self._clock = clock

    def now(self) -> datetime:
        """The present instant, in whole seconds: all that is stored is."""
        return self._clock().replace(microsecond=0)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed when the block ends, and undone when it raises.

        The payload's own edges are resolved after the commit, by loaders that have seen nothing of before.
        """
        async with self.database.writes.begin() as session:
            yield session
        self.loaders.forget()

    async def once(self, input: Retryable, operation: Callable[[AsyncSession], Awaitable[Outcome]]) -> Outcome:
        """What `operation` has made, in a transaction of its own; what it made before, where the input's idempotency
        key says that this is a retry.
        """
        async with self.transaction() as session:
            if input.idempotency_key is None:
                return await operation(session)
            content = content_of(type(input).__name__, {**asdict(input), "idempotency_key": None})
            request = Request(LOCAL_API_KEY, input.idempotency_key, content)
            return await once(session, request, operation, now=self.now())

    async def find(self, read: BatchedRead[Key, Any], key: Key | None) -> Any:
        """What `read` finds under `key`; nothing for none."""
        return None if key is None else await self.loaders.of(read).load(key)

    async def close(self) -> None:
        await self.loaders.close()


Info: TypeAlias = strawberry.Info[Context, None]
