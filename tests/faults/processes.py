"""Servers as separate processes, which tests pause, terminate, kill and restart."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from db.embedded import EmbeddedPostgres
from tests.support import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
PORTS = (20_000, 32_000)
SERVE = (sys.executable, "-m", "cli.main", "serve")


async def until(holds: Callable[[], Awaitable[bool]], *, what: str = "") -> None:
    """Waits until `holds` returns True."""
    began = time.monotonic()
    while not await holds():
        assert time.monotonic() - began < PATIENCE_SECONDS, f"waited in vain: {what or holds}"
        await asyncio.sleep(0.02)


def free_port() -> int:
    """Returns a port that a server can use repeatedly. It lies outside the range that the system assigns to clients."""
    while True:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def children_of(pid: int) -> list[int]:
    """Returns the ids of all descendants of a process."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        direct = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [found for child in direct for found in (child, *children_of(child))]


def command_of(pid: int) -> str:
    """Returns the command line of a process, or an empty string if it has exited."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@dataclass
class Server:
    """A `billing serve` process. It keeps its port when it is restarted."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    said: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Starts the server without waiting until it is ready."""
        assert not self.runs
        with self.said.open("ab") as output:
            self.process = subprocess.Popen(
                [*SERVE, "--port", str(self.port), *self.arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=output,
            )

    def workers(self) -> list[int]:
        """Returns the ids of the processes that serve requests: the workers, or the server itself if it has none."""
        found = [child for child in children_of(self.pid) if "spawn_main" in command_of(child)]
        return found or [self.pid]

    async def answers(self, path: str, status: int = 200) -> bool:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, verify=False) as client:
            try:
                return (await client.get(self.url + path)).status_code == status
            except httpx.TransportError:
                assert self.runs, self.said.read_text()
                return False

    async def ready(self) -> None:
        """Waits until the server is ready."""
        await until(lambda: self.answers("/ready"), what=f"{self.url}/ready")

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Waits until the server has exited. Returns the exit code."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, PATIENCE_SECONDS)

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        await self.ended()


class Servers:
    """Starts servers, and stores their logs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[Server] = []

    def server(self, *arguments: str, **environment: str) -> Server:
        """Returns a server that is not started yet."""
        # Anyone who can reach these ports has full access, as on a developer's machine.
        environment = {"BILLING_AUTH": "off", **environment}
        self.all.append(Server(arguments, environment, self.folder / f"server-{len(self.all)}.log"))
        return self.all[-1]

    async def start(self, *arguments: str, **environment: str) -> Server:
        """Returns a started server that is ready."""
        server = self.server(*arguments, **environment)
        server.start()
        await server.ready()
        return server

    def end(self) -> None:
        """Stops all running servers, including paused ones."""
        running = [server for server in self.all if server.runs]
        for server in running:
            for pid in (server.pid, *children_of(server.pid)):
                # The child may exit in the meantime.
                with suppress(ProcessLookupError):
                    if "postgres" not in command_of(pid):
                        os.kill(pid, signal.SIGCONT)
        end_all([server.process for server in running if server.process is not None], signal.SIGINT)


def end_all(processes: Sequence["subprocess.Popen[Any]"], number: signal.Signals) -> None:
    """Sends a signal to all processes that still run, and waits for them. Kills those that do not exit, or all if
    the wait is interrupted.
    """
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.send_signal(number)
    try:
        for process in running:
            process.wait(PATIENCE_SECONDS)
    finally:
        for process in running:
            process.kill()
            process.wait()


def postmaster_of(postgres: Path) -> int | None:
    """Returns the process id of the embedded PostgreSQL of a folder, or None if it is not running."""
    try:
        return int((postgres / "data" / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def family_of(postgres: EmbeddedPostgres) -> list[int]:
    """Returns the ids of all processes of a PostgreSQL, the postmaster first."""
    postmaster = postmaster_of(postgres.folder)
    return [] if postmaster is None else [postmaster, *children_of(postmaster)]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Sends a signal to all processes. Ignores those that have exited."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def paused(pids: Sequence[int]) -> Iterator[None]:
    """Pauses the processes for the duration of the block."""
    send(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        send(pids, signal.SIGCONT)
