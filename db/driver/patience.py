"""Timeouts for what others are to do, which do not count the time in which this process does not run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil

LOOP_SECONDS = 0.05


@asynccontextmanager
async def running_timeout(seconds: float | None) -> AsyncIterator[None]:
    """Raises `TimeoutError` where the block takes longer; without `seconds`, it may take any time.

    Time is counted by turns of the loop: on a machine that is too busy to let this process run, an answer that lies
    here unread is not late.
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
