"""Rows for tests of lists: many invoices and the rows that they depend on.

The rows do not form consistent billing histories. In each column, the common, rare and absent values are the same
for any number of rows. Old rows differ from new ones: the older half of the subscriptions is CANCELED, and only the
newest invoices are OPEN.
"""

from datetime import UTC, datetime
from hashlib import md5
from uuid import UUID

import asyncpg

from db.driver.urls import asyncpg_url

START = datetime(2016, 1, 1, tzinfo=UTC)
PER_CUSTOMER = 20
"""Number of invoices of each customer."""
RARE = 5
"""Number of rows that have a rare value."""
PLANS = 50

FILL = (
    # Skips the checks of foreign keys, since the rows are consistent.
    "SET session_replication_role = replica",
    "CREATE TEMPORARY TABLE added AS SELECT {first}::bigint AS first, {last}::bigint AS last, {rare} AS rare",
    """
    INSERT INTO plans (id, code, name, amount_cents, currency, interval, interval_count, metadata, archived_at, version,
      created_at, updated_at)
    SELECT key('plan', n), 'plan-' || n, 'Plan ' || n, 2900, CASE n WHEN 7 THEN 'JPY' ELSE 'EUR' END,
      CASE n WHEN 7 THEN 'WEEK' ELSE 'MONTH' END, 1, '{{}}', CASE n WHEN 7 THEN at END, 1, at, at
    FROM generate_series(1, {plans} + 1) AS n, LATERAL (SELECT moment(n) AS at) AS made
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO test_clocks (id, status, frozen_at, target_at, version, created_at, updated_at)
    SELECT key('clock', n), CASE WHEN n < 3 THEN 'ADVANCING' ELSE 'READY' END, at,
      CASE WHEN n < 3 THEN at + interval '1 day' END, 1, at, at
    FROM added, generate_series(first / {per_customer}, last / {per_customer} - 1) AS n,
      LATERAL (SELECT moment(n * {per_customer}) AS at) AS made
    """,
    """
    INSERT INTO billing_runs (id, trigger, as_of, created_at, finished_at, renewed, failed, invoices, past_due,
      milliseconds)
    SELECT key('run', n), CASE WHEN n < rare THEN 'COMMAND' ELSE 'SERVER' END, at, at, at, 1, 0, 1, 0, 1
    FROM added, generate_series(first / {per_customer}, last / {per_customer} - 1) AS n,
      LATERAL (SELECT moment(n * {per_customer}) AS at) AS made
    """,
    """
    INSERT INTO customers (id, name, email, email_key, currency, invoice_prefix, last_invoice_number, balance_cents,
      metadata, test_clock_id, archived_at, version, created_at, updated_at)
    SELECT key('customer', n), CASE WHEN n BETWEEN 500 AND 499 + rare THEN 'Seldom ' ELSE 'Customer ' END || n,
      email, email, CASE WHEN n < rare THEN 'JPY' ELSE 'EUR' END,
      upper(substr(md5(email), 1, 12)), {per_customer}, CASE WHEN n BETWEEN 700 AND 699 + rare THEN 500 ELSE 0 END,
      described(n, rare), CASE WHEN n = 9 THEN key('clock', 9) END,
      CASE WHEN n BETWEEN 300 AND 299 + rare THEN at END, 1, at, at
    FROM added, generate_series(first / {per_customer}, last / {per_customer} - 1) AS n,
      LATERAL (SELECT format('grown-%s@example.com', n) AS email, moment(n * {per_customer}) AS at) AS made
    """,
    """
    INSERT INTO subscriptions (id, customer_id, plan_id, quantity, status, anchor_at, anchor_ordinal, started_at,
      current_period_start, current_period_end, next_billing_at, cancel_at_period_end, canceled_at, ended_at,
      trial_start, trial_end, terms_at, test_clock_id, metadata, version, created_at, updated_at)
    SELECT key('subscription', n), key('customer', n),
      key('plan', CASE WHEN n BETWEEN 600 AND 599 + rare THEN {plans} + 1 ELSE 1 + n % {plans} END), 1, status,
      at, 0, at, at,
      at + interval '30 days', CASE status WHEN 'CANCELED' THEN NULL ELSE at + interval '30 days' END, false,
      CASE status WHEN 'CANCELED' THEN at END, CASE status WHEN 'CANCELED' THEN at END,
      CASE WHEN status = 'TRIALING' THEN at WHEN n % 3 = 0 THEN at - interval '14 days' END,
      CASE WHEN status = 'TRIALING' THEN at + interval '30 days' WHEN n % 3 = 0 THEN at END, at,
      CASE WHEN n = 9 THEN key('clock', 9) END, described(n, rare), 1, at, at
    FROM added, generate_series(first / {per_customer}, last / {per_customer} - 1) AS n,
      LATERAL (SELECT moment(n * {per_customer}) AS at,
        CASE WHEN n BETWEEN 900 AND 899 + rare THEN 'TRIALING' WHEN n BETWEEN 800 AND 799 + rare THEN 'PAST_DUE'
             WHEN n * {per_customer} < last / 2 THEN 'CANCELED' ELSE 'ACTIVE' END AS status) AS made
    """,
    # Subscriptions whose customers are not stored, so that each common status has more rows than a list sorts.
    """
    INSERT INTO subscriptions (id, customer_id, plan_id, quantity, status, anchor_at, anchor_ordinal, started_at,
      current_period_start, current_period_end, next_billing_at, cancel_at_period_end, canceled_at, ended_at,
      trial_start, trial_end, terms_at, metadata, version, created_at, updated_at)
    SELECT key('single', n), key('nobody', n), key('plan', 1 + n % {plans}), 1, status, at, 0, at, at,
      at + interval '30 days', CASE status WHEN 'ACTIVE' THEN at + interval '30 days' END, false,
      CASE status WHEN 'CANCELED' THEN at END, CASE status WHEN 'CANCELED' THEN at END, at - interval '14 days', at, at,
      described(n, rare), 1, at, at
    FROM added, generate_series(first, last - 1) AS n,
      LATERAL (SELECT moment(n) AS at, CASE WHEN n < last / 2 THEN 'CANCELED' ELSE 'ACTIVE' END AS status) AS made
    """,
    """
    INSERT INTO billing_holds (subscription_id, customer_id, reason, attempts, since, retry_at)
    SELECT id, customer_id, 'Not billable', 1, created_at, created_at FROM subscriptions, added
    WHERE id IN (SELECT key('subscription', n) FROM generate_series(700, 699 + rare) AS n)
      AND created_at >= moment(first)
    """,
    """
    UPDATE customers SET subscription_status = status, subscription_plan_id = plan_id
    FROM subscriptions WHERE customer_id = customers.id AND status <> 'CANCELED' AND subscription_status IS NULL
    """,
    """
    INSERT INTO invoices (id, customer_id, subscription_id, period_ordinal, kind, status, sequence, number, currency,
      subtotal_cents, tax_cents, amount_cents, amount_due_cents, bill_to, period_start, period_end, issued_at, due_at,
      paid_at, test_clock_id, version, created_at, updated_at)
    SELECT key('invoice', n), key('customer', n / {per_customer}),
      CASE kind WHEN 'RECURRING' THEN key('subscription', n / {per_customer}) END,
      CASE kind WHEN 'RECURRING' THEN n END, kind, status,
      CASE status WHEN 'DRAFT' THEN NULL ELSE n + 1 END, CASE status WHEN 'DRAFT' THEN NULL ELSE 'N-' || n END,
      CASE WHEN n BETWEEN 18900 AND 18899 + rare THEN 'JPY' ELSE 'EUR' END, cents, 0, cents,
      CASE status WHEN 'OPEN' THEN cents ELSE 0 END,
      CASE status WHEN 'DRAFT' THEN NULL ELSE '{{"name": "Grown"}}'::jsonb END,
      at, at, CASE status WHEN 'DRAFT' THEN NULL ELSE at END,
      CASE status WHEN 'DRAFT' THEN NULL ELSE at + interval '14 days' END, CASE status WHEN 'PAID' THEN at END,
      CASE WHEN n / {per_customer} = 9 THEN key('clock', 9) END, 1, at, at
    FROM added, generate_series(first, last - 1) AS n,
      LATERAL (SELECT moment(n) AS at, 100 + n * 7919 % 100003 AS cents,
        CASE WHEN n BETWEEN 18000 AND 17999 + rare THEN 'VOID' WHEN n BETWEEN 18100 AND 18099 + rare THEN 'DRAFT'
             WHEN n > last - last / 20 THEN 'OPEN' ELSE 'PAID' END AS status,
        CASE WHEN n BETWEEN 18050 AND 18119 + rare THEN 'ONE_OFF' ELSE 'RECURRING' END AS kind) AS made
    """,
    """
    INSERT INTO payments (id, customer_id, amount_cents, overpayment_cents, currency, method, reference, received_at,
      test_clock_id, created_at)
    SELECT key('payment', n), key('customer', n / {per_customer}), 100 + n * 7919 % 100003, 0, 'EUR',
      CASE WHEN n BETWEEN 18500 AND 18499 + rare THEN 'CASH' WHEN n % 3 = 0 THEN 'CARD' ELSE 'BANK_TRANSFER' END,
      CASE WHEN n BETWEEN 18600 AND 18599 + rare THEN 'rare' WHEN n % 2 = 0 THEN 'common' ELSE 'wire-' || n END,
      at - interval '2 days', CASE WHEN n / {per_customer} = 9 THEN key('clock', 9) END, at
    FROM added, generate_series(first, last - 1) AS n, LATERAL (SELECT moment(n) AS at) AS made
    """,
    """
    INSERT INTO credit_notes (id, customer_id, invoice_id, status, sequence, number, currency, amount_cents,
      applied_cents, restored_cents, balance_cents, refund_cents, outside_cents, refunded_cents, reason, bill_to,
      issued_at, voided_at, test_clock_id, version, created_at, updated_at)
    SELECT key('credit note', n), key('customer', n / {per_customer}), key('invoice', n), status, n + 1, 'C-' || n,
      'EUR', cents, cents, 0, 0, 0, 0, 0, 'Too much', '{{"name": "Grown"}}', at, CASE status WHEN 'VOID' THEN at END,
      CASE WHEN n / {per_customer} = 9 THEN key('clock', 9) END, 1, at, at
    FROM added, generate_series(first, last - 1) AS n,
      LATERAL (SELECT moment(n) AS at, 100 + n * 7919 % 100003 AS cents,
        CASE WHEN n BETWEEN 18200 AND 18199 + rare THEN 'VOID' ELSE 'ISSUED' END AS status) AS made
    """,
    """
    INSERT INTO events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at,
      recorded_at)
    SELECT key('event', n), key('customer', n / {per_customer}), type, split_part(type, '_', 1), key('invoice', n), 1,
      'renewal', '{{}}', at, at
    FROM added, generate_series(first, last - 1) AS n,
      LATERAL (SELECT moment(n) AS at,
        CASE WHEN n BETWEEN 19000 AND 18999 + rare THEN 'CUSTOMER_ARCHIVED'
             WHEN n % 3 = 0 THEN 'SUBSCRIPTION_RENEWED' WHEN n % 3 = 1 THEN 'INVOICE_FINALIZED'
             ELSE 'INVOICE_PAID' END AS type) AS made
    """,
    "DROP TABLE added",
)

