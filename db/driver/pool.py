"""A connection pool that serves waiting tasks in order of arrival."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Literal, TypeVar, cast

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import await_
from sqlalchemy.util.queue import Empty, Full, QueueCommon

from db.driver.errors import Overloaded
from db.driver.usage import USAGE

QueueItem = TypeVar("QueueItem")

MAX_POOL_QUEUE = 1_000
"""Maximum number of tasks that wait for a connection of a pool. Further ones are rejected immediately."""


class CapacityFreed(Exception):
    """Tells a waiting task to open a connection itself, because another task failed to open one."""


class FairQueue(QueueCommon[QueueItem]):
    """A queue that hands each returned item to the task that has waited longest. It is empty while any task waits.

    In SQLAlchemy's own queue, a new task can take the item first, and the one that has waited goes to the end of the
    line: under load, some tasks never get an item.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:  # noqa: FBT002 - SQLAlchemy's signature
        self.maxsize = maxsize
        self.use_lifo = use_lifo
        self._items: deque[QueueItem] = deque()
        self._waiting: deque[asyncio.Future[QueueItem]] = deque()

    def empty(self) -> bool:
        return not self._items

    def full(self) -> bool:
        return 0 < self.maxsize <= len(self._items)

    def qsize(self) -> int:
        return len(self._items)

    def put_nowait(self, item: QueueItem) -> None:
        first = self._first_waiting()
        if first is not None:
            first.set_result(item)
            return
        if self.full():
            raise Full
        self._items.append(item)

    def put(self, item: QueueItem, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT002
        assert not block, "a pool never waits for room"
        self.put_nowait(item)

    def get_nowait(self) -> QueueItem:
        if not self._items:
            raise Empty
        return self._items.pop() if self.use_lifo else self._items.popleft()

    def get(self, block: bool = True, timeout: float | None = None) -> QueueItem:  # noqa: FBT002
        if self._items or not block:
            return self.get_nowait()
        return await_(self._next(timeout))

    def wake_first(self) -> None:
        """Tells the task that has waited longest to try to open a connection."""
        first = self._first_waiting()
        if first is not None:
            first.set_exception(CapacityFreed())

    def _first_waiting(self) -> "asyncio.Future[QueueItem] | None":
        """Removes and returns the future of the task that has waited longest, or None if no task waits."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                return first
        return None

    def __len__(self) -> int:
        """Returns the number of waiting tasks."""
        return sum(not each.done() for each in self._waiting)

    async def _next(self, seconds: float | None) -> QueueItem:
        if len(self) >= MAX_POOL_QUEUE:
            raise Overloaded("Too many requests are waiting for a connection.")
        handed: asyncio.Future[QueueItem] = asyncio.get_running_loop().create_future()
        self._waiting.append(handed)
        try:
            async with asyncio.timeout(seconds):
                return await handed
        except (TimeoutError, asyncio.CancelledError) as error:
            if handed.done() and not handed.cancelled():
                # Too late for this task: pass it on to the next one.
                if handed.exception() is None:
                    self.put_nowait(handed.result())
                else:
                    self.wake_first()
            handed.cancel()
            if isinstance(error, TimeoutError):
                raise Empty from None
            raise


class Pool(AsyncAdaptedQueuePool):
    """A pool that serves tasks in order of arrival. Adds the time of each wait to `USAGE` and passes it to `waited`."""

    _queue_class: type[QueueCommon[ConnectionPoolEntry]] = FairQueue

    waited: Sequence[Callable[[float], None]] = ()

    @property
    def in_line(self) -> int:
        """Number of tasks that wait for a connection."""
        return len(cast("FairQueue[ConnectionPoolEntry]", self._pool))

    def recreate(self) -> "Pool":
        pool = super().recreate()
        assert isinstance(pool, Pool)
        pool.waited = self.waited
        return pool

    def _do_get(self) -> ConnectionPoolEntry:
        while True:
            try:
                return super()._do_get()
            except CapacityFreed:
                continue

    def _dec_overflow(self) -> Literal[True]:
        done = super()._dec_overflow()
        # Otherwise tasks would wait for a connection that nobody returns, and not see the error.
        cast("FairQueue[ConnectionPoolEntry]", self._pool).wake_first()
        return done

    def connect(self) -> PoolProxiedConnection:
        began = perf_counter()
        try:
            return super().connect()
        except PoolTimeout as error:
            raise Overloaded("Timed out waiting for a connection.") from error
        finally:
            seconds = perf_counter() - began
            usage = USAGE.get()
            if usage is not None:
                usage.seconds += seconds
                usage.waited_seconds += seconds
            for on_wait in self.waited:
                on_wait(seconds)


# The level that SQLAlchemy's own pools have. Otherwise each disposal would be logged.
logging.getLogger(f"{__name__}.{Pool.__name__}").setLevel(logging.WARNING)
