"""How much memory an embedded PostgreSQL takes for its buffers."""

import os
from pathlib import Path

CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
MOST_BYTES = 2 << 30
LEAST_BYTES = 16 << 20
PART = 4
"""Buffers are so small a part of the memory."""

SHARED_BUFFERS = "_BILLING_SHARED_BUFFERS"
"""Variable that tests set: many servers run beside each other there."""


def shared_buffers() -> str:
    """The setting of PostgreSQL: a quarter of the memory that this process may use, 2 GB at most."""
    said = os.environ.get(SHARED_BUFFERS)
    return said or f"{min(MOST_BYTES, max(LEAST_BYTES, usable_bytes() // PART)) >> 20}MB"


def usable_bytes(limits: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    """The memory of the machine, or what a cgroup leaves of it."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in limits:
        try:
            said = path.read_text().strip()
        except OSError:
            continue
        if said.isdecimal():
            found.append(int(said))
    return min(found)
