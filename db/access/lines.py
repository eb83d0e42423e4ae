"""Lines of those who wait for a customer's lock. Whoever waits holds no connection that others need.

A transaction that does not get a lock at once is undone and gives its connection back. It stands in the customer's line
in this process, and is done again when it is first there. Where the lock is still not to be had, another process has
it: the first of a line then waits in the database, where the lines of several processes meet. Only so many wait there
at a time; the first of other lines try again now and then.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import CustomerId
from db.driver.errors import Overloaded, server_detail

MAX_IN_LINE = 100
"""Maximum of those who wait for one customer in a process."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0
"""Between two tries of who is first in line and has no place in the database; each pause is twice as long."""

TOO_LONG = "Timed out waiting for this customer's lock."

LOCK_NOT_AVAILABLE = "55P03"
TURN = "turn"
"""Where a session's `info` has its turn."""


class Busy(Exception):
    """Somebody else has the customer's lock, or stands in line for it."""


class Lines:
    """The lines of one process, the first of which wait in the database: `at_once` of them at a time."""

    def __init__(self, at_once: int) -> None:
        self.waiting: dict[CustomerId, deque[Turn]] = {}
        self.places = asyncio.Semaphore(at_once)

    @contextmanager
    def turn(self) -> Iterator["Turn"]:
        """A turn for one change, which leaves its line in the end."""
        turn = Turn(self)
        try:
            yield turn
        finally:
            turn.leave()


class Turn:
    """The place of a change in the line of the customer that it locks."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._customer_id: CustomerId | None = None
        self.is_first = asyncio.Event()
        self._has_place = False
        self._pause: float | None = None

    def waits_for(self, customer_id: CustomerId) -> bool:
        """Returns True for a change that has a place in the database to wait in. Raises `Busy` if others come first."""
        self._customer_id = customer_id
        line = self._lines.waiting.get(customer_id)
        if line is not None and self not in line:
            raise Busy
        return self._has_place

    async def come(self, seconds: float) -> None:
        """Waits in line until it is first. Raises `Overloaded` where that takes too long, or the line is full."""
        assert self._customer_id is not None, "it has met somebody"
        line = self._lines.waiting.setdefault(self._customer_id, deque())
        if self not in line:
            if len(line) >= MAX_IN_LINE:
                raise Overloaded("Too many requests are waiting for this customer.")
            line.append(self)
        if line[0] is self:
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
        """Waits for a place in the database for a while, but not before it has tried as the first in line."""
        if self._pause is None:
            self._pause = FIRST_PAUSE_SECONDS
            return
        try:
            async with asyncio.timeout(self._pause):
                await self._lines.places.acquire()
                self._has_place = True
        except TimeoutError:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def give_place(self) -> None:
        """Lets the first of another line wait in the database."""
        if self._has_place:
            self._has_place = False
            self._lines.places.release()

    def leave(self) -> None:
        self.give_place()
        line = None if self._customer_id is None else self._lines.waiting.get(self._customer_id)
        if line is None or self not in line:
            return
        line.remove(self)
        if line:
            line[0].is_first.set()
        else:
            assert self._customer_id is not None
            del self._lines.waiting[self._customer_id]


@asynccontextmanager
async def in_turn(session: AsyncSession, customer_id: CustomerId) -> AsyncIterator[bool]:
    """For the time in which a customer is locked: whether to wait for the lock. Raises `Busy` where it is not to be had
    and the change is to wait in line. Outside of a change, one waits in the database.
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
