"""Migrations need only `db` and the layers below it. import-linter cannot check this: it takes `alembic/` for the
library.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

MIGRATE = """
import asyncio, sys
from pathlib import Path

from db.embedded import EmbeddedPostgres
from db.migrations import head_revision, migrate

with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    before, after = asyncio.run(migrate(postgres.url))
assert (before, after) == (None, head_revision())
print(*sorted({name.partition(".")[0] for name in sys.modules}), sep="\\n")
"""


def test_migrating_imports_nothing_above_db() -> None:
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        # If the tests run as root, PostgreSQL runs as another user, who must be able to enter the folder.
        Path(folder).chmod(0o711)
        done = subprocess.run(
            [sys.executable, "-c", MIGRATE, f"{folder}/postgres"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert {"alembic", "billing", "db"} <= imported
    assert imported & {"cli", "graph", "services", "strawberry", "graphql", "starlette", "uvicorn"} == set()
