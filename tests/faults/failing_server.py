"""Script that serves the API and kills itself at a given moment.

Takes the URL of the database as its argument. For each number that it reads from a line of stdin, it forks a server.
The server counts the statements and commits it is about to send and the response it is about to return, and kills
itself instead of the one with that number (never if 0). For each server, the script writes two lines of JSON: the URL
and process id first, the exit code when the server has exited.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from sqlalchemy import event
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cli.serve import address_of, listen
from db.database import Database
from db.settings import DatabaseSettings
from graph.server.app import create_app
from tests.faults.commits import tell_of_commits
from tests.support import NOW


class Moments:
    """Counts the moments, and kills the process at the last one."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._passed = 0

    def come(self, *_: Any) -> None:
        self._passed += 1
        if self._passed == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def until_answered(app: ASGIApp, come: Callable[[], None]) -> ASGIApp:
    """Wraps the app so that `come` is called before each response."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                come()
            await send(message)

        await app(scope, receive, tell)

    return call


def serve(url: str, listening: Any, last: int) -> None:
    # PostgreSQL must notice itself that the client was killed, not because one of these timeouts expires.
    database = Database(url, DatabaseSettings(lock_timeout_ms=600_000, statement_timeout_ms=600_000))
    moments = Moments(last)
    event.listen(database.engine.sync_engine, "before_cursor_execute", moments.come)
    database.listeners.append(moments.come)
    tell_of_commits(before=moments.come)
    app = until_answered(create_app(database, clock=lambda: NOW), moments.come)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on")
    uvicorn.Server(config).run(sockets=[listening])


def say(**said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def main() -> None:
    for line in sys.stdin:
        with listen("127.0.0.1", 0) as listening:
            if (pid := os.fork()) == 0:
                serve(sys.argv[1], listening, int(line))
                os._exit(0)
            say(url=address_of(listening), pid=pid)
        _, status = os.waitpid(pid, 0)
        say(code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
