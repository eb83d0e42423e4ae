"""Whether the server is well, for load balancers and containers."""

import signal
from types import FrameType
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from db.database import Database, is_unavailable
from db.migrations import current_revision, head_revision


class Health:
    """The routes `/health`, `/health/db` and `/ready`. The server is ready until `draining` is set."""

    def __init__(self, database: Database) -> None:
        self.draining = False
        self._database = database
        self._head = head_revision()

    def drain_on_signal(self) -> None:
        """From SIGTERM or SIGINT on the server is not ready any more; what handles the signal goes on handling it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)

            def drain(number: int, frame: FrameType | None, handler: Any = handler) -> None:
                self.draining = True
                if callable(handler):
                    handler(number, frame)

            signal.signal(number, drain)

    def routes(self) -> list[Route]:
        return [
            Route("/health", self.health),
            Route("/health/db", self.health_db),
            Route("/ready", self.ready),
        ]

    async def health(self, _request: Request) -> JSONResponse:
        """The process runs. Says nothing of the database."""
        return JSONResponse({"status": "ok"})

    async def health_db(self, _request: Request) -> JSONResponse:
        """The database answers: 200, or else 503."""
        try:
            await self._database.ping()
        except Exception as error:
            if not is_unavailable(error):
                raise
            return JSONResponse({"database": "unavailable"}, 503)
        return JSONResponse({"database": "ok"})

    async def ready(self, _request: Request) -> JSONResponse:
        """Requests are welcome: the database answers, its schema is the one of this code, no shut-down is under way."""
        if self.draining:
            return JSONResponse({"ready": False, "reason": "shutting down"}, 503)
        try:
            async with self._database.engine.connect() as connection:
                revision = await current_revision(connection)
        except Exception as error:
            if not is_unavailable(error):
                raise
            return JSONResponse({"ready": False, "reason": "database unavailable"}, 503)
        if revision != self._head:
            return JSONResponse({"ready": False, "reason": "migrations pending"}, 503)
        return JSONResponse({"ready": True})
