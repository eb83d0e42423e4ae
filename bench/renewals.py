"""Measures renewals: the time of `billing renew` for many due subscriptions, and the statements of one chunk.

./dev run python -m bench.renewals [--subscriptions 100000] [--chunk 500]
./dev run python -m bench.renewals --compare

The second form compares the CPU time of renewals without taxes, with a tax, and with a tax and a discount.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert, make_url, select, text

from billing.account import Account
from billing.coupon_validation import CouponRequest
from billing.enums import CouponDuration, PaymentMethod, RunTrigger, TaxCategory, TaxKind
from billing.ids import new_id
from billing.mrr import count
from billing.paying import apply_payment
from billing.subscribing import subscribe
from billing.taxes import TaxRegistration
from db.database import Database, single_connection
from db.embedded import EmbeddedPostgres
from db.migrations import migrate
from db.models import Customer, Plan, Subscription
from services.accounts.read import read_accounts
from services.accounts.write import store
from services.demo.accounts import new_account, terms_of, values
from services.discounts import create_coupon
from services.runs import run_renewals
from services.sellers import update_seller
from services.tax_rates import create_tax_rate
from tests.support import a_customer, a_plan, counted_statements

NOW = datetime.now(UTC).replace(microsecond=0)

REDEEM = """
INSERT INTO discounts (id, customer_id, subscription_id, coupon_id, name, percent_off, periods, plan_ids, periods_used,
  version, created_at, updated_at)
SELECT gen_random_uuid(), s.customer_id, s.id, c.id, c.name, c.percent_off, c.periods, '{}', 0, 1, c.created_at,
  c.created_at
