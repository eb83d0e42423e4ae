"""Queues of changes that wait for a customer's lock, so that waiting changes do not use up the connection pool.

A transaction that does not get the lock immediately rolls back and returns its connection. It joins the customer's
queue in this process and is repeated when it is first. If the lock is still not available, another process holds it:
the first change then waits in PostgreSQL, which orders the changes of several processes. The number of changes that
wait in PostgreSQL at the same time is limited; the first changes of other queues retry with increasing pauses.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import CustomerId
from db.driver.errors import Overloaded, server_detail

MAX_IN_QUEUE = 100
"""Maximum number of changes in a process that wait for the same customer."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0
"""Pauses between attempts of the first in a queue while it may not wait in PostgreSQL. Each pause is twice as long."""

TOO_LONG = "Timed out waiting for this customer's lock."

LOCK_NOT_AVAILABLE = "55P03"
TURN = "turn"
"""Key of the `Turn` in the `info` of a session."""


class Busy(Exception):
    """Another change has the customer's lock or is ahead in the queue: roll back and await `Turn.come`."""


class Queues:
    """The queues of one process. At most `at_once` changes wait in PostgreSQL at the same time."""

    def __init__(self, at_once: int) -> None:
        self.waiting: dict[CustomerId, deque[Turn]] = {}
        self.places = asyncio.Semaphore(at_once)

    @contextmanager
    def turn(self) -> Iterator["Turn"]:
        """Yields the turn of one change, which leaves its queue when the block ends."""
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.leave()


class Turn:
    """The place of one change in the queue of the customer that it locks."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._customer_id: CustomerId | None = None
        self.is_first = asyncio.Event()
        self._has_place = False
        self._pause: float | None = None

    def waits_for(self, customer_id: CustomerId) -> bool:
        """Returns True if the change may wait for the lock in PostgreSQL, False if it must lock with NOWAIT.

        Raises `Busy` if it has to join the queue first.
        """
        self._customer_id = customer_id
        queue = self._queues.waiting.get(customer_id)
        if queue is not None and self not in queue:
            raise Busy
        return self._has_place

    async def come(self, seconds: float) -> None:
        """Waits in the queue until the change should be tried again.

        Raises `Overloaded` after `seconds`, or if the queue is full.
        """
        assert self._customer_id is not None, "waits_for() is called first"
        queue = self._queues.waiting.setdefault(self._customer_id, deque())
        if self not in queue:
            if len(queue) >= MAX_IN_QUEUE:
                raise Overloaded("Too many requests are waiting for this customer.")
            queue.append(self)
        if queue[0] is self:
            self.is_first.set()
        if seconds <= 0:
            raise Overloaded(TOO_LONG)
        try:
            async with asyncio.timeout(seconds):
                await self.is_first.wait()
                await self._take_place()
        except TimeoutError:
            raise Overloaded(TOO_LONG) from None

    async def _take_place(self) -> None:
        """Waits a short time for permission to wait in PostgreSQL.

        The first call returns immediately: the lock may be free now that the change is first in the queue.
        """
        if self._pause is None:
            self._pause = FIRST_PAUSE_SECONDS
            return
        try:
            async with asyncio.timeout(self._pause):
                await self._queues.places.acquire()
                self._has_place = True
        except TimeoutError:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def give_place(self) -> None:
        """Stops waiting in PostgreSQL, so that the first of another queue may."""
        if self._has_place:
            self._has_place = False
            self._queues.places.release()

    def leave(self) -> None:
        self.give_place()
        queue = None if self._customer_id is None else self._queues.waiting.get(self._customer_id)
        if queue is None or self not in queue:
            return
        queue.remove(self)
        if queue:
            queue[0].is_first.set()
        else:
            assert self._customer_id is not None
            del self._queues.waiting[self._customer_id]


@asynccontextmanager
async def in_turn(session: AsyncSession, customer_id: CustomerId) -> AsyncIterator[bool]:
    """Surrounds the statement that locks a customer. Yields True if the statement should wait for the lock.

    Raises `Busy` if the lock is not available and the change has to queue. Always yields True for sessions that were
    not begun by `Database.change`.
    """
    turn: Turn | None = session.info.get(TURN)
    if turn is None:
        yield True
        return
    waits = turn.waits_for(customer_id)
    try:
        yield waits
    except DBAPIError as error:
        if server_detail(error, "sqlstate") == LOCK_NOT_AVAILABLE:
            raise Busy from error
        raise
    finally:
        turn.give_place()
