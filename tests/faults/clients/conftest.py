"""Servers started from the command line, with a database that the test can inspect."""

from collections.abc import AsyncIterator, Iterator

import pytest

from db.embedded import EmbeddedPostgres
from tests.cli.conftest import Served, servers
from tests.conftest import new_database
from tests.support import PATIENT_ENVIRONMENT


@pytest.fixture(scope="module")
async def served_database_url(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A migrated, empty database, shared by all tests of a module."""
    async with new_database(server, template) as url:
        yield url


@pytest.fixture(scope="module")
def served(served_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that waits longer than any test takes: for a slow client, and for PostgreSQL."""
    environment = {"DATABASE_URL": served_database_url, "BILLING_AUTH": "off", **PATIENT_ENVIRONMENT}
    with servers(tmp_path_factory.mktemp("served")) as serve:
        served = serve("--no-renew", environment=environment)
        assert served.url, served.said.read_text()
        yield served


@pytest.fixture(scope="module")
def hasty(served_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that waits two seconds for a slow client, but for PostgreSQL longer than any test takes."""
    environment = {
        "DATABASE_URL": served_database_url,
        "BILLING_AUTH": "off",
        **PATIENT_ENVIRONMENT,
        "BILLING_MAX_READ_SECONDS": "2",
    }
    with servers(tmp_path_factory.mktemp("hasty")) as serve:
        hasty = serve("--no-renew", environment=environment)
        assert hasty.url, hasty.said.read_text()
        yield hasty
