"""The figures of the business during a run: what it has written is added up before it ends."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text

from db.database import Database
from services.ticks import tick
from tests.support import NOW, PATIENCE_SECONDS, PATIENT_DATABASE, Api

ADDED_UP = "SELECT NOT EXISTS (SELECT FROM events WHERE xid >= (SELECT below_xid FROM figures_watermark))"


async def test_figures_are_added_up_while_a_run_waits(api: Api, database: Database, database_url: str) -> None:
    await api.a_subscription()
    other = Database(database_url, replace(PATIENT_DATABASE, lock_timeout_ms=1000 * PATIENCE_SECONDS))
    async with database.sessions.begin() as session:
        # The run waits for this, and other transactions do not: the lock needs no transaction id.
        await session.execute(text("LOCK TABLE subscriptions IN SHARE MODE"))
        running = asyncio.create_task(tick(other, now=NOW + timedelta(days=31)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await session.scalar(text(ADDED_UP)):
                assert not running.done()
                await asyncio.sleep(0.05)
        assert not running.done()
    report = await running
    await other.close()

    assert report.renewed == 1
