"""A separate PostgreSQL that the walk may kill."""

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
    """A server that can be restarted after it was killed. Everything committed is on disk."""

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
        """Creates a migrated, empty database and drops the previous one. Returns its URL."""
        self.revive()
        before, self._databases = self._databases, self._databases + 1
        if before:
            asyncio.run(execute(self._server.url, f"DROP DATABASE walk_{before} WITH (FORCE)"))
        asyncio.run(execute(self._server.url, f"CREATE DATABASE walk_{self._databases} TEMPLATE {TEMPLATE}"))
        return named(self._server.url, f"walk_{self._databases}")

    def cut_connections(self) -> None:
        cut_connections(self.data)

    def revive(self) -> None:
        """Starts the server if it is not running."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._server.runs:
            try:
                self._server.start()
            except EmbeddedPostgresError:
                # The killed server's processes or files may remain for a moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
