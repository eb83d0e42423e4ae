"""Folders for tests to write to: in memory where there is plenty, and open to every user.

As root, PostgreSQL runs as another user, who must get to its data. No test cuts the power, so nothing is gained by
waiting for a disk.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENOUGH_BYTES = 4 * 2**30


def roomy_memory() -> str | None:
    """The file system in memory, or None if there is none or it has little room."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ENOUGH_BYTES else None


@contextmanager
def open_folder(name: str) -> Iterator[Path]:
    """A new folder whose name begins like this, for the time of the block. Its path is short: sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix=f"billing-{name}-", dir=roomy_memory()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
