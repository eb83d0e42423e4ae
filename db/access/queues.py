"""Queues of those who wait for a customer's lock. Whoever waits holds no connection that others need.

A transaction that does not get a lock at once is undone and gives its connection back. It stands in the customer's
queue in this process, and is done again when it is first there. Where the lock is still not to be had, another process
has it: the first of a queue then waits in the database, where the queues of several processes meet. Only so many wait
there at a time; the first of other queues try again now and then.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import CustomerId
from db.driver.errors import Overloaded, said_of

MAX_IN_QUEUE = 100
"""Maximum of those who wait for one customer in a process."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0
"""Between two tries of who is first in the queue and has no place in the database; each pause is twice as long."""

TOO_LONG = "Others who have this customer's lock, or wait for it, took too long."

LOCK_NOT_AVAILABLE = "55P03"
TURN = "turn"
"""Where a session's `info` has its turn."""


class Busy(Exception):
    """Somebody else has the customer's lock, or stands in the queue for it."""


class Queues:
    """The queues of one process, the first of which wait in the database: `at_once` of them at a time."""

    def __init__(self, at_once: int) -> None:
        self.waiting: dict[CustomerId, deque[Turn]] = {}
        self.places = asyncio.Semaphore(at_once)

    @contextmanager
    def turn(self) -> Iterator["Turn"]:
        """A turn for one change, which leaves its queue in the end."""
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.leave()


class Turn:
    """The place of a change in the queue of the customer that it locks."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._customer_id: CustomerId | None = None
        self.is_first = asyncio.Event()
        self._has_place = False
        self._pause: float | None = None

    def waits_for(self, customer_id: CustomerId) -> bool:
        """Returns True for a change that has a place in the database to wait in. Raises `Busy` if others come first."""
        self._customer_id = customer_id
        queue = self._queues.waiting.get(customer_id)
        if queue is not None and self not in queue:
            raise Busy
        return self._has_place

    async def come(self, seconds: float) -> None:
        """Waits in the queue until it is first. Raises `Overloaded` where that takes too long, or it is full."""
        assert self._customer_id is not None, "it has met somebody"
        queue = self._queues.waiting.setdefault(self._customer_id, deque())
        if self not in queue:
            if len(queue) >= MAX_IN_QUEUE:
                raise Overloaded("Too many wait for this customer.")
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
        """Waits for a place in the database for a while, but not before it has tried as the first in the queue."""
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
        """Lets the first of another queue wait in the database."""
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
    """For the time in which a customer is locked: whether to wait for the lock. Raises `Busy` where it is not to be had
    and the change is to wait in the queue. Outside of a change, one waits in the database.
    """
    turn: Turn | None = session.info.get(TURN)
    if turn is None:
        yield True
        return
    waits = turn.waits_for(customer_id)
    try:
        yield waits
    except DBAPIError as error:
        if said_of(error, "sqlstate") == LOCK_NOT_AVAILABLE:
            raise Busy from error
        raise
    finally:
        turn.give_place()
