"""What all faults need: servers as processes of their own, and a PostgreSQL that may be killed."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from db.embedded import EmbeddedPostgres
from tests.conftest import FOLDER
from tests.faults.processes import Servers


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Starts servers, and ends what is left of them after the test."""
    servers = Servers(tmp_path)
    yield servers
    servers.end()


@pytest.fixture
def data_dir() -> Path:
    """A folder for an embedded PostgreSQL, where its user may go."""
    folder = Path(os.environ[FOLDER]) / f"faults-{uuid4().hex}"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def own_postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the test may kill: it comes back by itself, with all that was committed."""
    with EmbeddedPostgres(data_dir) as postgres:
        yield postgres
