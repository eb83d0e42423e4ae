"""`billing renew`, `billing verify` and the renewals of `billing serve`."""

import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text, update

from billing.subscribing import SubscriptionRequest
from db.database import Database
from db.models import Customer, Subscription
from services.customers import create_customer
from services.plans import create_plan
from services.subscriptions import create_subscription
from tests.cli.conftest import Serve, billing
from tests.support import PATIENCE_SECONDS

LONG_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=65)


async def a_subscription_of_long_ago(database: Database) -> Subscription:
    """Creates a subscription whose first two periods of 30 days are over, with only the first one billed."""
    async with database.sessions.begin() as session:
        customer = await create_customer(session, name="Ada Lovelace", email="ada@example.com", now=LONG_AGO)
        plan = await create_plan(session, code="pro", name="Pro", amount_cents=2900, currency="EUR", now=LONG_AGO)
        assert customer.customer_id is not None
        assert plan.plan_id is not None
        made = await create_subscription(
            session, SubscriptionRequest(plan.plan_id), customer_id=customer.customer_id, now=LONG_AGO
        )
        subscription = await session.get(Subscription, (made.subscription_id, customer.customer_id))
    assert subscription is not None
    return subscription


async def invoices(database: Database) -> int:
    async with database.sessions() as session:
        return await session.scalar(text("SELECT count(*) FROM invoices")) or 0


async def test_a_run_bills_what_is_due_as_of_an_instant(database: Database, database_url: str) -> None:
    await a_subscription_of_long_ago(database)
    early, late = (f"{LONG_AGO + timedelta(days=days):%FT%TZ}" for days in (29, 31))

    before = billing("renew", "--as-of", early, DATABASE_URL=database_url)
    after = billing("renew", "--as-of", late, DATABASE_URL=database_url)
    again = billing("renew", "--as-of", late, DATABASE_URL=database_url)
    now = billing("renew", DATABASE_URL=database_url)

    assert [each.returncode for each in (before, after, again, now)] == [0, 0, 0, 0], before.stderr
    assert "0 subscriptions, 0 invoices" in before.stderr
    assert "1 subscriptions, 1 invoices" in after.stderr
    assert "0 subscriptions, 0 invoices" in again.stderr
    assert "1 subscriptions, 1 invoices" in now.stderr
    assert await invoices(database) == 3


async def test_a_run_that_is_ended_says_what_it_did(database: Database, database_url: str, tmp_path: Path) -> None:
    await a_subscription_of_long_ago(database)
    said = tmp_path / "said"
    # After the chunk with the only due subscription, the run pauses for a long time.
    environment = {**os.environ, "DATABASE_URL": database_url, "BILLING_RENEW_REST": "100"}
    with said.open("w") as output:
        running = subprocess.Popen([sys.executable, "-m", "cli.main", "renew"], env=environment, stderr=output)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await invoices(database) != 3:  # noqa: ASYNC110 - the database cannot notify us of this
                await asyncio.sleep(0.1)
        running.terminate()
        code = await asyncio.to_thread(running.wait, PATIENCE_SECONDS)
    finally:
        running.kill()

    assert code == 1
    assert "Renewed     1 subscriptions, 2 invoices" in said.read_text()
    assert "Interrupted. Completed renewals are stored" in said.read_text()
    async with database.sessions() as session:
        [run] = (await session.execute(text("SELECT renewed, finished_at IS NOT NULL FROM billing_runs"))).all()
    assert tuple(run) == (1, True)


async def test_a_run_ahead_of_time_is_refused(database_url: str) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    done = billing("renew", "--as-of", f"{tomorrow:%FT%TZ}", DATABASE_URL=database_url)

    assert done.returncode == 1
    assert "Cannot bill as of" in done.stderr.splitlines()[-1]


async def test_a_run_that_fails_for_one_exits_with_1(database: Database, database_url: str) -> None:
    subscription = await a_subscription_of_long_ago(database)
    async with database.sessions.begin() as session:
        # The next invoice gets a number that already exists.
        await session.execute(
            update(Customer).where(Customer.id == subscription.customer_id).values(last_invoice_number=0)
        )

    done = billing("renew", DATABASE_URL=database_url)

    assert done.returncode == 1
    assert "Failed      1: see their billingHold" in done.stderr


async def test_verify_prints_a_line_for_each_invariant(database: Database, database_url: str, tmp_path: Path) -> None:
    subscription = await a_subscription_of_long_ago(database)
    acknowledged = tmp_path / "acknowledged.jsonl"
    acknowledged.write_text(json.dumps({"type": "Subscription", "id": str(subscription.id)}) + "\n")

    sound = billing("verify", "--acknowledged", str(acknowledged), DATABASE_URL=database_url)
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE invoices SET subtotal_cents = 1, amount_cents = 1, amount_due_cents = 1"))
    broken = billing("verify", DATABASE_URL=database_url)

    assert sound.returncode == 0, sound.stdout
    assert {line.split()[1] for line in sound.stdout.splitlines()} == {"ok"}
    assert {line.split()[0] for line in sound.stdout.splitlines()} == {f"I{number}" for number in range(1, 9)}
    assert broken.returncode == 1
    assert any(line.split()[:2] == ["I4", "VIOLATED"] for line in broken.stdout.splitlines())


async def test_the_server_bills_by_itself_what_is_due(database: Database, database_url: str, serve: Serve) -> None:
    await a_subscription_of_long_ago(database)

    serve("--renew-every", "0.2", environment={"DATABASE_URL": database_url, "BILLING_AUTH": "off"})

    deadline = time.monotonic() + PATIENCE_SECONDS
    while await invoices(database) < 3 and time.monotonic() < deadline:  # noqa: ASYNC110 - another process writes them
        await asyncio.sleep(0.1)
    assert await invoices(database) == 3


async def test_a_server_without_renewals_bills_nothing_by_itself(
    database: Database, database_url: str, serve: Serve
) -> None:
    await a_subscription_of_long_ago(database)

    served = serve(
        "--no-renew", "--renew-every", "0.2", environment={"DATABASE_URL": database_url, "BILLING_AUTH": "off"}
    )
    # There is no event to wait for if nothing happens, so this waits for several intervals.
    await asyncio.sleep(1.5)

    assert "Renewals    off" in served.said.read_text()
    assert await invoices(database) == 1
