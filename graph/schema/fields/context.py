"""The request context that resolvers use."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import strawberry
from graphql import GraphQLResolveInfo
from sqlalchemy.ext.asyncio import AsyncSession

from db.access.scope import RowBudget, Scope
from db.database import Database
from db.driver.errors import OutcomeUnknown
from graph.schema.fields.access import Access
from graph.schema.fields.loaders import BatchedRead, Loaders
from graph.schema.fields.scalars import NO_ID
from graph.settings import Settings
from services.idempotency import Outcome, Request, Retryable, request_text, run_once

Clock = Callable[[], datetime]
Result = TypeVar("Result")


class Context:
    """State of one request: database, settings, loaders, clock, access rights of the caller, and row budget.

    Resolvers read through `loaders` or `reads` and write through `change` or `once`. All of these are restricted to the
    data that the caller may see. `changed` is True if something was stored, or may have been stored.
    """

    def __init__(self, database: Database, clock: Clock, settings: Settings, access: Access, rows: RowBudget) -> None:
        self.database = database
        self.settings = settings
        self.access = access
        self.rows = rows
        self.changed = False
        self._clock = clock
        self._reading = Scope(access.actor, access.customer_id, self.rows, access.key_id)
        self._writing = Scope(access.actor, access.customer_id, key_id=access.key_id)
        self._answers = database.answers_in(self._reading, list_seconds=settings.limits.list_seconds)
        self.loaders = Loaders(self._answers)

    def reads(self) -> AsyncSession:
        """Returns a session in autocommit mode: each statement is its own transaction."""
        return self.database.sessions(self._reading)

    def now(self) -> datetime:
        """Returns the current time, truncated to whole seconds like all stored times."""
        return self._clock().replace(microsecond=0)

    async def change(
        self, operation: Callable[[AsyncSession], Awaitable[Result]], *, repeatable: bool = False
    ) -> Result:
        """Runs `operation` in a transaction and returns its result. Commits at the end, or rolls back if it raises.

        `operation` may be retried: see `Database.change`. The edges of the payload are resolved after the commit, with
        empty loaders, so they see the new data.
        """
        # While this request waits for a lock, it must not occupy a connection that other requests need for reading.
        await self._answers.release()
        try:
            result = await self.database.change(operation, scope=self._writing, repeatable=repeatable)
        except (OutcomeUnknown, asyncio.CancelledError):
            # The request may have been canceled during the commit.
            self.changed = True
            raise
        self.changed = True
        self.loaders.forget()
        return result

    async def once(self, input: Retryable, operation: Callable[[AsyncSession], Awaitable[Outcome]]) -> Outcome:
        """Runs `operation` in a transaction and returns its outcome.

        If the input's idempotency key shows that this is a retry, returns the stored outcome of the first attempt.
        """
        if input.idempotency_key is None:
            return await self.change(operation)
        request = Request(self.access.name, input.idempotency_key, request_text(input))
        return await self.change(
            lambda session: run_once(session, request, operation, now=self.now()),
            repeatable=True,
        )

    async def find(self, read: BatchedRead[str, Any], key: UUID | None) -> Any:
        """Returns the object that `read` finds for `key`. Returns None if `key` is None or `NO_ID`."""
        return None if key is None or key == NO_ID else await self.loaders.of(read).load(str(key))

    async def close(self) -> None:
        await self.loaders.close()


Info: TypeAlias = strawberry.Info[Context, None]
RawInfo: TypeAlias = GraphQLResolveInfo[Context]
"""graphql-core's type for `Info`."""
