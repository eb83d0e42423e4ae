"""Timeouts that only count the time in which this process runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil

LOOP_SECONDS = 0.05


@asynccontextmanager
async def running_timeout(seconds: float | None) -> AsyncIterator[None]:
    """Raises `TimeoutError` if the block takes longer than `seconds`. None means no timeout.

    Counts turns of the event loop instead of elapsed time: if the machine is too busy to run this process, a response
    that has arrived but is still unread is not late.
    """
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    left = ceil(seconds / LOOP_SECONDS)
    async with asyncio.timeout(None) as limit:

        def turn() -> None:
            nonlocal left
            left -= 1
            if left > 0:
                turns.append(loop.call_later(LOOP_SECONDS, turn))
            elif left == 0:
                limit.reschedule(loop.time())

        turns = [loop.call_later(LOOP_SECONDS, turn)]
        try:
            yield
        finally:
            turns[-1].cancel()
