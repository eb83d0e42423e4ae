"""The tasks and coroutines that an execution started."""

import asyncio
from collections.abc import AsyncIterable, Coroutine, Sequence
from typing import Any

from graphql import GraphQLResolveInfoHelpers
from graphql.pyutils import gather_with_cancel, is_awaitable

from graph.execution.values import collect_items, may_wait


class Tasks:
    """The tasks and coroutines that an execution started. They end with the execution.

    `batches` holds coroutines that resolve a field for all objects. `helpers` is a part of each resolver's `info`.
    """

    def __init__(self) -> None:
        self._tasks: list[asyncio.Future[Any]] = []
        self.batches: list[Coroutine[Any, Any, Any]] = []
        self.helpers = helpers_with(self._tasks)

    def start(self, values: list[Any], *, lists: bool) -> list[Any]:
        """Starts the awaitable values as tasks, in place, and returns the list. All tasks of a level run concurrently.

        `lists` is True if the values are expected to be lists: then async iterables are collected as well.
        """
        if any(map(may_wait, {*map(type, values)})):
            for index, value in enumerate(values):
                running = collect_items(value) if lists and isinstance(value, AsyncIterable) else value
                if is_awaitable(running) and not isinstance(running, asyncio.Future):
                    values[index] = task = asyncio.ensure_future(running)
                    self._tasks.append(task)
        return values

    async def end(self) -> None:
        """Cancels tasks and closes coroutines that are no longer needed."""
        for batch in self.batches:
            batch.close()
        unfinished = [task for task in self._tasks if not task.done()]
        for task in self._tasks:
            # asyncio logs exceptions that were never retrieved.
            if task.done() and not task.cancelled():
                task.exception()
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.gather(*unfinished, return_exceptions=True)


def helpers_with(tasks: list[asyncio.Future[Any]]) -> GraphQLResolveInfoHelpers:
    """Returns the async helpers for `info`. Awaitables that resolvers pass to `track` are added to `tasks`.

    Takes only the list, not its owner, to avoid a reference cycle that only the garbage collector could free.
    """

    def track(values: Sequence[Any]) -> None:
        tasks.extend(asyncio.ensure_future(value) for value in values if is_awaitable(value))

    return GraphQLResolveInfoHelpers(lambda values: gather_with_cancel(*values), track)
