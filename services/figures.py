"""The job that adds up the figures of the business by day."""

import asyncio
import time

from db.database import Database
from db.queries.figures import add_up_next
from services.failures import log_failure

ROWS_AT_ONCE = 10_000
"""Approximate maximum number of events, and of MRR movements, that are added up in one transaction."""

FIGURES_SECONDS = 10
"""Approximate time limit for adding up figures in one tick. The first ticks after an upgrade have a history to add."""

PAUSE_SECONDS = 1
"""Time between two rounds of adding up during a run."""


async def add_up_figures(database: Database) -> None:
    """Adds up what was written since the last call, for at most about `FIGURES_SECONDS`."""
    deadline = time.monotonic() + FIGURES_SECONDS
    # Safe to repeat: the watermark and the sums change together.
    while await database.change(lambda session: add_up_next(session, ROWS_AT_ONCE), repeatable=True):
        if time.monotonic() > deadline:
            return


async def keep_figures_added_up(database: Database) -> None:
    """Adds up what is written, again and again, until cancelled. Logs errors and goes on.

    A query for figures adds up what this job has not added up yet. Without this job, such queries would become slow
    during a long run.
    """
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        try:
            await add_up_figures(database)
        except Exception as error:  # noqa: BLE001 - it is logged
            log_failure("figures", error)
