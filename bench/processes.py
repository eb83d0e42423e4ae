"""CPU time, memory and processor affinity of processes, as the kernel reports them. Linux only."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

TICK_NANOSECONDS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_nanoseconds(pids: Iterable[int]) -> dict[int, int]:
    """Returns the CPU time of each process so far: all its threads, user and system. Omits processes that have exited.

    In nanoseconds if the kernel records them, else rounded to clock ticks.
    """
    return {pid: used for pid in pids if (used := used_by(pid)) is not None}


def used_by(pid: int) -> int | None:
    folder = Path(f"/proc/{pid}")
    try:
        threads = [int((task / "schedstat").read_text().split()[0]) for task in (folder / "task").iterdir()]
        if any(threads):
            return sum(threads)
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) * TICK_NANOSECONDS


def used_between(before: dict[int, int], after: dict[int, int]) -> int:
    """Returns the CPU time between two readings. Processes that started in between count from their start."""
    return sum(used - before.get(pid, 0) for pid, used in after.items())


def family_of(pid: int) -> list[int]:
    """Returns a process and its children, such as a postmaster and its backends."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def confined(processors: set[int]) -> Iterator[None]:
    """Restricts processes that are started in the block to these processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
