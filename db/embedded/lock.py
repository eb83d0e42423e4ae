"""The lock that says which process runs the server of a folder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class FolderLock:
    """An exclusive lock on the file `lock` in a folder; the system frees it when its process ends, however it
    ends.

    As a context manager it closes the file, and frees the lock, on the way out.
    """

    def __init__(self, folder: Path) -> None:
        """Open the file, which only our own user and root may do. Raises OSError."""
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode=0o600)

    def acquire(self) -> bool:
        """Take the lock if no other process has it; whether it is ours now. Does not wait."""
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
        # Closing alone would leave the lock with a process forked from this one.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
