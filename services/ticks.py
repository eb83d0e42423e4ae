"""Ticks: the periodic work of the server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import RunTrigger
from billing.limits import PRUNED_AT_ONCE, RUN_CHUNK
from billing.webhooks import DELIVERIES_KEPT_FOR
from db.database import Database
from db.queries.webhooks import PRUNE, PRUNE_DELETED, PRUNE_PROGRESS
from services.clock_runs import advance_test_clocks
from services.customer_sessions import prune_sessions
from services.failures import log_failure
from services.figures import add_up_figures, keep_figures_added_up
from services.idempotency import prune
from services.repairs import repair
from services.runs import Report, require_has_come, run_renewals
from services.settings import NO_THROTTLE, RunThrottle

logger = logging.getLogger("billing.runs")


@dataclass(frozen=True, slots=True)
class Tick:
    """The result of a tick's renewals, which are stored even if another part of the tick has `failed`."""

    report: Report
    failed: bool


async def tick(
    database: Database,
    *,
    as_of: datetime | None = None,
    now: datetime,
    trigger: RunTrigger = RunTrigger.SERVER,
    chunk_size: int = RUN_CHUNK,
    throttle: RunThrottle = NO_THROTTLE,
    on_report: Callable[[Report], object] = lambda _report: None,
) -> Report:
    """Runs renewals, advances test clocks, repairs data, adds up figures, and deletes what is kept only for some time.

    An error in one part is logged and does not stop the other parts. The first error is raised at the end. `on_report`
    receives the report of each chunk of renewals. Raises `AsOfInTheFuture`.
    """
    as_of = as_of or now
    require_has_come(as_of, now)
    report = Report()
    errors: list[Exception] = []

    @contextmanager
    def part(name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the first one is raised at the end
            errors.append(error)
            log_failure(name, error)

    with part("renewals"):
        async with meanwhile(keep_figures_added_up(database)):
            report = await run_renewals(
                database,
                as_of=as_of,
                now=now,
                trigger=trigger,
                chunk_size=chunk_size,
                concurrency=throttle.concurrency,
                pause_ratio=throttle.pause_ratio,
                on_report=on_report,
            )
    with part("test clocks"):
        await advance_test_clocks(database, now=now, part=part)
    with part("repairs"):
        await repair(database)
    with part("figures"):
        await add_up_figures(database)
    with part("pruning"):
        await database.change(lambda session: prune_all(session, now), repeatable=True)
    if errors:
        raise errors[0]
    return report


@asynccontextmanager
async def meanwhile(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Does the work during the block, and cancels it at the end of the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def prune_all(session: AsyncSession, now: datetime) -> None:
    """Deletes what is kept only for some time, at most `PRUNED_AT_ONCE` of each."""
    await prune(session, now=now)
    await prune_sessions(session, now=now)
    # Also those of deleted endpoints.
    await session.execute(PRUNE, {"before": now - DELIVERIES_KEPT_FOR, "most": PRUNED_AT_ONCE})
    await session.execute(PRUNE_DELETED, {"most": PRUNED_AT_ONCE})
    await session.execute(PRUNE_PROGRESS)


async def tick_forever(
    database: Database,
    clock: Callable[[], datetime],
    *,
    every_seconds: float,
    throttle: RunThrottle = NO_THROTTLE,
    on_tick: Callable[[Tick], object] = lambda _tick: None,
) -> None:
    """Runs a tick every `every_seconds` until cancelled. Errors are logged, and the next tick tries again.

    `on_tick` receives the result of each tick, including failed ones.
    """
    while True:
        try:
            await tick_and_log(database, clock().replace(microsecond=0), throttle, on_tick)
        except Exception:
            logger.exception("a tick failed")
        await asyncio.sleep(every_seconds)


async def tick_and_log(
    database: Database, now: datetime, throttle: RunThrottle, on_tick: Callable[[Tick], object]
) -> None:
    """Runs a tick, logs its renewals and passes them to `on_tick`, even if the tick fails later."""
    done: list[Report] = []
    failed = False
    try:
        await tick(database, now=now, throttle=throttle, on_report=done.append)
    except Exception:  # noqa: BLE001 - it is logged
        failed = True
    finally:
        report = sum(done, Report())
        if report != Report():
            logger.info("renewals", extra={"facts": asdict(report)})
        on_tick(Tick(report, failed))
