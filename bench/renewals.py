"""Measures renewals: the time of `billing renew` for many due subscriptions, and the statements of one chunk.

./dev run python -m bench.renewals [--subscriptions 100000] [--chunk 500]
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import insert, select, text

from billing.account import Account
from billing.enums import PaymentMethod, RunTrigger
from billing.ids import new_id
from billing.paying import apply_payment
from billing.subscribing import subscribe
from cli.demo import new_account, terms_of, values
from db.database import Database
from db.embedded import EmbeddedPostgres
from db.migrations import migrate
from db.models import Customer, Plan, Subscription
from services.accounts.write import store
from services.runs import run_renewals
from tests.support import a_customer, a_plan, counted_statements

NOW = datetime.now(UTC).replace(microsecond=0)


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
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as postgres:
            asyncio.run(migrate(postgres.url))
            asyncio.run(prepare(postgres.url, options.subscriptions))
            command = [sys.executable, "-m", "cli.main", "renew", "--chunk", str(options.chunk)]
            began = time.monotonic()
            subprocess.run(command, env={**os.environ, "DATABASE_URL": postgres.url}, check=True)
            print(f"Command     {time.monotonic() - began:.1f} s including startup")
            asyncio.run(look(postgres.url))


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
