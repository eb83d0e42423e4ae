"""A single renewal run."""

import asyncio
import gc
import resource
import signal
import sys
import time
from datetime import UTC, datetime

from rich.console import Console

from billing.enums import RunTrigger
from cli.database import database_at
from cli.errors import CommandError
from cli.settings import read_configuration
from services.runs import AsOfInTheFuture, Report
from services.ticks import tick


async def renew_once(url: str, *, as_of: datetime | None, chunk_size: int, console: Console) -> int:
    """Bills what is due by `as_of` (default: now) and prints a summary, even if SIGTERM or Ctrl-C interrupts the run.

    Returns the number of subscriptions that could not be billed. Raises `CommandError` if `as_of` is in the future or
    the run was interrupted.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    throttle = read_configuration().throttle()
    done: list[Report] = []
    task = asyncio.current_task()
    assert task is not None, "this is a coroutine"
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    ended = False
    began = time.monotonic()
    # The objects of a chunk are freed together: collecting cycles in between would take a third of the time.
    gc.freeze()
    gc.set_threshold(300_000, 50, 100)
    try:
        async with database_at(url, pool_size=throttle.concurrency + 2) as database:
            await tick(
                database,
                as_of=as_of,
                now=now,
                trigger=RunTrigger.COMMAND,
                chunk_size=chunk_size,
                throttle=throttle,
                on_report=done.append,
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
        raise CommandError("Interrupted. Completed renewals are stored; the rest is still due.")
    return report.failed


def peak_megabytes() -> float:
    """Returns the peak memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
