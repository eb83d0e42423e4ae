"""A PostgreSQL that a test starts, stops and pauses."""

import os
import signal
import subprocess
import time
from pathlib import Path
from threading import Event

from db.embedded.binaries import binaries
from db.embedded.cluster import find_data, make_data
from db.embedded.os_user import server_account, spawn
from db.embedded.server import start_server, stop_server
from db.embedded.sockets import PORT, socket_folder, url_of
from tests.faults.processes import children_of, send
from tests.support import PATIENCE_SECONDS

STARTING_UP = 1
"""Exit code of `pg_isready` if the server responds but does not accept connections yet."""

TERMINATE_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billing'"
"""Terminates all connections of the billing server, but does not wait until they are closed."""
END_OTHERS = TERMINATE_OTHERS.replace("(pid)", f"(pid, {PATIENCE_SECONDS * 1000})")
"""Terminates all connections of the billing server, and waits until they are closed."""


class Postgres:
    """The PostgreSQL server of a data folder below `folder`, which is created if it is not there. The log is written
    there too, unless `log` is set.
    """

    def __init__(self, folder: Path, *, log: Path | None = None) -> None:
        self.folder = folder
        self._account = server_account()
        self._log = log or folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.data = find_data(folder, self._account) or make_data(folder, self._account)
        self.sockets = socket_folder(self.data, self._account)
        self.url = url_of(self.sockets)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts PostgreSQL, and waits until it accepts connections."""
        self._process = start_server(self.data, self._account, self._log, Event())

    def said(self) -> str:
        """Returns the contents of the log."""
        return self._log.read_text()

    def start_up_for_ever(self) -> None:
        """Starts PostgreSQL like a standby that allows no reads: it tells every client that it is still starting up."""
        (self.data / "standby.signal").touch()
        settings = {
            "hot_standby": "off",
            "listen_addresses": "",
            "unix_socket_directories": self.sockets,
            "port": PORT,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as output:
            command = [str(binaries() / "postgres"), "-D", str(self.data), *options]
            self._process = spawn(self._account, command, output=output)
        ask = [str(binaries() / "pg_isready"), "-h", str(self.sockets), "-p", str(PORT), "-q"]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while subprocess.run(ask, check=False).returncode != STARTING_UP:
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stops PostgreSQL, which disconnects its clients. Does nothing if it is not running."""
        if self._process is not None:
            self.go_on()
            stop_server(self._process)
            self._process = None
            (self.data / "standby.signal").unlink(missing_ok=True)

    def kill(self) -> None:
        """Kills the postmaster only. Its child processes have to notice that themselves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def lose(self) -> None:
        """Kills all of its processes at once, as if the machine were gone."""
        assert self._process is not None
        send([self._process.pid, *children_of(self._process.pid)], signal.SIGKILL)
        self._process.wait()

    def standby(self, folder: Path) -> "Postgres":
        """Returns a standby in an empty folder, which follows this server and is not started yet."""
        data = folder / "data"
        data.mkdir(mode=0o700)
        os.chown(data, self._account.uid, self._account.gid)
        program = str(binaries() / "pg_basebackup")
        place = ("-h", str(self.sockets), "-p", str(PORT), "-U", "billing")
        command = [program, *place, "-D", str(data), "-R", "-X", "stream", "-c", "fast"]
        with spawn(self._account, command, output=subprocess.PIPE) as process:
            output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, output.decode()
        (data / f".s.PGSQL.{PORT}.lock").unlink()
        return Postgres(folder)

    def configure(self, **settings: str) -> None:
        """Changes settings of the server, from its next start on."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def stand_still(self) -> None:
        """Pauses the postmaster: it accepts no new connections. Existing connections keep working."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
