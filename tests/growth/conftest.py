"""Database that the tests of a file share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.embedded import EmbeddedPostgres
from tests.conftest import copy_of


@pytest.fixture(scope="module")
def module_database_url(prepared_folder: Path) -> Iterator[str]:
    """URL of a migrated database in a PostgreSQL of its own.

    It is filled in transactions that run for minutes. The event feed waits for the oldest transaction of all databases
    of a PostgreSQL, so other tests would wait too.
    """
    folder = copy_of(prepared_folder)
    with EmbeddedPostgres(folder) as postgres:
        yield postgres.url
    shutil.rmtree(folder)
