"""Size of the shared buffers of the embedded PostgreSQL."""

import os
from pathlib import Path

CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
MOST_BYTES = 2 << 30
LEAST_BYTES = 16 << 20
PART = 4
"""Divisor: shared buffers get this fraction of the memory."""

SHARED_BUFFERS = "_BILLING_SHARED_BUFFERS"
"""Environment variable that overrides the size in tests, where many servers run at once."""


def shared_buffers() -> str:
    """Returns the value of `shared_buffers`: a quarter of the memory this process may use, between 16 MB and 2 GB."""
    said = os.environ.get(SHARED_BUFFERS)
    return said or f"{min(MOST_BYTES, max(LEAST_BYTES, usable_bytes() // PART)) >> 20}MB"


def usable_bytes(limits: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    """Returns the memory of the machine, or the limit of the cgroup if that is lower."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in limits:
        try:
            said = path.read_text().strip()
        except OSError:
            continue
        if said.isdecimal():
            found.append(int(said))
    return min(found)
