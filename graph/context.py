"""What a resolver has at hand for the time of one request."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeAlias

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from db.database import Database
from graph.loaders import Loaders

Clock = Callable[[], datetime]


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

    async def close(self) -> None:
        await self.loaders.close()


Info: TypeAlias = strawberry.Info[Context, None]
