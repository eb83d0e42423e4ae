"""Test program that runs the server with fail points: `python -m tests.walk.server PORT DATA`.

A child process serves requests. This process only replaces it when it dies, as a supervisor would. Request headers
select the database, the current time, and the fault to cause.
"""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import uvicorn
from sqlalchemy import event
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

from db.database import Database
from db.driver.errors import is_unavailable
from graph.server.app import create_app
from services.ticks import tick
from tests.faults.commits import tell_of_commits
from tests.faults.processes import children_of, send
from tests.walk import defects

PR_SET_PDEATHSIG = 1


@dataclass
class Fault:
    """A fault to cause at the `n`th moment of its kind within one request.

    Moments are `statement` (in progress), `before commit`, `after commit` and `answer`. Actions are `kill server`,
    `kill postgres`, `cut connection` and, for `answer` only, `lose answer`: the response head is sent, then the
    connection is closed.
    """

    moment: str
    n: int
    action: str


class FailPoints:
    """Moments at which a fault can occur: during a statement, before and after a commit, before the response."""

    def __init__(self, data: Path) -> None:
        self.armed: Fault | None = None
        self._data = data

    def watch(self, database: Database) -> None:
        engine = database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", self._statement)
        database.listeners.append(self._statement)

    def reached(self, moment: str) -> None:
        fault = self.armed
        if fault is None or fault.moment != moment:
            return
        fault.n -= 1
        if fault.n == 0:
            self.armed = None
            if moment == "statement":
                # On the next iteration of the loop, the statement has been sent and the database is executing it.
                asyncio.get_running_loop().call_soon(self.fire, fault.action)
            else:
                self.fire(fault.action)

    def fire(self, action: str) -> None:
        match action:
            case "kill server":
                os.kill(os.getpid(), signal.SIGKILL)
            case "kill postgres":
                kill_postgres(self._data)
            case "cut connection":
                cut_connections(self._data)

    def _statement(self, *_: object) -> None:
        self.reached("statement")


def kill_postgres(data: Path) -> None:
    """Kills the postmaster and all its children, as a power failure would."""
    postmaster = postmaster_of(data)
    send((postmaster, *children_of(postmaster)), signal.SIGKILL)


def cut_connections(data: Path) -> None:
    """Terminates the backends that serve clients, as `pg_terminate_backend` does."""
    for pid in children_of(postmaster_of(data)):
        with suppress(FileNotFoundError, ProcessLookupError):
            if b" walk_" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGTERM)


def postmaster_of(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


class Server:
    """ASGI application: the billing server, over the database that the request names."""

    def __init__(self, data: Path) -> None:
        self._fail_points = FailPoints(data)
        self._now = datetime.min.replace(tzinfo=UTC)
        self._database: Database | None = None
        self._app: Starlette | None = None
        self._url = ""
        reached = self._fail_points.reached
        tell_of_commits(before=lambda: reached("before commit"), after=lambda: reached("after commit"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        said = {name.decode(): value.decode() for name, value in scope["headers"] if name.startswith(b"walk-")}
        if "walk-now" in said:
            self._now = datetime.fromisoformat(said["walk-now"])
        if "walk-database" in said:
            await self._use(said["walk-database"])
        assert self._app
        assert self._database
        points = self._fail_points
        if fault := said.get("walk-fault"):
            moment, n, action = fault.split(", ")
            points.armed = Fault(moment, int(n), action)

        async def answer(message: Message) -> None:
            if points.armed and points.armed.moment == "answer":
                action, points.armed = points.armed.action, None
                if action == "lose answer":
                    if message["type"] == "http.response.start":
                        await send(message)
                    raise ConnectionAbortedError("The answer is lost.")
                points.fire(action)
            if message["type"] == "http.response.start" and fault:
                message["headers"].append((b"walk-fired", b"no" if points.armed else b"yes"))
            await send(message)

        try:
            if scope["path"] == "/tick":
                await self._tick(answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            points.armed = None

    async def _use(self, url: str) -> None:
        if url == self._url:
            return
        if self._database:
            await self._database.close()
        self._url, self._database = url, Database(url)
        self._fail_points.watch(self._database)
        self._app = create_app(self._database, clock=lambda: self._now)

    async def _tick(self, send: Send) -> None:
        """Does the server's background work at the instant given by the request.

        Responds with 503 if the database is unavailable, and with 500 for any other error.
        """
        assert self._database
        try:
            await tick(self._database, now=self._now)
        except Exception as error:  # noqa: BLE001 - it is for the walk to judge
            status, said = 503 if is_unavailable(error) else 500, repr(error)
        else:
            status, said = 200, "done"
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": orjson.dumps({"said": said})})


def serve(listening: socket.socket, data: Path) -> None:
    config = uvicorn.Config(
        Server(data), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listening])


def end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def supervise(listening: socket.socket, serve: Callable[[], None]) -> None:
    """Serves in a child process, and starts another one whenever it dies."""
    while True:
        child = os.fork()
        if child == 0:
            end_with_parent()
            serve()
            os._exit(0)
        os.waitpid(child, 0)


def main() -> None:
    end_with_parent()
    port, data = int(sys.argv[1]), Path(sys.argv[2])
    defects.put_in(os.environ.get(defects.VARIABLE))
    listening = socket.create_server(("127.0.0.1", port), backlog=128)
    supervise(listening, lambda: serve(listening, data))


if __name__ == "__main__":
    main()
