"""Connecting to the database, within a time that a request can wait."""

import time
from typing import Any

import asyncpg

CONNECT_TIMEOUT_SECONDS = 1
SILENT_SECONDS = 1
"""So long a database that did not answer is taken for silent, before it is tried again."""


class Connector:
    """Makes connections. While the database does not answer at all, it says so without waiting for each of them."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    async def connect(self, *arguments: Any, **options: Any) -> asyncpg.Connection:  # noqa: ANN401 - the driver's
        """A new connection. Raises `TimeoutError` where the database does not answer, and what the driver raises."""
        if time.monotonic() < self._silent_until:
            raise TimeoutError("The database did not answer a moment ago.")
        try:
            return await asyncpg.connect(*arguments, timeout=CONNECT_TIMEOUT_SECONDS, **options)
        except TimeoutError:
            self._silent_until = time.monotonic() + SILENT_SECONDS
            raise
