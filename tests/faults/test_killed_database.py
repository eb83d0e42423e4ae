"""All processes of PostgreSQL are killed, and it restarts: nothing acknowledged is lost, nothing is applied twice, and
its clients recover.
"""

import asyncio
import random
import signal
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from billing.enums import RunTrigger
from db.database import Database
from db.embedded import EmbeddedPostgres
from db.migrations import migrate
from services.runs import run_renewals
from services.ticks import tick_forever
from tests.conftest import execute, named
from tests.faults.frontends import Frontend, Record, assert_nothing_is_lost_or_doubled, offer, visit
from tests.faults.processes import Servers, family_of, send, until
from tests.races.fingerprints import fingerprints
from tests.races.lives import a_subscriber, store_customers, stored_plans
from tests.races.test_killed_runs import DUE, assert_billed_once, assert_the_same, number
from tests.support import NOW

CLIENTS = 8
MUTATIONS = 200
SUBSCRIPTIONS = 1200


@pytest.mark.parametrize("workers", [1, 2])
async def test_it_is_killed_in_the_middle_of_200_mutations(
    servers: Servers, own_postgres: EmbeddedPostgres, tmp_path: Path, workers: int
) -> None:
    server = await servers.start("--workers", str(workers), DATABASE_URL=own_postgres.url)
    record = Record()
    frontends = [Frontend([server.url], record) for _ in range(CLIENTS)]
    plans = await offer(frontends[0])

    async def take_part(frontend: Frontend, draw: random.Random) -> None:
        while record.answered < MUTATIONS:
            await visit(frontend, plans, draw)

    async def kill() -> None:
        for answered in (MUTATIONS // 4, MUTATIONS // 2, 3 * MUTATIONS // 4):
            await until(partial(have_answers, record, answered), what="mutations are done")
            send(family_of(own_postgres), signal.SIGKILL)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kill())
        for number, frontend in enumerate(frontends):
            tasks.create_task(take_part(frontend, random.Random(number)))
    for frontend in frontends:
        await frontend.close()

    await server.ready()
    assert record.sent_again["200 UNAVAILABLE"] + record.sent_again["503 UNAVAILABLE"] > 0
    await assert_nothing_is_lost_or_doubled(own_postgres.url, record, tmp_path)


async def test_it_is_killed_in_the_middle_of_a_run_of_renewals(own_postgres: EmbeddedPostgres) -> None:
    await migrate(own_postgres.url)
    database = Database(own_postgres.url)
    plans = await stored_plans(database)
    customers = [a_subscriber(seed, plans, days=(45, 75), behind=(36, 44)) for seed in range(SUBSCRIPTIONS)]
    await store_customers(database, customers)
    await database.close()
    await execute(named(own_postgres.url, "postgres"), "CREATE DATABASE undisturbed TEMPLATE billing")
    undisturbed = Database(named(own_postgres.url, "undisturbed"))
    await run_renewals(undisturbed, as_of=NOW, now=NOW, trigger=RunTrigger.SERVER)
    await undisturbed.close()

    renewing = asyncio.create_task(tick_forever(database, lambda: NOW, every_seconds=0.1))
    left = []
    for done in (1, 501):
        await until(partial(due_is_at_most, database, SUBSCRIPTIONS - done), what="subscriptions are renewed")
        send(family_of(own_postgres), signal.SIGKILL)
        await until(lambda: due_is_at_most(database, SUBSCRIPTIONS), what="PostgreSQL is back")
        left.append(await number(database, DUE))
    await until(lambda: due_is_at_most(database, 0), what="all are renewed")
    renewing.cancel()
    await asyncio.wait((renewing,))

    assert left[0] > left[1] > 0, "it was killed while there was something to do"
    await assert_billed_once(database)
    await assert_the_same(database, await fingerprints(undisturbed))
    await undisturbed.close()
    await database.close()


async def have_answers(record: Record, expected: int) -> bool:
    return record.answered >= expected


async def due_is_at_most(database: Database, most: int) -> bool:
    """Returns True if at most this many subscriptions are due, False also while the database is down."""
    try:
        return await number(database, DUE) <= most
    except (OSError, SQLAlchemyError):
        return False
