"""Test clocks that are advanced by several workers at once."""

import asyncio
from datetime import timedelta
from uuid import UUID

from billing.ids import TestClockId
from db.database import Database
from services.clock_runs import advance
from services.test_clocks import lock_existing_test_clock, start_advancing, stop_test_clock
from tests.faults.locks import are_waiting
from tests.faults.processes import until
from tests.races.fingerprints import assert_sound
from tests.support import NOW, PATIENCE_SECONDS, Api

CLOCK = """
    query ($id: ID!) { testClock(id: $id) { status frozenAt customers { nodes {
      subscription { nextBillingAt billingHold { reason } } invoices { totalCount }
    } } } }
"""


async def a_clock_with_a_customer(api: Api) -> str:
    made = await api.mutate("createTestClock", "testClock { id }", frozenAt="2026-01-01T00:00:00Z")
    clock_id = str(made["testClock"]["id"])
    plan_id = await api.a_plan(interval="MONTH", intervalCount=1)
    await api.a_subscription(await api.a_customer(testClockId=clock_id), plan_id)
    return clock_id


async def test_who_sent_a_clock_before_does_not_stop_it_on_its_next_way(api: Api, database: Database) -> None:
    clock_id = await a_clock_with_a_customer(api)
    key = TestClockId(UUID(clock_id))
    async with database.sessions.begin() as session:
        await start_advancing(session, test_clock_id=key, to=NOW.replace(day=5, hour=0), now=NOW)
    async with database.sessions.begin() as session:
        clock = await lock_existing_test_clock(session, key)
        # This task has nothing left to bill and is about to stop the clock, but another worker stops it first.
        slow = asyncio.create_task(advance(database, key, now=NOW, seconds=PATIENCE_SECONDS))
        await until(lambda: are_waiting(database, 1), what="it waits for the clock")
        await stop_test_clock(session, clock, now=NOW)
        await start_advancing(session, test_clock_id=key, to=NOW + timedelta(days=370), now=NOW)
    assert await slow

    on_its_way = (await api(CLOCK, id=clock_id))["testClock"]
    assert (on_its_way["status"], on_its_way["frozenAt"]) == ("ADVANCING", "2026-01-05T00:00:00Z")
    await advance(database, key, now=NOW, seconds=PATIENCE_SECONDS)
    there = (await api(CLOCK, id=clock_id))["testClock"]
    assert there["status"] == "READY"
    assert there["customers"]["nodes"][0]["invoices"]["totalCount"] == 14
    await assert_sound(database)


async def test_many_move_a_clock_at_once_and_each_period_is_billed_once(api: Api, database: Database) -> None:
    clock_id = await a_clock_with_a_customer(api)
    key = TestClockId(UUID(clock_id))
    async with database.sessions.begin() as session:
        await start_advancing(session, test_clock_id=key, to=NOW + timedelta(days=700), now=NOW)

    arrived = await asyncio.gather(*(advance(database, key, now=NOW, seconds=PATIENCE_SECONDS) for _ in range(5)))

    assert arrived == [True] * 5
    there = (await api(CLOCK, id=clock_id))["testClock"]
    assert there["status"] == "READY"
    assert there["customers"]["nodes"][0]["invoices"]["totalCount"] == 24 + 1
    await assert_sound(database)
