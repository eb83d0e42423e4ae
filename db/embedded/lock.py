"""Lock held by the process that runs the server of a folder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class FolderLock:
    """An exclusive lock on the file `lock` in a folder. The system releases it when the process exits for any reason.

    As a context manager, releases the lock and closes the file at the end.
    """

    def __init__(self, folder: Path) -> None:
        """Opens the lock file, which only the current user and root can access. Raises `OSError`."""
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode=0o600)

    def acquire(self) -> bool:
        """Acquires the lock without waiting. Returns False if another process holds it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # If the file were only closed, a process forked from this one would keep the lock.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
