"""`billing renew`, killed repeatedly or run twice at once: in the end each period is billed exactly once, with the
same result as an undisturbed run.
"""

import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from cli.settings import read_configuration
from db.database import Database, single_connection
from db.embedded import EmbeddedPostgres
from tests.conftest import execute, named
from tests.races.fingerprints import Fingerprint, assert_sound, differences, fingerprints
from tests.races.lives import a_subscriber, store_customers, stored_plans
from tests.support import NOW, PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
SUBSCRIPTIONS = 900
KILLS = 3
CHUNK = 50

DUE = f"SELECT count(*) FROM subscriptions WHERE next_billing_at <= '{NOW.isoformat()}'"
DONE = f"SELECT {SUBSCRIPTIONS} - ({DUE})"
RUNS = "SELECT count(*) FROM billing_runs"
CUT_OFF = "SELECT count(*) FROM billing_runs WHERE finished_at IS NULL"
NOT_BILLED_ONCE = """
    SELECT count(*) FROM billing_periods
    WHERE 1 <> (
        SELECT count(*) FROM invoices
        WHERE invoices.subscription_id = billing_periods.subscription_id
            AND invoices.kind = 'RECURRING' AND invoices.period_ordinal = billing_periods.ordinal
    )
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

Accounts: TypeAlias = dict[UUID, Fingerprint]


@pytest.fixture(scope="module")
async def due(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """Name of a database in which each customer has a period to bill or a subscription to end."""
    async with copied(server, template) as database:
        plans = await stored_plans(database)
        customers = [a_subscriber(seed, plans, days=(45, 75), behind=(36, 44)) for seed in range(SUBSCRIPTIONS)]
        await store_customers(database, customers)
        assert await number(database, DUE) == SUBSCRIPTIONS
        await database.close()
        yield str(database.engine.url.database)


@pytest.fixture(scope="module")
async def undisturbed(server: EmbeddedPostgres, due: str) -> Accounts:
    """Fingerprints after one run without interruptions."""
    async with copied(server, due) as database:
        assert renewed(billing_renew(database)) == SUBSCRIPTIONS
        await assert_billed_once(database)
        return await fingerprints(database)


@pytest.fixture
async def database(server: EmbeddedPostgres, due: str) -> AsyncIterator[Database]:
    """Copy of the database for each test."""
    async with copied(server, due) as database:
        yield database


async def test_runs_that_are_killed_and_started_again_bill_each_period_once(
    database: Database, undisturbed: Accounts
) -> None:
    draw = random.Random(9)

    for kill in range(KILLS):
        done = SUBSCRIPTIONS - await number(database, DUE) + draw.randrange(4) * CHUNK
        run = billing_renew(database)
        await until(database, run, RUNS, kill + 1)
        await until(database, run, DONE, done)
        await asyncio.sleep(draw.random() * 0.05)
        run.kill()
        run.communicate()
    left = await number(database, DUE)
    assert await number(database, CUT_OFF) == KILLS
    assert 0 < left < SUBSCRIPTIONS

    assert renewed(billing_renew(database)) == left

    await assert_billed_once(database)
    await assert_the_same(database, undisturbed)


async def test_two_runs_side_by_side_bill_each_period_once(database: Database, undisturbed: Accounts) -> None:
    async with single_connection(url_of(database)) as connection, connection.begin():
        # The lock makes both runs start their work at the same time.
        await connection.execute(text("LOCK TABLE subscriptions IN EXCLUSIVE MODE"))
        runs = [billing_renew(database) for _ in range(2)]
        await until(database, runs[0], WAITING, 2 * read_configuration().renew_parallel)

    shares = [renewed(run) for run in runs]

    assert sum(shares) == SUBSCRIPTIONS
    assert min(shares) > 0, "one of them was alone"
    await assert_billed_once(database)
    await assert_the_same(database, undisturbed)


@asynccontextmanager
async def copied(server: EmbeddedPostgres, template: str) -> AsyncIterator[Database]:
    """Creates a copy of a database without open connections, and drops it at the end of the block."""
    name = f"runs_{uuid4().hex}"
    await execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template}")
    database = Database(named(server.url, name))
    try:
        yield database
    finally:
        await database.close()
        await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


def billing_renew(database: Database) -> subprocess.Popen[str]:
    """Starts the command `billing renew`."""
    as_of = ["--as-of", f"{NOW:%Y-%m-%dT%H:%M:%SZ}"]
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "renew", *as_of, "--chunk", str(CHUNK)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url_of(database)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def renewed(run: subprocess.Popen[str]) -> int:
    """Waits for the run and returns the number of subscriptions that it reports as renewed."""
    said, _ = run.communicate(timeout=PATIENCE_SECONDS)
    found = re.search(r"Renewed\s+(\d+) subscriptions", said)
    assert run.returncode == 0, said
    assert found, said
    return int(found[1])


async def until(database: Database, run: subprocess.Popen[str], statement: str, expected: int) -> None:
    """Waits until the statement returns at least `expected`. Fails if the run exits first."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await number(database, statement) < expected:
        assert run.poll() is None, "the run has ended"
        assert time.monotonic() < deadline, "nothing happens"
        await asyncio.sleep(0.005)


async def number(database: Database, statement: str) -> int:
    async with database.sessions() as session:
        return await session.scalar(text(statement)) or 0


async def assert_billed_once(database: Database) -> None:
    assert await number(database, DUE) == 0
    assert await number(database, NOT_BILLED_ONCE) == 0
    await assert_sound(database)


async def assert_the_same(database: Database, expected: Accounts) -> None:
    found = await fingerprints(database)
    assert found.keys() == expected.keys()
    for customer_id, account in found.items():
        assert list(differences(account, expected[customer_id])) == []
