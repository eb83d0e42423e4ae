"""The PostgreSQL server process: starts and stops it, waits until it is ready, and stops orphaned servers."""

import logging
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from db.embedded.binaries import binaries
from db.embedded.errors import EmbeddedPostgresError
from db.embedded.memory import shared_buffers
from db.embedded.os_user import OsUser, spawn
from db.embedded.server_log import last_failure, open_log
from db.embedded.sockets import PORT, socket_folder

READY_TIMEOUT_SECONDS = 600  # recovery after a crash may take minutes
STOP_TIMEOUT_SECONDS = 30
REPEAT_SECONDS = 0.5
POLL_SECONDS = 0.01

PROGRAM = re.compile(r"(?:^|/)postgres:? ")
"""Matches the command line of the server and of its child processes."""

log = logging.getLogger(__name__)


def start_server(data: Path, account: OsUser, log_path: Path, stopping: Event) -> subprocess.Popen[bytes]:
    """Starts the server of `data` and waits until it accepts clients.

    First stops a server that a dead process left running there. The new server opens no port: clients connect through a
    socket that only `account` and root can access. On Linux it shuts down when the calling thread ends. Raises
    `EmbeddedPostgresError`, and leaves no server running, if the server exits, times out, or `stopping` is set before
    it is ready.
    """
    sockets = socket_folder(data, account)
    _stop_left_behind(data)
    _clear_lock(data / "postmaster.pid")
    _clear_lock(sockets / f".s.PGSQL.{PORT}.lock")
    quoted_sockets = str(sockets).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted_sockets}"',
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "fsync": "on",
        "shared_buffers": shared_buffers(),
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_checkpoints": "off",
        # The details of an error contain the values of the row.
        "log_error_verbosity": "terse",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with open_log(log_path) as output:
        log_start = output.tell()
        process = spawn(account, [str(binaries() / "postgres"), "-D", str(data), *options], output=output)
    try:
        _wait_until_ready(process, data, stopping)
    except EmbeddedPostgresError as error:
        stop_server(process)
        reason = last_failure(log_path.read_bytes()[log_start:])
        raise EmbeddedPostgresError(f"{error} Its last message: {reason} (log: {log_path})") from None
    return process


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """Stops the server if it is running, and waits for it. Clients are disconnected; committed data is kept.

    If the fast shutdown takes too long, forces an immediate one, after which the next start runs recovery.
    """
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if _stops_on_signal(process, order):
            return
        log.warning("PostgreSQL (pid %d) did not stop on %s.", process.pid, order.name)


def _stops_on_signal(process: subprocess.Popen[bytes], order: signal.Signals) -> bool:
    """Returns True if the server exits on this signal. Repeats it, as a starting server may not handle it yet."""
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        process.send_signal(order)
        try:
            process.wait(REPEAT_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return True
    return False


def is_ready(data: Path) -> bool:
    """Returns True if a server of `data` is ready for clients, no matter which process started it."""
    postmaster = _postmaster(data)
    return postmaster is not None and postmaster.ready and _serves(postmaster.pid, data)


@dataclass(frozen=True, slots=True)
class Postmaster:
    """Contents of `postmaster.pid` in a data folder. The server may be running or dead."""

    pid: int
    ready: bool


def _postmaster(data: Path) -> Postmaster | None:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].isdigit():
        return None
    return Postmaster(pid=int(lines[0]), ready=len(lines) > 7 and lines[7].strip() == "ready")


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path, stopping: Event) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while _postmaster(data) != Postmaster(process.pid, ready=True):
        if process.poll() is not None:
            raise EmbeddedPostgresError("PostgreSQL exited during startup.")
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"PostgreSQL was not ready after {READY_TIMEOUT_SECONDS} seconds.")
        if stopping.wait(POLL_SECONDS):
            raise EmbeddedPostgresError("PostgreSQL was stopped during startup.")


def _stop_left_behind(data: Path) -> None:
    """Stops a server whose owner has died. The caller holds the lock, so no living process owns the server."""
    postmaster = _postmaster(data)
    for order in (signal.SIGINT, signal.SIGQUIT):
        if postmaster is None or not _serves(postmaster.pid, data):
            return
        log.warning("Stopping PostgreSQL (pid %d), whose parent process has exited.", postmaster.pid)
        os.kill(postmaster.pid, order)
        _wait_until_gone(postmaster.pid, data)


def _clear_lock(path: Path) -> None:
    """Removes a lock file of PostgreSQL if the process with its pid is not PostgreSQL.

    PostgreSQL accepts any process with this pid as the owner of the file: a zombie, or another program that got the pid
    after a restart of the machine or container. Removal is safe: PostgreSQL also detects running backends without the
    file.
    """
    try:
        first_line = path.read_text().partition("\n")[0]
    except FileNotFoundError:
        return
    if first_line.isdigit() and _exists(int(first_line)) and not PROGRAM.search(_command_of(int(first_line))):
        path.unlink()


def _wait_until_gone(pid: int, data: Path) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while _serves(pid, data) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _serves(pid: int, data: Path) -> bool:
    command = _command_of(pid)
    return PROGRAM.search(command) is not None and f" -D {data} " in command


def _exists(pid: int) -> bool:
    """Returns True if a process with this pid exists, possibly as a zombie, and this process may signal it."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _command_of(pid: int) -> str:
    """Returns the command line of a process, or an empty string if it has exited."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    listing = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(listing, capture_output=True, text=True, check=False, timeout=10).stdout  # noqa: S603
