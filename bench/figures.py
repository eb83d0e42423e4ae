"""Measures the figures of the business with a million subscriptions, and the job that adds them up."""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.database import BenchDatabase, bench_database
from bench.machine import machine_facts
from bench.measuring import processors
from bench.processes import confined
from bench.report import save
from bench.servers import kind_of, running
from bench.strain import TIMES, asked

SUBSCRIPTIONS, PORTION = 1_000_000, 100_000
LATE = 2_000
"""Number of subscriptions that are not added up yet when figures are measured. Runs and ticks add up every second."""

FIGURE_MS = 50
"""Maximum time of a figure, in milliseconds."""

PLANS = """
    INSERT INTO plans (id, code, name, amount_cents, currency, interval, interval_count, trial_days, metadata, version,
      created_at, updated_at)
    SELECT gen_random_uuid(), 'plan-' || n, 'Plan ' || n, 1000, (ARRAY['EUR', 'USD', 'JPY'])[1 + n], 'MONTH', 1, 0,
      '{}', 1, now(), now()
    FROM generate_series(0, 2) AS n
"""

NUMBERED = """
    CREATE TEMPORARY TABLE numbered AS
    SELECT n, gen_random_uuid() AS customer_id, gen_random_uuid() AS subscription_id, gen_random_uuid() AS invoice_id,
      p.id AS plan_id, p.currency, 500 + n * 7919 % 20011 AS cents, n % 20 = 0 AS ended,
      date_trunc('second', now()) - interval '1 day' - n * 7907 % 1500 * interval '1 day' AS at,
      date_trunc('second', now()) - n * 7907 % 120 * interval '6 hours' AS billed_at
    FROM generate_series({first}::bigint, {last}::bigint) AS n
    JOIN (SELECT *, row_number() OVER (ORDER BY code) - 1 AS place FROM plans) AS p ON p.place = n % 3
"""

ROWS = (
    # The rows are consistent, and a million checks of foreign keys take minutes.
    "SET session_replication_role = replica",
    """
    INSERT INTO customers (id, name, email, email_key, currency, invoice_prefix, last_invoice_number, balance_cents,
      last_ledger_number, metadata, version, created_at, updated_at)
    SELECT customer_id, 'Customer ' || n, n || '@example.com', n || '@example.com', currency,
      upper(substr(md5(n::text), 1, 12)), 1, 0, 0, '{}', 1, at, at
    FROM numbered
    """,
    """
    INSERT INTO subscriptions (id, customer_id, plan_id, quantity, status, anchor_at, anchor_ordinal, started_at,
      current_period_start, current_period_end, next_billing_at, cancel_at_period_end, canceled_at, ended_at, terms_at,
      mrr_cents, counted_status, metadata, version, created_at, updated_at)
    SELECT subscription_id, customer_id, plan_id, 1, status, at, 0, at, at, now() + interval '1 day',
      CASE WHEN ended THEN NULL ELSE now() + interval '1 day' END, false, CASE WHEN ended THEN now() END,
      CASE WHEN ended THEN now() END, at, CASE WHEN ended THEN 0 ELSE cents END, status, '{}', 1, at, at
    FROM numbered, LATERAL (SELECT CASE WHEN ended THEN 'CANCELED' ELSE 'ACTIVE' END AS status) AS one
    """,
    """
    INSERT INTO mrr_movements (customer_id, sequence, subscription_id, currency, at, mrr_cents, new_cents,
      expansion_cents, contraction_cents, churned_cents, reactivated_cents, active, trialing, past_due, after_cents,
      month_start_cents, first_at)
    SELECT customer_id, 1, subscription_id, currency, at, cents, cents, 0, 0, 0, 0, 1, 0, 0, cents, 0, at FROM numbered
    UNION ALL
    SELECT customer_id, 2, subscription_id, currency, now(), -cents, 0, 0, 0, cents, 0, -1, 0, 0, 0, cents, at
    FROM numbered WHERE ended
    """,
    """
    INSERT INTO invoices (id, customer_id, subscription_id, period_ordinal, kind, status, sequence, number, currency,
      subtotal_cents, tax_cents, amount_cents, amount_due_cents, bill_to, period_start, period_end, issued_at, due_at,
      paid_at, version, created_at, updated_at)
    SELECT invoice_id, customer_id, subscription_id, 0, 'RECURRING', CASE WHEN open THEN 'OPEN' ELSE 'PAID' END, 1,
      'N-' || n, currency, cents, 0, cents, CASE WHEN open THEN cents ELSE 0 END, '{"name": "A", "email": "a"}',
      billed_at, billed_at + interval '30 days', billed_at, billed_at + interval '14 days',
      CASE WHEN NOT open THEN billed_at END, 1, billed_at, billed_at
    FROM numbered, LATERAL (SELECT billed_at > now() - interval '10 days' OR n % 50 = 0 AS open) AS one
    """,
    """
    INSERT INTO events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at,
      recorded_at)
    SELECT gen_random_uuid(), customer_id, 'INVOICE_FINALIZED', 'INVOICE', invoice_id, 1, 'bench', '{}', billed_at,
      billed_at
    FROM numbered
    """,
    "DROP TABLE numbered",
)

