"""Checks after every scenario that the books are in order and that events name what was changed."""

from collections.abc import AsyncIterator

import pytest

from db.database import Database
from services.verify import snapshot, verify


@pytest.fixture(autouse=True)
def changes_are_named(events_name_changes: None) -> None:
    """As `events_name_changes` says."""


@pytest.fixture(autouse=True)
async def books_in_order(database: Database) -> AsyncIterator[None]:
    """Asserts after the test that `billing verify` finds no violation."""
    yield
    async with snapshot(database) as session:
        assert [check.line() for check in await verify(session) if not check.holds] == []
