"""Migrations of a database in use: existing rows satisfy the current invariants."""

from pathlib import Path

import pytest
from sqlalchemy import text

from db.database import Database, single_connection
from services.verify import snapshot, verify
from tests.migrations.test_schema import alembic
from tests.support import Api

OF_BEFORE = (Path(__file__).parent / "rows_of_0001.sql").read_text()


async def violated(url: str) -> list[str]:
    """Returns the failed checks of `billing verify`."""
    database = Database(url)
    try:
        async with snapshot(database) as session:
            return [check.line() for check in await verify(session) if not check.holds]
    finally:
        await database.close()


async def counts(url: str) -> dict[str, int]:
    tables = ("payments", "allocations", "events", "invoices")
    async with single_connection(url) as connection:
        return {table: await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables}


async def test_what_was_billed_before_the_engine_is_sound_after_the_migration(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "0001")
    async with single_connection(empty_database_url) as connection:
        for statement in OF_BEFORE.split(";"):
            await connection.exec_driver_sql(statement)
        await connection.commit()

    alembic(empty_database_url, "upgrade", "head")

    assert await violated(empty_database_url) == []
    # Events: three versions of the customer, one plan, two of the subscription, three of invoices, and one payment.
    assert await counts(empty_database_url) == {"payments": 1, "allocations": 1, "events": 10, "invoices": 2}

    alembic(empty_database_url, "downgrade", "0001")
    alembic(empty_database_url, "upgrade", "head")

    assert await violated(empty_database_url) == []


@pytest.mark.parametrize(
    ("change", "downgrade", "reason"),
    [
        (
            "UPDATE subscriptions SET cancel_at = now(), cancel_settlement = 'NONE', canceled_at = now()",
            "0011",
            "Subscriptions are set to cancel at a given time",
        ),
        ("UPDATE subscriptions SET first_period = 'FREE'", "0009", "Periods are billed in part"),
        ("UPDATE billing_periods SET whole_seconds = 9", "0009", "Periods are billed in part"),
        ("UPDATE invoices SET memo = 'Thanks'", "0015", "Invoices have metadata, memos or PO numbers"),
        ("UPDATE customers SET po_number = 'PO-1'", "0014", "Customers have memos or PO numbers"),
    ],
)
async def test_a_downgrade_keeps_what_an_older_server_would_bill_wrongly(
    api: Api, database: Database, database_url: str, change: str, downgrade: str, reason: str
) -> None:
    await api.a_subscription()
    async with database.sessions() as session:
        await session.execute(text(change))
        await session.commit()
    await database.close()

    with pytest.raises(AssertionError, match=reason):
        alembic(database_url, "downgrade", downgrade)


async def test_a_downgrade_that_would_lose_something_is_refused(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "head")
    async with single_connection(empty_database_url) as connection:
        await connection.exec_driver_sql(
            "INSERT INTO test_clocks VALUES (gen_random_uuid(), null, 'READY', now(), null, 1, now(), now())"
        )
        await connection.commit()

    with pytest.raises(AssertionError, match="This database has test clocks"):
        alembic(empty_database_url, "downgrade", "0001")