IN_ALL = "{ analytics { currencies { %s } } }"


def queries() -> Iterator[tuple[str, str]]:
    """Yields the names of figures, and the queries for them."""
    fields = ("mrrCents", "arrCents", "activeSubscriptions", "outstandingCents", "overdue { amountCents invoices }")
    for each in fields:
        yield each.partition(" ")[0], IN_ALL % each
    for at in ("2020-01-01T00:00:00Z", f"{time.strftime('%Y')}-01-01T12:00:00Z"):
        yield f"mrrCents at {at}", IN_ALL % f'mrrCents(at: "{at}")'
    for months in (12, 60):
        names = "newMrrCents expansionCents churnedCents endMrrCents invoicedCents collectedCents"
        yield f"{months} months", IN_ALL % f"months(first: {months}) {{ {names} }}"
    yield "holds", "{ analytics { holds } }"
    yield "lag", "{ analytics { runLagSeconds } }"
    yield "currencies", IN_ALL % "currency"


def add(database: BenchDatabase, first: int, last: int) -> None:
    database.run(NUMBERED.format(first=first, last=last), *ROWS)


def figures(name: str) -> None:
    """Measures each figure, with everything added up and with a part that is not, and the job."""
    server_processors, other_processors = processors()
    with tempfile.TemporaryDirectory(prefix="billing-bench-") as temporary, confined(other_processors):
        folder = Path(temporary)
        with bench_database(folder) as database:
            database.billing("migrate")
            began = time.monotonic()
            database.run(PLANS)
            for first in range(0, SUBSCRIPTIONS, PORTION):
                add(database, first, first + PORTION - 1)
            database.tidy()
            print(f"{SUBSCRIPTIONS} subscriptions in {time.monotonic() - began:.0f} s", flush=True)
            job = {"everything": added_up(database)}
            add(database, SUBSCRIPTIONS, SUBSCRIPTIONS + LATE - 1)
            database.run("ANALYZE")
            times: dict[str, float] = {}
            with running([kind_of("ours")], database, folder, server_processors) as [server]:
                with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=server.headers) as client:
                    measure(client, f", {LATE} not added up", times)
                    job[f"{LATE}"] = added_up(database)
                    measure(client, "", times)
                facts = machine_facts(database, server_processors, other_processors)
    slowest = sorted(times, key=lambda each: -times[each])
    for each in slowest:
        print(f"{times[each]:8.1f} ms  {each}")
    for each, seconds in job.items():
        print(f"{seconds:8.1f} s   adding up {each}")
    milliseconds = {each: round(times[each], 1) for each in slowest}
    print(save(f"{name}-figures", facts, milliseconds=milliseconds, job_seconds=job))
    if times[slowest[0]] > FIGURE_MS:
        sys.exit(f"A figure takes longer than {FIGURE_MS} ms.")


def measure(client: httpx.Client, said: str, times: dict[str, float]) -> None:
    for figure, query in queries():
        times[f"{figure}{said}"] = statistics.median(asked(client, query) for _ in range(TIMES))


def added_up(database: BenchDatabase) -> float:
    """Runs renewals until everything is added up. Returns the seconds that this takes."""
    began = time.monotonic()
    left = True
    while left:
        database.billing("renew")
        [[left]] = database.run(
            "SELECT EXISTS (SELECT FROM events WHERE xid >= (SELECT below_xid FROM figures_watermark))"
        )
    return round(time.monotonic() - began, 1)