ALL_VISIBLE = """
    SELECT bool_and(relallvisible > 0.9 * relpages) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relpages > 20
"""
"""True if VACUUM has marked the pages of all tables, except small ones, as visible."""

FUNCTIONS = (
    """
    CREATE OR REPLACE FUNCTION key(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN (lpad(to_hex(n), 12, '0') || '7000' || '8' || substr(md5(kind || n), 1, 15))::uuid
    """,
    f"""
    CREATE OR REPLACE FUNCTION moment(n bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE
    RETURN timestamptz '{START:%Y-%m-%dT%H:%M:%SZ}' + n * interval '5 minutes'
    """,
    """
    CREATE OR REPLACE FUNCTION described(n bigint, rare integer) RETURNS jsonb LANGUAGE sql IMMUTABLE
    RETURN jsonb_build_object(
      'tier', CASE WHEN n BETWEEN 700 AND 699 + rare THEN 'gold' ELSE 'basic' END, 'ref', 'r-' || n)
    """,
)


def key(kind: str, number: int) -> str:
    """Returns the id of a row. The database function of the same name computes the same id."""
    digits = f"{number:012x}70008{md5(f'{kind}{number}'.encode(), usedforsecurity=False).hexdigest()[:15]}"
    return str(UUID(digits))


async def fill(url: str, first: int, last: int) -> None:
    """Adds the invoices from number `first` up to but not including `last`, and the rows that they depend on."""
    parts = asyncpg_url(url)
    connection = await asyncpg.connect(
        host=str(parts.query["host"]), port=int(str(parts.query["port"])), user=parts.username, database=parts.database
    )
    try:
        for statement in FUNCTIONS:
            await connection.execute(statement)
        for statement in FILL:
            await connection.execute(
                statement.format(first=first, last=last, rare=RARE, plans=PLANS, per_customer=PER_CUSTOMER)
            )
        is_visible = False
        while not is_visible:
            # The snapshot of an automatic ANALYZE can keep it from marking pages, which an index-only scan needs.
            await connection.execute("VACUUM (ANALYZE)")
            is_visible = await connection.fetchval(ALL_VISIBLE)
    finally:
        await connection.close()
