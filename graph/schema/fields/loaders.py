"""Dataloaders: one per batched read and request."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from aiodataloader import DataLoader, dispatch_queue
from aiodataloader import Loader as Waiting

from db.access.reads import Reads
from graph.observability.exchange import current

Key = TypeVar("Key")
Answer = TypeVar("Answer")
BatchedRead = Callable[[Reads, Sequence[Key]], Awaitable[list[Answer]]]
"""Reads the results for many keys in one statement, in the order of the keys. Equal reads share a loader."""


class Answers(Awaitable[list[Any]]):
    """Awaitable for the results of many keys. The result of a key is its value, None or an exception."""

    def __init__(self, futures: Sequence[asyncio.Future[Any] | None]) -> None:
        self._futures = futures

    def __await__(self) -> Generator[Any, None, list[Any]]:
        for future in self._futures:
            if future is not None and not future.done():
                # All futures of a batch finish together, so there is only one wait per batch.
                with suppress(Exception):  # returned below, among the results
                    yield from future
        return [None if future is None else future.exception() or future.result() for future in self._futures]


class PromptLoader(DataLoader[Any, Any]):
    """Sends a batch in the next iteration of the event loop. `DataLoader` needs a task and one more iteration."""

    def do_resolve_reject(self, key: Any, future: asyncio.Future[Any]) -> None:
        self._queue.append(Waiting(key, future))
        if len(self._queue) == 1:
            self.loop.call_soon(dispatch_queue, self)


class Loaders:
    """The dataloaders of one request. Each batch is one statement; all batches share the connection of `reads`.

    Never await a loader while holding a session. Loader and session need a connection each, so requests that hold one
    and wait for the other would deadlock.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._loaders: dict[BatchedRead[Any, Any], DataLoader[Any, Any]] = {}
        self._batches: set[asyncio.Task[Any]] = set()
        self._closed = False

    def of(self, read: BatchedRead[Key, Answer]) -> DataLoader[Key, Answer]:
        """Returns the loader for `read`, which is created on first use."""
        loader = self._loaders.get(read)
        if loader is None:
            loader = self._loaders[read] = PromptLoader(partial(self._batch, read))
        return loader

    def load(self, read: BatchedRead[Key, Answer], key: Key) -> Awaitable[Answer]:
        """Requests the result for one key."""
        return self.of(read).load(key)

    def load_all(self, read: BatchedRead[Key, Answer], keys: Sequence[Key | None]) -> Awaitable[list[Any]]:
        """Requests the results for many keys at once. The result for a key of None is None."""
        load = self.of(read).load
        return Answers([None if key is None else load(key) for key in keys])

    def forget(self) -> None:
        """Drops all loaded results, so that rows are read again after a transaction."""
        self._loaders.clear()

    async def close(self) -> None:
        """Cancels unfinished batches and their SQL statements, and releases the connection.

        Also drops all loaded results. Loaders and this object refer to each other, so their rows would otherwise stay
        in memory until the garbage collector finds the cycle.
        """
        self._closed = True
        self.forget()
        try:
            for batch in self._batches:
                batch.cancel()
            if self._batches:
                await asyncio.gather(*self._batches, return_exceptions=True)
        finally:
            await self._reads.release()

    async def _batch(self, read: BatchedRead[Key, Answer], keys: list[Key]) -> list[Answer]:
        task = asyncio.current_task()
        assert task is not None, "a batch runs in its own task"
        if self._closed:
            # Nothing waits for this batch, and nothing would release its connection.
            raise asyncio.CancelledError
        self._batches.add(task)
        try:
            tracing = current().tracing
            found = read(self._reads, keys)
            return await (found if tracing is None else tracing.batch(read, keys, found))
        finally:
            self._batches.discard(task)
