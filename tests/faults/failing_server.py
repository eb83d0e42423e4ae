"""Run as a script: serves the API, and kills itself at the moment that it is told.

Its argument is the URL of the database. For each line that it reads, a number, it forks a server that counts the
statements and commits it is about to send, and the answer it is about to give, and kills itself in the place of the one
of that number; with 0, never. It writes a line of JSON with the server's URL and process id, and when the server has
ended another one, with its exit code.
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
    """Counts the moments, and lets none come after the last."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._passed = 0

    def come(self, *_: Any) -> None:
        self._passed += 1
        if self._passed == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def until_answered(app: ASGIApp, come: Callable[[], None]) -> ASGIApp:
    """The app, with a moment before each answer."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                come()
            await send(message)

        await app(scope, receive, tell)

    return call


def serve(url: str, listening: Any, last: int) -> None:
    # A backend whose process was killed must not owe its end to one of these.
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
