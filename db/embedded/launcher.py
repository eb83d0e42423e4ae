"""Public interface of the embedded PostgreSQL: starts, shares, restarts and stops it."""

import logging
import subprocess
import time
from concurrent.futures import Future
from pathlib import Path
from threading import Event, RLock, Thread
from types import TracebackType
from typing import Self

from db.embedded.binaries import binaries
from db.embedded.cluster import find_data, make_data
from db.embedded.errors import EmbeddedPostgresError
from db.embedded.lock import FolderLock
from db.embedded.os_user import OsUser, server_account
from db.embedded.server import is_ready, start_server, stop_server
from db.embedded.sockets import socket_folder, url_of

START_TIMEOUT_SECONDS = 900
ADOPT_TIMEOUT_SECONDS = 660
STOP_TIMEOUT_SECONDS = 600
FIRST_START_TRIES = 7
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 10.0
STEADY_SECONDS = 60
POLL_SECONDS = 0.05

log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """An embedded PostgreSQL in `folder`, shared by all processes that start it there.

    The first process owns the server: it creates the data, runs the server and restarts it if it exits. The other
    processes adopt the server. When the owner exits, one of them becomes the owner, with the same URL.

    The server opens no port, and clients need no password. Its socket is in a folder that only root and the server's
    user can access. That user is the one of this process, or `nobody` if root starts it.

    Methods may be called from any thread. If the owner is killed, the server stops with it on Linux; on other systems
    the next owner stops it. A server that keeps exiting is logged as an error and restarted without limit.
    """

    def __init__(self, folder: Path) -> None:
        """Changes nothing on disk. `folder` need not exist."""
        self.folder = folder.resolve()
        self.log_path = self.folder / "postgres.log"
        self.url = ""
        """URL for SQLAlchemy, empty before the start. The same in every process and after every restart."""
        self.owned = False
        """True if this process runs the server. It becomes true when an adopter takes over."""
        self._mutex = RLock()
        self._keeper: Thread | None = None
        self._stopping = Event()
        self._started: Future[None] = Future()

    def has_data(self) -> bool:
        """Returns True if the data exists. Changes nothing. Raises `EmbeddedPostgresError` if the data is unusable."""
        return find_data(self.folder, server_account()) is not None

    def start(self) -> None:
        """Starts or adopts the server. Returns once it accepts connections and the database `billing` exists.

        Blocks for about 0.1 seconds if the data exists, 1 second if it must be created, and minutes after a crash of a
        busy server. On failure, raises `EmbeddedPostgresError` and leaves nothing running.
        """
        with self._mutex:
            assert self._keeper is None, "already started"
            self._stopping = Event()
            self._started = Future()
            self._keeper = Thread(target=self._keep, name="embedded-postgres", daemon=True)
            self._keeper.start()
        try:
            self._started.result(START_TIMEOUT_SECONDS)
        except TimeoutError:
            self.stop()
            raise EmbeddedPostgresError(
                f"PostgreSQL did not start within {START_TIMEOUT_SECONDS} seconds (log: {self.log_path})."
            ) from None
        except OSError as error:
            self.stop()
            raise EmbeddedPostgresError(f"PostgreSQL cannot use {self.folder}: {error}.") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shuts down the server if this process owns it, waits until it exits, and unlocks the folder.

        An adopter only stops watching the server. May be called repeatedly, and before `start`. Raises
        `EmbeddedPostgresError` if the server does not stop within `STOP_TIMEOUT_SECONDS`.
        """
        with self._mutex:
            self._stopping.set()
            if self._keeper is None:
                return
            self._keeper.join(STOP_TIMEOUT_SECONDS)
            if self._keeper.is_alive():
                raise EmbeddedPostgresError(
                    f"PostgreSQL did not stop within {STOP_TIMEOUT_SECONDS} seconds (log: {self.log_path})."
                )
            self._keeper = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _keep(self) -> None:
        """Main function of the keeper thread. It must live as long as the server: see `db.embedded.child`."""
        try:
            self._adopt_or_own()
        except (EmbeddedPostgresError, OSError) as error:
            if self._started.done():
                log.error("PostgreSQL is no longer restarted if it ends: %s", str(error))  # noqa: TRY400
            else:
                self._started.set_exception(error)
        finally:
            self.owned = False
            if not self._started.done():
                self._started.set_exception(EmbeddedPostgresError("PostgreSQL was stopped before it started."))

    def _adopt_or_own(self) -> None:
        account = server_account()
        # Raise errors about the programs and existing data before anything in the folder changes.
        binaries()
        find_data(self.folder, account)
        self.folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + ADOPT_TIMEOUT_SECONDS
        data: Path | None = None
        with FolderLock(self.folder) as lock:
            while not lock.acquire():
                data = data or self._adopt(account, deadline)
                if self._stopping.wait(POLL_SECONDS):
                    return
            self.owned = True
            # If an adopted data folder has disappeared, never create a new one in its place.
            self._own(data or find_data(self.folder, account) or make_data(self.folder, account), account)

    def _adopt(self, account: OsUser, deadline: float) -> Path | None:
        """Returns the data folder of the owner's server if the server is ready, else None.

        Raises `EmbeddedPostgresError` after `deadline`.
        """
        data = find_data(self.folder, account)
        if data is not None and is_ready(data):
            self._announce(data, account)
            return data
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"Another process runs PostgreSQL in {self.folder}, but it was not ready after"
                f" {ADOPT_TIMEOUT_SECONDS} seconds (log: {self.log_path})."
            )
        return None

    def _own(self, data: Path, account: OsUser) -> None:
        """Runs the server until `stop` is called, and restarts it whenever it exits."""
        delay = FIRST_DELAY_SECONDS
        tries = 0
        while not self._stopping.is_set():
            tries += 1
            started_at = time.monotonic()
            try:
                server = start_server(data, account, self.log_path, self._stopping)
            except (EmbeddedPostgresError, OSError) as error:
                if self._stopping.is_set():
                    return
                # Leftovers of a killed server may make the first attempts fail.
                if tries == FIRST_START_TRIES and not self._started.done():
                    raise
                # The server log only shows the type of an exception, so log the message.
                log.error("PostgreSQL did not start (next try in %.1f seconds): %s", delay, str(error))  # noqa: TRY400
            else:
                self._watch(server, data, account)
            if time.monotonic() - started_at > STEADY_SECONDS:
                delay = FIRST_DELAY_SECONDS
            self._stopping.wait(delay)
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)

    def _watch(self, server: subprocess.Popen[bytes], data: Path, account: OsUser) -> None:
        """Waits until the server exits, or stops it when `stop` is called."""
        try:
            self._announce(data, account)
            while server.poll() is None:
                if self._stopping.wait(POLL_SECONDS):
                    return
            log.error("PostgreSQL (pid %d) exited with code %d.", server.pid, server.returncode)
        finally:
            stop_server(server)

    def _announce(self, data: Path, account: OsUser) -> None:
        self.url = url_of(socket_folder(data, account))
        log.info(
            "PostgreSQL is ready in %s (%s).",
            data,
            "started by this process" if self.owned else "started by another process",
        )
        if not self._started.done():
            self._started.set_result(None)
