"""Migration 0020 sets the test clocks of existing payments, in several transactions."""

from sqlalchemy import text

from db.database import single_connection
from tests.migrations.test_schema import alembic
from tests.migrations.test_upgrade import violated

CUSTOMERS = 250
"""Number of customers, a third of them in real time: more than the migration reads at once."""

MOST_PAYMENTS = 2500
"""Number of payments of one customer: more than the migration updates at once."""

ROWS = f"""
    INSERT INTO test_clocks (id, status, frozen_at, version, created_at, updated_at)
    SELECT gen_random_uuid(), 'READY', now(), 1, now(), now() FROM generate_series(1, 3);

    INSERT INTO customers (id, name, email, email_key, currency, invoice_prefix, last_invoice_number, metadata,
      test_clock_id, version, created_at, updated_at)
    SELECT gen_random_uuid(), 'Customer', email, email, 'EUR', 'PREFIX' || n, 0, '{{}}',
      CASE WHEN n % 3 > 0 THEN clocks.ids[1 + n % 3] END, 1, now(), now()
    FROM (SELECT array_agg(id) AS ids FROM test_clocks) AS clocks, generate_series(1, {CUSTOMERS}) AS n,
      LATERAL (SELECT n || '@example.com' AS email) AS named;

    INSERT INTO payments (id, customer_id, amount_cents, overpayment_cents, currency, method, received_at, created_at)
    SELECT gen_random_uuid(), id, 7, 7, 'EUR', 'CARD', now(), now()
    FROM customers,
      generate_series(1, CASE email WHEN '1@example.com' THEN {MOST_PAYMENTS} WHEN '2@example.com' THEN 0 ELSE 3 END)
"""

WRONG = """
    SELECT count(*) FROM payments AS p JOIN customers AS c ON c.id = p.customer_id
    WHERE p.test_clock_id IS DISTINCT FROM c.test_clock_id
"""
LARGEST = """
    SELECT max(updated) FROM (SELECT count(*) AS updated FROM payments WHERE test_clock_id IS NOT NULL GROUP BY xmin)
    AS transactions
"""


async def test_existing_payments_get_the_test_clocks_of_their_customers(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "0019")
    async with single_connection(empty_database_url) as connection:
        for statement in ROWS.split(";"):
            await connection.execute(text(statement))
        await connection.commit()

    alembic(empty_database_url, "upgrade", "0020")

    async with single_connection(empty_database_url) as connection:
        assert await connection.scalar(text(WRONG)) == 0
        on_clocks = text("SELECT count(*) FROM payments WHERE test_clock_id IS NOT NULL")
        assert await connection.scalar(on_clocks) == MOST_PAYMENTS + 3 * 165
        assert await connection.scalar(text(LARGEST)) == 1000

    alembic(empty_database_url, "downgrade", "0019")
    alembic(empty_database_url, "upgrade", "head")

    async with single_connection(empty_database_url) as connection:
        assert await connection.scalar(text(WRONG)) == 0


async def test_the_migration_continues_after_an_interruption(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "0019")
    async with single_connection(empty_database_url) as connection:
        await connection.execute(text("ALTER TABLE payments ADD COLUMN test_clock_id uuid"))
        await connection.execute(text("CREATE INDEX ix_payments_reference ON payments (reference)"))
        await connection.commit()

    alembic(empty_database_url, "upgrade", "head")

    assert "No new upgrade operations" in alembic(empty_database_url, "check")
    assert [line for line in await violated(empty_database_url) if "test clock" in line] == []
