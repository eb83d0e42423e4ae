"""The embedded PostgreSQL as the rest of the server sees it: started, shared, kept alive and stopped."""

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
    """A PostgreSQL of our own in `folder`, shared by every process that starts it there.

    The process that comes first owns the server: it makes the data, runs the server and starts it again when
    it dies. The others adopt it; when the owner goes, one of them takes over, with the same URL. No port is
    opened. Clients need no password: the socket lies where only the server's user may go, which is the user
    of this process, or `nobody` when root starts it, so only that user and root can connect.

    Methods may be called from any thread. A killed owner takes the server down with it on Linux; elsewhere
    the next owner stops what it left. A server that keeps dying is logged as an error and tried again, for
    ever.
    """

    def __init__(self, folder: Path) -> None:
        """Take note of the folder, which need not exist. Nothing is touched before `start`."""
        self.folder = folder.resolve()
        self.log_path = self.folder / "postgres.log"
        self.url = ""
        """For SQLAlchemy, once started: the same in every process and after every restart."""
        self.owned = False
        """Whether this process runs the server. Becomes true in an adopter that takes over."""
        self._mutex = RLock()
        self._keeper: Thread | None = None
        self._stopping = Event()
        self._started: Future[None] = Future()

    def has_data(self) -> bool:
        """True if data was made in the folder. Changes nothing. Raises EmbeddedPostgresError if it cannot be ours."""
        return find_data(self.folder, server_account()) is not None

    def start(self) -> None:
        """Return when the server accepts connections and the database `billing` exists.

        Blocks: 0.1 seconds where the data exists, a second where it is made, minutes after a crash of a busy
        server. Raises EmbeddedPostgresError, and leaves nothing running, when that cannot be had.
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
        """Shut the server down if it is ours, wait for its end, and free the folder for others.

        An adopter only stops watching. May be called any number of times, also before `start`.
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
        """All the work, in one thread, since the server lives no longer than the thread that started it."""
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
        # These refuse what we cannot run or use, before anything in the folder is touched.
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
            # Data that was there when we adopted it is never made anew, should it be gone by now.
            self._own(data or find_data(self.folder, account) or make_data(self.folder, account), account)

    def _adopt(self, account: OsUser, deadline: float) -> Path | None:
        """The data of the owner's server if that is ready now."""
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
        """Run the server until we are told to stop, starting it again whenever it ends."""
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
                # What a killed server leaves behind may stop the first tries of its successor.
                if tries == FIRST_START_TRIES and not self._started.done():
                    raise
                # Of an exception, the log of a server would have the type alone.
                log.error("PostgreSQL did not start (next try in %.1f seconds): %s", delay, str(error))  # noqa: TRY400
            else:
                self._watch(server, data, account)
            if time.monotonic() - started_at > STEADY_SECONDS:
                delay = FIRST_DELAY_SECONDS
            self._stopping.wait(delay)
            delay = min(2 * delay, LONGEST_DELAY_SECONDS)

    def _watch(self, server: subprocess.Popen[bytes], data: Path, account: OsUser) -> None:
        """Wait for the end of the server, or end it when we are told to stop."""
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
