"""Steps that tests of migrations share: all rows of tables, and downgrades that are refused until rows are gone."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from db.database import single_connection
from db.migrations import head_revision
from tests.migrations.test_schema import alembic

Rows = dict[str, list[dict[str, Any]]]


async def all_rows(url: str, tables: Sequence[str]) -> Rows:
    """Returns all rows of the tables, by table."""
    async with single_connection(url) as connection:
        found = {table: (await connection.execute(text(f"SELECT * FROM {table}"))).mappings() for table in tables}
        return {table: sorted((dict(row) for row in rows), key=str) for table, rows in found.items()}


def with_new_columns(rows: Rows, new: dict[str, dict[str, Any]]) -> Rows:
    """Returns the rows with the values of new columns, by table."""
    return {table: sorted((row | new.get(table, {}) for row in each), key=str) for table, each in rows.items()}


async def assert_refused_until_removed(url: str, reasons: Sequence[tuple[str, str, str]], before: str) -> None:
    """Asserts that downgrades are refused for each reason until it is removed, and that one to `before` works then.

    A reason is the revision to downgrade to, the error message, and the statement that removes the reason.
    """
    for revision, reason, removal in reasons:
        with pytest.raises(AssertionError, match=reason):
            alembic(url, "downgrade", revision)
        async with single_connection(url) as connection:
            await connection.execute(text(removal))
            await connection.commit()
    alembic(url, "downgrade", before)
    alembic(url, "upgrade", "head")
    assert head_revision() in alembic(url, "current")
