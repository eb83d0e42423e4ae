"""The database of a bench: an embedded PostgreSQL with demo data and customers to subscribe."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url

from bench.operations import Subjects
from db.embedded import EmbeddedPostgres

AS_OF = "2026-11-01"
READERS = 50
PLAN = "pro-30-days"
BILLING = (sys.executable, "-m", "cli.main")
FUNCTION = Path(__file__).parent / "peers" / "create_subscription.sql"

ADD_SUBSCRIBERS = """
WITH added AS (
  INSERT INTO customers (id, name, email, email_key, invoice_prefix, last_invoice_number, metadata, version, created_at,
    updated_at)
  SELECT uuidv7(), 'Bench', email, email, upper(substr(md5(email), 1, 10)), 0, '{}', 1, at, at
  FROM generate_series(1, $1) AS n,
    LATERAL (SELECT format('bench-%s@example.com', n) AS email, date_trunc('second', now()) AS at) AS made
  RETURNING id, created_at
), noted AS (
  INSERT INTO events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at, recorded_at)
  SELECT uuidv7(), id, 'CUSTOMER_CREATED', 'CUSTOMER', id, 1, 'bench', '{}', created_at, created_at FROM added
)
SELECT id FROM added
"""

FORGET = (
    "DELETE FROM events WHERE customer_id = ANY ($1) AND type <> 'CUSTOMER_CREATED'",
    *(
        f"DELETE FROM {table} WHERE customer_id = ANY ($1)"
        for table in ("mrr_movements", "invoice_lines", "invoices", "billing_periods", "subscriptions")
    ),
    """UPDATE customers SET currency = NULL, last_invoice_number = 0, subscription_status = NULL,
         subscription_plan_id = NULL, version = 1, updated_at = created_at
       WHERE id = ANY ($1)""",
)
"""Removes the subscriptions of customers, which makes them new again."""

WRITTEN = {
    "customers": "id",
    "subscriptions": "customer_id",
    "billing_periods": "customer_id",
    "trials": "customer_id",
    "invoices": "customer_id",
    "invoice_lines": "customer_id",
    "billing_holds": "customer_id",
    "events": "customer_id",
    "payments": "customer_id",
    "allocations": "customer_id",
    "ledger_entries": "customer_id",
    "pending_lines": "customer_id",
    "mrr_movements": "customer_id",
    "credit_notes": "customer_id",
    "credit_note_lines": "customer_id",
    "reversals": "customer_id",
    "refunds": "customer_id",
    "discounts": "customer_id",
}
"""Tables with rows of a customer, and the column with the customer's id."""


@dataclass(frozen=True, slots=True)
class BenchDatabase:
    """The database and the pid of its postmaster."""

    url: str
    postmaster: int

    @property
    def parts(self) -> dict[str, str]:
        """The address as libpq's environment variables."""
        url = make_url(self.url)
        host = url.query["host"]
        assert isinstance(host, str)
        assert url.username is not None
        assert url.database is not None
        return {
            "PGHOST": host,
            "PGPORT": str(url.query.get("port", "5432")),
            "PGUSER": url.username,
            "PGDATABASE": url.database,
        }

    def billing(self, *arguments: str) -> str:
        """Runs a `billing` command and returns its output. Exits if it fails."""
        environment = {**os.environ, "DATABASE_URL": self.url}
        done = subprocess.run([*BILLING, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        return done.stdout.strip()

    def run(self, *statements: str, arguments: Sequence[Any] = ()) -> list[Any]:
        """Runs each statement in its own transaction. Returns the rows of the last one."""

        async def send() -> list[Any]:
            host, port, user, database = self.parts.values()
            connection = await asyncpg.connect(host=host, port=int(port), user=user, database=database)
            try:
                return [await connection.fetch(statement, *arguments) for statement in statements][-1]
            finally:
                await connection.close()

        return asyncio.run(send())

    def fill(self, *, customers: int, subscribers: int) -> Subjects:
        """Adds demo data, new customers, and the function that PostGraphile serves as a mutation."""
        self.billing("demo", "--plain", "--customers", str(customers), "--as-of", AS_OF)
        added = self.run(ADD_SUBSCRIBERS, arguments=[subscribers])
        for statement in FUNCTION.read_text().split("\n\nCREATE OR REPLACE"):
            self.run(statement if statement.startswith("--") else f"CREATE OR REPLACE{statement}")
        # Autovacuum would disturb measurements. `tidy` does its work before each round instead.
        self.run("ALTER SYSTEM SET autovacuum = off")
        self.run("SELECT pg_reload_conf()")
        self.tidy()
        readers = self.run(
            "SELECT customers.id FROM customers JOIN subscriptions ON customer_id = customers.id"
            " ORDER BY customers.created_at, customers.id LIMIT $1",
            arguments=[READERS],
        )
        [[plan]] = self.run("SELECT id FROM plans WHERE code = $1", arguments=[PLAN])
        return Subjects([str(reader) for [reader] in readers], [str(subscriber) for [subscriber] in added], str(plan))

    def forget(self, subscribers: Sequence[str]) -> None:
        """Removes what was written for these customers."""
        for statement in FORGET:
            self.run(statement, arguments=[subscribers])

    def tidy(self) -> None:
        self.run("VACUUM ANALYZE")
        self.run("CHECKPOINT")

    def rows_of(self, customer: str) -> dict[str, list[dict[str, Any]]]:
        """Returns all rows of a customer by table, as documents."""
        found = {}
        for table, owner in WRITTEN.items():
            order = "xid, position" if table == "events" else "1"
            rows = self.run(
                f"SELECT to_jsonb(t) FROM {table} t WHERE {owner} = $1 ORDER BY {order}", arguments=[customer]
            )
            found[table] = [json.loads(document) for [document] in rows]
        return found


@contextmanager
def bench_database(folder: Path) -> Iterator[BenchDatabase]:
    # For root, PostgreSQL runs as another user, who needs access to this folder.
    folder.chmod(0o711)
    with EmbeddedPostgres(folder / "postgres") as postgres:
        pid = int((folder / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
        yield BenchDatabase(postgres.url, pid)
