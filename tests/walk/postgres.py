"""A PostgreSQL of the walk's own, which may be killed."""

import asyncio
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from db.embedded.errors import EmbeddedPostgresError
from db.migrations import migrate
from tests.conftest import execute, named
from tests.faults.database.postgres import Postgres as OwnPostgres
from tests.folders import open_folder
from tests.support import PATIENCE_SECONDS
from tests.walk.server import cut_connections

TEMPLATE = "walk_template"


class Postgres:
    """A server that is started again where it was killed: what was committed is on the disk."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._server = OwnPostgres(self._stack.enter_context(open_folder("walk")))
        self.data = self._server.data
        self.kill = self._server.kill
        self._databases = 0

    def __enter__(self) -> Self:
        self.revive()
        asyncio.run(execute(self._server.url, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrate(named(self._server.url, TEMPLATE)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()
        self._stack.close()

    def new_database(self) -> str:
        """The URL of a migrated database without rows; the one before it is dropped."""
        self.revive()
        before, self._databases = self._databases, self._databases + 1
        if before:
            asyncio.run(execute(self._server.url, f"DROP DATABASE walk_{before} WITH (FORCE)"))
        asyncio.run(execute(self._server.url, f"CREATE DATABASE walk_{self._databases} TEMPLATE {TEMPLATE}"))
        return named(self._server.url, f"walk_{self._databases}")

    def cut_connections(self) -> None:
        cut_connections(self.data)

    def revive(self) -> None:
        """Starts the server where it does not run."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._server.runs:
            try:
                self._server.start()
            except EmbeddedPostgresError:
                # What the killed one left behind may be there for a moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
