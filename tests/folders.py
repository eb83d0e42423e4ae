"""Folders for tests to write to: in memory if there is enough of it, and accessible to every user.

If the tests run as root, PostgreSQL runs as another user, who needs access to its data. No test cuts the power, so
waiting for a disk gains nothing.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENOUGH_BYTES = 4 * 2**30


def roomy_memory() -> str | None:
    """Returns the path of the file system in memory, or None if there is none or it has too little space."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ENOUGH_BYTES else None


@contextmanager
def open_folder(name: str) -> Iterator[Path]:
    """Creates a folder whose name starts with `name` for the duration of the block. Its path is short enough for
    sockets.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"billing-{name}-", dir=roomy_memory()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
