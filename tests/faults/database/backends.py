"""The PostgreSQL backends behind the connections of a server."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'billing'"


@asynccontextmanager
async def standing_still(other: asyncpg.Connection) -> AsyncIterator[None]:
    """Pauses the backends of all pooled connections during the block. New connections can still be opened."""
    pids = [pid for (pid,) in await other.fetch(BACKENDS)]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
