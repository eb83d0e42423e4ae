"""Database that the tests of a file share."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from db.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def module_database_url(prepared_folder: Path) -> Iterator[str]:
    """URL of a migrated database in a PostgreSQL of its own.

    It is filled in transactions that run for minutes. The event feed waits for the oldest transaction of all databases
    of a PostgreSQL, so other tests would wait too.
    """
    folder = Path(mkdtemp(prefix="growth-", dir=prepared_folder.parent))
    folder.chmod(0o755)
    subprocess.run(["cp", "-a", prepared_folder / "data", folder], check=True)
    with EmbeddedPostgres(folder) as postgres:
        yield postgres.url
    shutil.rmtree(folder)
