"""What a resolver has at hand for the time of one request."""

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
    """The database, the settings, the loaders and the time of one request, who sends it, and what it has read.

    What a request reads goes through `loaders`, or through `reads`, and what it writes through `change`: all keep to
    what its sender may see. `changed` says that something is stored, or may be.
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
        """A session on autocommit: one statement at a time."""
        return self.database.sessions(self._reading)

    def now(self) -> datetime:
        """The present instant, in whole seconds: all that is stored is."""
        return self._clock().replace(microsecond=0)

    async def change(
        self, operation: Callable[[AsyncSession], Awaitable[Result]], *, repeatable: bool = False
    ) -> Result:
        """What `operation` gives, in a transaction that is committed when it ends, and undone when it raises.

        It may be tried again, see `Database.change`. The payload's own edges are resolved after the commit, by loaders
        that have seen nothing of before.
        """
        # Who waits for a lock holds no connection that others need for their answers.
        await self._answers.release()
        try:
            result = await self.database.change(operation, scope=self._writing, repeatable=repeatable)
        except (OutcomeUnknown, asyncio.CancelledError):
            # Who is canceled may have been about to commit.
            self.changed = True
            raise
        self.changed = True
        self.loaders.forget()
        return result

    async def once(self, input: Retryable, operation: Callable[[AsyncSession], Awaitable[Outcome]]) -> Outcome:
        """What `operation` has made, in a transaction of its own; what it made before, where the input's idempotency
        key says that this is a retry.
        """
        if input.idempotency_key is None:
            return await self.change(operation)
        request = Request(self.access.name, input.idempotency_key, request_text(input))
        return await self.change(
            lambda session: run_once(session, request, operation, now=self.now()),
            repeatable=True,
        )

    async def find(self, read: BatchedRead[str, Any], key: UUID | None) -> Any:
        """What `read` finds under `key`; nothing for none, and for the id of what cannot be."""
        return None if key is None or key == NO_ID else await self.loaders.of(read).load(str(key))

    async def close(self) -> None:
        await self.loaders.close()


Info: TypeAlias = strawberry.Info[Context, None]
RawInfo: TypeAlias = GraphQLResolveInfo[Context]
"""`Info` as graphql-core has it."""
