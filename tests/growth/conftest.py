"""Database that the tests of a file share."""

from collections.abc import AsyncIterator

import pytest

from db.embedded import EmbeddedPostgres
from tests.conftest import new_database


@pytest.fixture(scope="module")
async def module_database_url(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    async with new_database(server, template) as url:
        yield url
