"""Ticks: everything that is done from time to time."""

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
    """What a tick's renewals have done, all of which is stored, and whether the tick has `failed` after that."""

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
    """All that is to be done from time to time: renewals, test clocks, repairs, the end of what was kept long enough.

    `told` is given what each chunk of renewals has done. Raises `AsOfInTheFuture`.
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
    """Ticks until it is cancelled. A tick that fails is logged, and the next one tries again.

    After each, `told` is given what it has done, also where it failed.
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
    """Ticks, and logs and tells what was done, which stays done where something fails afterwards."""
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
