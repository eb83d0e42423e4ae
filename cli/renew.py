"""One run of the renewals."""

import gc
import resource
import sys
import time
from datetime import UTC, datetime

from rich.console import Console

from billing.words import RunTrigger
from cli.database import database_at
from cli.errors import CommandError
from services.runs import AsOfInTheFuture
from services.ticks import tick

SIDE_BY_SIDE = 6


async def renew_once(url: str, *, as_of: datetime | None, chunk_size: int, console: Console) -> int:
    """Bills what is due by `as_of`, by default now, and says what was done. Returns how many could not be billed."""
    now = datetime.now(UTC).replace(microsecond=0)
    database = database_at(url, pool_size=SIDE_BY_SIDE + 1)
    began = time.monotonic()
    # What a chunk makes is dropped as a whole: to look for cycles in it in between takes a third of the time.
    gc.freeze()
    gc.set_threshold(300_000, 50, 100)
    try:
        report = await tick(
            database,
            as_of=as_of,
            now=now,
            trigger=RunTrigger.COMMAND,
            chunk_size=chunk_size,
            side_by_side=SIDE_BY_SIDE,
        )
    except AsOfInTheFuture as error:
        raise CommandError(str(error)) from None
    finally:
        await database.close()
    seconds = time.monotonic() - began
    console.print(
        f"Renewed     {report.renewed} subscriptions, {report.invoices} invoices, in {seconds:.1f} s"
        f" ({report.renewed / max(seconds, 0.001):.0f} a second)"
    )
    console.print(f"Past due    {report.past_due} more subscriptions")
    console.print(f"Failed      {report.failed}{': see their billingHold' if report.failed else ''}")
    console.print(f"Memory      {peak_megabytes():.0f} MB at most")
    return report.failed


def peak_megabytes() -> float:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
