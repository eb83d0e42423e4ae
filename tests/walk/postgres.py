"""A PostgreSQL of the walk's own, which may be killed."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

from db.embedded.account import server_account
from db.embedded.cluster import make_data
from db.embedded.errors import EmbeddedPostgresError
from db.embedded.server import start_server, stop_server
from db.embedded.sockets import socket_folder, url_of
from db.migrations import migrate
from tests.conftest import execute, named, roomy_memory
from tests.walk.server import cut_connections

PATIENCE_SECONDS = 60
TEMPLATE = "walk_template"


class Postgres:
    """A server that is started again where it was killed: what was committed is on the disk."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="billing-walk-", dir=roomy_memory()))
        # As root, PostgreSQL runs as another user, who must get there.
        self._folder.chmod(0o755)
        self._account = server_account()
        self.data = make_data(self._folder, self._account)
        self._url = url_of(socket_folder(self.data, self._account))
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def __enter__(self) -> Self:
        self.revive()
        asyncio.run(execute(self._url, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrate(named(self._url, TEMPLATE)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process:
            stop_server(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_database(self) -> str:
        """The URL of a migrated database without rows; the one before it is dropped."""
        self.revive()
        before, self._databases = self._databases, self._databases + 1
        if before:
            asyncio.run(execute(self._url, f"DROP DATABASE walk_{before} WITH (FORCE)"))
        asyncio.run(execute(self._url, f"CREATE DATABASE walk_{self._databases} TEMPLATE {TEMPLATE}"))
        return named(self._url, f"walk_{self._databases}")

    def kill(self) -> None:
        """Kills the postmaster, and leaves what it has started to find that out."""
        assert self._process
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def cut_connections(self) -> None:
        cut_connections(self.data)

    def revive(self) -> None:
        """Starts the server where it does not run."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._process is None or self._process.poll() is not None:
            try:
                self._process = start_server(self.data, self._account, self._folder / "log", Event())
            except EmbeddedPostgresError:
                # What the killed one left behind may be there for a moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
