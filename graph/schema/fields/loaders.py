"""Dataloaders: every batched read gets one for the time of a request."""

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
"""Answers for many keys, in their order, in one statement. Two that compare equal share a loader."""


class Answers(Awaitable[list[Any]]):
    """What loaders answer, all together: for each key that was asked for, what was found, None, or an error."""

    def __init__(self, futures: Sequence[asyncio.Future[Any] | None]) -> None:
        self._futures = futures

    def __await__(self) -> Generator[Any, None, list[Any]]:
        for future in self._futures:
            if future is not None and not future.done():
                # Those of one batch are done together: there is one wait for all.
                with suppress(Exception):  # it is among the answers
                    yield from future
        return [None if future is None else future.exception() or future.result() for future in self._futures]


class PromptLoader(DataLoader[Any, Any]):
    """Sends a batch with the next turn of the loop; `DataLoader` has a task do so with the one after it."""

    def do_resolve_reject(self, key: Any, future: asyncio.Future[Any]) -> None:
        self._queue.append(Waiting(key, future))
        if len(self._queue) == 1:
            self.loop.call_soon(dispatch_queue, self)


class Loaders:
    """The dataloaders of one request. Each batch is one statement; they take turns on the connection of `reads`.

    Never await a loader while holding a session: requests that hold one and wait for the other would wait for ever.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._loaders: dict[BatchedRead[Any, Any], DataLoader[Any, Any]] = {}
        self._batches: set[asyncio.Task[Any]] = set()
        self._closed = False

    def of(self, read: BatchedRead[Key, Answer]) -> DataLoader[Key, Answer]:
        """The loader of `read`: made on first use, the same one from then on."""
        loader = self._loaders.get(read)
        if loader is None:
            loader = self._loaders[read] = PromptLoader(partial(self._batch, read))
        return loader

    def load(self, read: BatchedRead[Key, Answer], key: Key) -> Awaitable[Answer]:
        """Asks for one key."""
        return self.of(read).load(key)

    def load_all(self, read: BatchedRead[Key, Answer], keys: Sequence[Key | None]) -> Awaitable[list[Any]]:
        """Asks for many keys at once; None is found under none."""
        load = self.of(read).load
        return Answers([None if key is None else load(key) for key in keys])

    def forget(self) -> None:
        """Drops what was loaded: after a transaction, rows are read anew."""
        self._loaders.clear()

    async def close(self) -> None:
        """Cancels the batches that nobody waits for any more, with their SQL, and gives the connection back.

        What was loaded is dropped: loaders and this refer to each other, and would stay with all their rows until the
        garbage collector looks for such circles.
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
        assert task is not None, "a batch runs in a task of its own"
        if self._closed:
            # Nobody waits for it, or would give its connection back.
            raise asyncio.CancelledError
        self._batches.add(task)
        try:
            tracing = current().tracing
            found = read(self._reads, keys)
            return await (found if tracing is None else tracing.batch(read, keys, found))
        finally:
            self._batches.discard(task)