FROM subscriptions AS s CROSS JOIN coupons AS c
"""
"""Gives each subscription a discount for each coupon."""

ROUNDS, OF_A_ROUND = 7, 1000
"""Number of rounds of a comparison, and of the subscriptions that are renewed in each."""


async def fill(database: Database, subscriptions: int) -> None:
    """Adds subscriptions that started 30 days ago, have a paid first invoice, and became due within the last hour."""
    plan = a_plan(created_at=NOW - timedelta(days=60))
    async with database.sessions.begin() as session:
        await session.execute(insert(Plan), [values(plan)])
    for first in range(0, subscriptions, 1000):
        accounts: list[Account] = []
        customers: list[Customer] = []
        for number in range(first, min(first + 1000, subscriptions)):
            began = NOW - timedelta(days=30, seconds=number % 3600)
            customers.append(a_customer(created_at=began, updated_at=began, invoice_prefix=uuid4().hex[:12].upper()))
            account = new_account(customers[-1], new_id)
            subscribe(account, terms_of(plan, 1), began, began)
            [invoice] = account.unpaid
            due = invoice.amount_due_cents
            apply_payment(account, due, [(invoice, due)], method=PaymentMethod.CARD, received_at=began, at=began)
            accounts.append(account)
        async with database.sessions.begin() as session:
            await session.execute(insert(Customer), [values(customer) for customer in customers])
            await store(session, accounts)
    async with database.engine.connect() as connection:
        await connection.execute(text("VACUUM ANALYZE"))


async def configure_tax(database: Database) -> None:
    """Creates a VAT rate for all customers, who have no country."""
    async with database.sessions.begin() as session:
        await update_seller(session, {"legal_name": "Example GmbH", "home_country": "DE"}, now=NOW)
    async with database.sessions.begin() as session:
        made = await create_tax_rate(
            session, name="VAT", kind=TaxKind.VAT, category=TaxCategory.S, percent=Decimal(19), now=NOW
        )
    assert made.tax_rate_id is not None
    registration = TaxRegistration("DE", NOW - timedelta(days=365), (made.tax_rate_id,))
    async with database.sessions.begin() as session:
        await update_seller(session, {"registrations": [registration]}, now=NOW)


async def redeem_coupon(database: Database) -> None:
    """Gives each subscription a discount for many periods."""
    request = CouponRequest("BENCH", "Bench", percent_off=Decimal(15), duration=CouponDuration.PERIODS, periods=1000)
    async with database.sessions.begin() as session:
        await create_coupon(session, request, now=NOW)
        await session.execute(text(REDEEM))
        accounts = await read_accounts(session, (await session.scalars(select(Subscription.id))).all())
        for account in accounts:
            count(account, NOW)
        await store(session, accounts)


async def statements_of_chunks(database: Database) -> list[int]:
    """Returns the number of statements of runs with one chunk of about 5, 10 and 100 subscriptions."""
    counts = []
    for size in (1, 5, 10, 100):
        async with database.sessions() as session:
            due = select(Subscription.next_billing_at).order_by(Subscription.next_billing_at).offset(size - 1).limit(1)
            as_of = await session.scalar(due)
        assert as_of is not None, "there is something due"
        with counted_statements(database) as sent:
            await run_renewals(database, as_of=as_of, now=NOW, trigger=RunTrigger.SERVER, chunk_size=1000)
        counts.append(len(sent))
    # Without the first run, which also opens the connection.
    return counts[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--chunk", type=int, default=500)
    parser.add_argument("--compare", action="store_true", help="compare renewals with and without taxes and discounts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as postgres:
            if options.compare:
                asyncio.run(compare(postgres.url))
                return
            asyncio.run(migrate(postgres.url))
            asyncio.run(prepare(postgres.url, options.subscriptions))
            command = [sys.executable, "-m", "cli.main", "renew", "--chunk", str(options.chunk)]
            began = time.monotonic()
            subprocess.run(command, env={**os.environ, "DATABASE_URL": postgres.url}, check=True)
            print(f"Command     {time.monotonic() - began:.1f} s including startup")
            asyncio.run(look(postgres.url))


async def compare(url: str) -> None:
    """Prints the CPU time of this process for a renewal, and its ratio to one without taxes: medians of the rounds."""
    kinds = ("plain", "with a tax", "with a tax and a discount")
    databases = {}
    for number, kind in enumerate(kinds):
        name = f"compare_{number}"
        async with single_connection(url) as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(f"CREATE DATABASE {name}"))
        own_url = make_url(url).set(database=name).render_as_string(hide_password=False)
        await migrate(own_url)
        databases[kind] = Database(own_url)
        await fill(databases[kind], (ROUNDS + 2) * OF_A_ROUND)
        if number > 0:
            await configure_tax(databases[kind])
        if number > 1:
            await redeem_coupon(databases[kind])
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS + 1):
        for kind, database in databases.items():
            seconds[kind].append(await cpu_of_renewals(database))
    for kind in kinds:
        # Without the first round, which warms up.
        per_renewal = 1000 * statistics.median(seconds[kind][1:]) / OF_A_ROUND
        ratios = [own / plain for own, plain in zip(seconds[kind][1:], seconds["plain"][1:], strict=True)]
        print(f"{kind:28}{per_renewal:.3f} ms of CPU, {statistics.median(ratios):.2f} ×")
        await databases[kind].close()


async def cpu_of_renewals(database: Database) -> float:
    """Renews the next subscriptions that are due, and returns the CPU seconds that this takes in this process."""
    last_due = select(Subscription.next_billing_at).order_by(Subscription.next_billing_at).offset(OF_A_ROUND - 1)
    async with database.sessions() as session:
        as_of = await session.scalar(last_due.limit(1))
    assert as_of is not None, "there is something due"
    began = time.process_time()
    report = await run_renewals(database, as_of=as_of, now=NOW, trigger=RunTrigger.SERVER)
    assert report.renewed >= OF_A_ROUND, report
    return (time.process_time() - began) * OF_A_ROUND / report.renewed


async def prepare(url: str, subscriptions: int) -> None:
    database = Database(url)
    began = time.monotonic()
    await fill(database, subscriptions + 400)
    print(f"Filled      {subscriptions} due subscriptions in {time.monotonic() - began:.0f} s")
    print(f"Statements  {await statements_of_chunks(database)} in runs of one chunk of about 5, 10 and 100")
    await database.close()


async def look(url: str) -> None:
    database = Database(url)
    async with database.sessions() as session:
        for table in ("billing_periods", "invoices", "invoice_lines", "events"):
            print(f"{table:16}{await session.scalar(text(f'SELECT count(*) FROM {table}'))} rows")
    await database.close()


if __name__ == "__main__":
    main()
