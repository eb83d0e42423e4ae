"""Ends what a test run leaves behind if it is interrupted: xdist kills a worker that needs long to end its servers."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.faults.disks import unmount

PROCESSES = Path("/proc")
MOUNTS = PROCESSES / "mounts"


def kill_left_behind(variable: str, value: str) -> None:
    """Kills all other processes that were started with this environment variable. Does nothing without `/proc`."""
    variables = f"{variable}={value}".encode()
    for process in PROCESSES.glob("[0-9]*"):
        # The process may exit in the meantime, or belong to another user.
        with suppress(OSError):
            if int(process.name) != os.getpid() and variables in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def unmount_left_behind(folder: Path) -> None:
    """Unmounts all disks in a folder."""
    mounts = MOUNTS.read_text().splitlines() if MOUNTS.exists() else []
    for mounted in [Path(line.split()[1]) for line in mounts]:
        if mounted.is_relative_to(folder):
            unmount(mounted)
