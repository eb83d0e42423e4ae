"""One run of the renewals."""

import asyncio
import gc
import resource
import signal
import sys
import time
from datetime import UTC, datetime

from rich.console import Console

from billing.words import RunTrigger
from cli.database import database_at
from cli.errors import CommandError
from cli.settings import read_configuration
from services.runs import AsOfInTheFuture, Report
from services.ticks import tick


async def renew_once(url: str, *, as_of: datetime | None, chunk_size: int, console: Console) -> int:
    """Bills what is due by `as_of`, by default now, and says what was done, also where SIGTERM or Ctrl-C ends it before
    all is. Returns how many could not be billed.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    brake = read_configuration().brake()
    done: list[Report] = []
    task = asyncio.current_task()
    assert task is not None, "this is a coroutine"
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    ended = False
    began = time.monotonic()
    # What a chunk makes is dropped as a whole: to look for cycles in it in between takes a third of the time.
    gc.freeze()
    gc.set_threshold(300_000, 50, 100)
    try:
        async with database_at(url, pool_size=brake.side_by_side + 1) as database:
            await tick(
                database,
                as_of=as_of,
                now=now,
                trigger=RunTrigger.COMMAND,
                chunk_size=chunk_size,
                brake=brake,
                told=done.append,
            )
    except asyncio.CancelledError:
        ended = True
    except AsOfInTheFuture as error:
        raise CommandError(str(error)) from None
    seconds = time.monotonic() - began
    report = sum(done, Report())
    console.print(
        f"Renewed     {report.renewed} subscriptions, {report.invoices} invoices, in {seconds:.1f} s"
        f" ({report.renewed / max(seconds, 0.001):.0f} a second)"
    )
    console.print(f"Past due    {report.past_due} more subscriptions")
    console.print(f"Failed      {report.failed}{': see their billingHold' if report.failed else ''}")
    console.print(f"Memory      {peak_megabytes():.0f} MB at most")
    if ended:
        raise CommandError("Ended before all was done. What was done is stored; the rest is due as before.")
    return report.failed


def peak_megabytes() -> float:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
