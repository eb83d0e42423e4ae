"""Revision 0015 replaces the unique constraint on e-mail addresses, without a moment in which none is in force."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db.database import single_connection
from db.driver.errors import violated_constraint
from tests.migrations.test_schema import alembic

CLOCK = "01930000-0000-7000-8000-00000000000c"
STORE_CLOCK = f"INSERT INTO test_clocks VALUES ('{CLOCK}', null, 'READY', now(), null, 1, now(), now())"
STORE = """
    INSERT INTO customers (id, name, email, email_key, invoice_prefix, last_invoice_number, metadata, version,
                           created_at, updated_at, test_clock_id, archived_at)
    VALUES (gen_random_uuid(), 'Ada', :email, :email, upper(substr(md5(random()::text), 1, 10)), 0, '{}', 1,
            now(), now(), CAST(:clock AS uuid), CASE WHEN :archived THEN now() END)
"""
Row = tuple[str, str | None, bool]
"""E-mail address, test clock, and True if archived."""

IN_USE, ON_A_CLOCK, ARCHIVED = ("a@b.c", None, False), ("a@b.c", CLOCK, False), ("a@b.c", None, True)


async def store(url: str, rows: Sequence[Row]) -> str | None:
    """Stores the rows like a server of any version. Returns the constraint that the last one violates, or None."""
    async with single_connection(url) as connection:
        try:
            for email, clock, archived in rows:
                await connection.execute(text(STORE), {"email": email, "clock": clock, "archived": archived})
        except IntegrityError as error:
            return violated_constraint(error)
        await connection.rollback()
    return None


@pytest.mark.parametrize(
    ("revision", "allowed"),
    [
        ("0009", []),
        ("0014", []),
        ("0015", [(IN_USE, ON_A_CLOCK), (IN_USE, ARCHIVED)]),
        ("head", [(IN_USE, ON_A_CLOCK), (IN_USE, ARCHIVED)]),
    ],
)
async def test_an_address_in_use_is_unique_at_each_revision(
    empty_database_url: str, revision: str, allowed: list[tuple[Row, Row]]
) -> None:
    alembic(empty_database_url, "upgrade", revision)
    async with single_connection(empty_database_url) as connection:
        await connection.execute(text(STORE_CLOCK))
        await connection.commit()
    pairs = [(IN_USE, IN_USE), (ON_A_CLOCK, ON_A_CLOCK), (IN_USE, ON_A_CLOCK), (IN_USE, ARCHIVED)]

    violated = {pair: await store(empty_database_url, pair) for pair in pairs}

    assert violated == {pair: None if pair in allowed else "uq_customers_email_key" for pair in pairs}


async def test_a_downgrade_with_an_address_of_two_customers_is_refused(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "head")
    async with single_connection(empty_database_url) as connection:
        for archived in (True, False):
            await connection.execute(text(STORE), {"email": "a@b.c", "clock": None, "archived": archived})
        await connection.commit()

    with pytest.raises(AssertionError, match="Several customers have the same e-mail address"):
        alembic(empty_database_url, "downgrade", "0009")
