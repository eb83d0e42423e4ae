"""A small separate file system that a test can fill."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

MEGABYTE = 2**20
LEFT_BYTES = 8192
"""Number of bytes left free on a disk that is filled: one page of 8 KB."""

SHARED_MEMORY = Path("/dev/shm")


class Disk:
    """A file system with a ballast file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def fill(self) -> None:
        """Fills the disk except for one page, even if others write at the same time."""
        piece = os.urandom(4096)
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (MEGABYTE, 4096):
                try:
                    while ballast.write(piece * (size // 4096)) == size:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
            ballast.truncate(ballast.tell() - LEFT_BYTES)

    def clear(self) -> None:
        """Deletes the ballast file, which frees the space."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(parent: Path, megabytes: int) -> Iterator[Disk]:
    """Yields a disk of `megabytes` below `parent` that every user can access.

    It is mounted directly or with `sudo`. If neither is allowed to mount, as in a container, uses `/dev/shm` if that is
    a small file system of the container.
    """
    folder = parent / f"disk-{uuid4().hex}"
    folder.mkdir(mode=0o755)
    size = f"size={megabytes}m,mode=755,uid={os.geteuid()}"
    refused = failure_of((*as_root(), "mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)))
    if refused is None:
        try:
            yield Disk(folder)
        finally:
            assert unmount(folder) is None
        return
    space = shutil.disk_usage(SHARED_MEMORY)
    too_large = space.total > 4 * megabytes * MEGABYTE
    assert not too_large, f"no small disk to be had: {refused}; {SHARED_MEMORY} has {space.total} bytes"
    folder = SHARED_MEMORY / folder.name
    folder.mkdir(mode=0o755)
    try:
        yield Disk(folder)
    finally:
        shutil.rmtree(folder)


def unmount(folder: Path) -> str | None:
    """Unmounts a disk. Returns the error output if that fails."""
    return failure_of((*as_root(), "umount", str(folder)))


def as_root() -> tuple[str, ...]:
    """Returns the start of a command that only root may run."""
    return () if os.geteuid() == 0 else ("sudo", "-n")


def failure_of(command: tuple[str, ...]) -> str | None:
    """Returns the error output of a command, or None if it succeeded."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else None
