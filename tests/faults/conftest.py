"""Fixtures for fault tests: servers as separate processes, and a PostgreSQL that a test may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.embedded import EmbeddedPostgres
from tests.faults.processes import Servers


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Starts servers, and stops those still running after the test."""
    servers = Servers(tmp_path)
    try:
        yield servers
    finally:
        servers.end()


@pytest.fixture
def own_postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the test may kill. It restarts automatically, with everything that was committed."""
    with EmbeddedPostgres(data_dir) as postgres:
        yield postgres
