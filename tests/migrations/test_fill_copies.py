"""The copies of live subscriptions that a migration writes to existing customers equal those that servers write."""

from typing import Any

from sqlalchemy import text

from db.database import Database, single_connection
from services.verify import snapshot, verify
from tests.migrations.test_fill_histories import live
from tests.migrations.test_schema import alembic

COPIES = "SELECT name, subscription_status, subscription_plan_id FROM customers ORDER BY 1"

# More customers than a batch of the migration, so that it needs several. Half of them have a subscription.
MORE = """
    INSERT INTO customers (id, name, email, email_key, invoice_prefix, last_invoice_number, metadata, version,
      created_at, updated_at)
    SELECT gen_random_uuid(), 'More ' || n, email, email, upper(substr(md5(email), 1, 12)), 0, '{}', 1, now(), now()
    FROM generate_series(1, 1200) AS n, LATERAL (SELECT format('more-%s@example.com', n) AS email) AS made;
    INSERT INTO subscriptions (id, customer_id, plan_id, quantity, status, anchor_at, anchor_ordinal, next_billing_at,
      cancel_at_period_end, metadata, version, created_at, updated_at)
    SELECT gen_random_uuid(), customers.id, (SELECT id FROM plans WHERE code = 'pro'), 1, 'PENDING', now(), 0, now(),
      false, '{}', 1, now(), now()
    FROM customers WHERE name ~ 'More .*[02468]$'
"""


async def copies(url: str) -> list[Any]:
    async with single_connection(url) as connection:
        return [tuple(row) for row in await connection.execute(text(COPIES))]


async def test_the_copies_that_a_migration_writes_are_those_that_a_server_writes(empty_database_url: str) -> None:
    url = empty_database_url
    alembic(url, "upgrade", "head")
    database = Database(url)
    try:
        await live(database)
        written = await copies(url)
        alembic(url, "downgrade", "0020")
        async with single_connection(url) as connection:
            for statement in MORE.split(";"):
                await connection.execute(text(statement))
            await connection.commit()

        alembic(url, "upgrade", "head")

        filled = await copies(url)
        async with snapshot(database) as session:
            checks = await verify(session)
    finally:
        await database.close()
    assert [row for row in filled if not row[0].startswith("More")] == written
    assert {status for _, status, _ in written} == {"ACTIVE", "PAST_DUE"}
    assert sum(status == "PENDING" for _, status, _ in filled) == 600
    assert sum(status is None for _, status, _ in filled) == 600
    [check] = [check for check in checks if "status and plan of its subscription" in check.name]
    assert check.holds
