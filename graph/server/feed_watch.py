"""Watches the event feed for new events, with one statement for all streams of a process."""

import asyncio
import logging

from sqlalchemy import text

from db.database import Database
from db.driver.errors import is_unavailable
from db.models.events import Place

logger = logging.getLogger("billing.live")

POLL_SECONDS = 0.2
"""Time between two looks at the feed while somebody waits for events, in seconds."""
RETRY_SECONDS = 1
"""Time until the next look if the database did not respond, in seconds."""

NEWEST = text("SELECT xid, position FROM events WHERE xid < event_horizon() ORDER BY xid DESC, position DESC LIMIT 1")


class FeedWatch:
    """Notifies waiting streams of new events. Polls only while a stream waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._newest: Place = (0, 0)
        self._change: asyncio.Future[None] | None = None
        self._wanted = asyncio.Event()

    def change(self) -> asyncio.Future[None]:
        """Returns a future that is done when new events appear. Call it before you read the feed."""
        if self._change is None or self._change.done():
            self._change = asyncio.get_running_loop().create_future()
        return self._change

    def begin(self) -> None:
        """Polls from now on."""
        self._wanted.set()

    def rest(self) -> None:
        """Stops polling: nobody waits."""
        self._wanted.clear()

    async def run(self) -> None:
        """Looks for new events until cancelled. Errors are logged."""
        while True:
            await self._wanted.wait()
            pause: float = POLL_SECONDS
            try:
                await self._look()
            except Exception as error:
                pause = RETRY_SECONDS
                if is_unavailable(error):
                    logger.warning("live events are delayed, the database is unavailable: %s", error)
                else:
                    logger.exception("cannot look for new events")
            await asyncio.sleep(pause)

    async def _look(self) -> None:
        async with self._database.brief() as session:
            row = (await session.execute(NEWEST)).one_or_none()
        newest = (0, 0) if row is None else (row.xid, row.position)
        if newest != self._newest:
            self._newest = newest
            if self._change is not None and not self._change.done():
                self._change.set_result(None)
