"""Ticks: the periodic work of the server."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.limits import RUN_CHUNK
from billing.words import RunTrigger
from db.database import Database
from db.driver.errors import is_unavailable
from services.clock_runs import advance_test_clocks
from services.customer_sessions import prune_sessions
from services.idempotency import prune
from services.repairs import repair
from services.runs import Report, run_renewals
from services.settings import NO_BRAKE, Brake

logger = logging.getLogger("billing.runs")


@dataclass(frozen=True, slots=True)
class Tick:
    """The result of a tick's renewals, which are stored even if the tick has `failed` later."""

    report: Report
    failed: bool


async def tick(
    database: Database,
    *,
    as_of: datetime | None = None,
    now: datetime,
    trigger: RunTrigger = RunTrigger.SERVER,
    chunk_size: int = RUN_CHUNK,
    brake: Brake = NO_BRAKE,
    told: Callable[[Report], object] = lambda _report: None,
) -> Report:
    """Runs renewals, advances test clocks, repairs data, and deletes expired idempotency keys and sessions.

    `told` receives the report of each chunk of renewals. Raises `AsOfInTheFuture`.
    """
    report = await run_renewals(
        database,
        as_of=as_of or now,
        now=now,
        trigger=trigger,
        chunk_size=chunk_size,
        side_by_side=brake.side_by_side,
        rest=brake.rest,
        told=told,
    )
    await advance_test_clocks(database, now=now)
    await repair(database)

    async def prune_all(session: AsyncSession) -> None:
        await prune(session, now=now)
        await prune_sessions(session, now=now)

    await database.change(prune_all, repeatable=True)
    return report


async def tick_forever(
    database: Database,
    clock: Callable[[], datetime],
    *,
    every_seconds: float,
    brake: Brake = NO_BRAKE,
    told: Callable[[Tick], object] = lambda _tick: None,
) -> None:
    """Runs a tick every `every_seconds` until cancelled. Errors are logged, and the next tick tries again.

    `told` receives the result of each tick, including failed ones.
    """
    while True:
        try:
            await tick_and_log(database, clock().replace(microsecond=0), brake, told)
        except Exception as error:
            if is_unavailable(error):
                logger.warning("renewals are waiting for the database: %s", error)
            else:
                logger.exception("renewals failed")
        await asyncio.sleep(every_seconds)


async def tick_and_log(database: Database, now: datetime, brake: Brake, told: Callable[[Tick], object]) -> None:
    """Runs a tick, logs its renewals and passes them to `told`, even if the tick fails later."""
    done: list[Report] = []
    failed = False
    try:
        await tick(database, now=now, brake=brake, told=done.append)
    except Exception:
        failed = True
        raise
    finally:
        report = sum(done, Report())
        if report != Report():
            logger.info("renewals", extra={"facts": asdict(report)})
        told(Tick(report, failed))
