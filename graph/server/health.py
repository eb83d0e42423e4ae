"""Health checks for load balancers and containers."""

import asyncio
import signal
from types import FrameType

from asyncpg import InternalClientError, PostgresError
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from db.database import PING_TIMEOUT_SECONDS, Database, accepts_writes
from db.driver.errors import Overloaded
from db.migrations import current_revision, head_revision, known_revisions

DATABASE_ERRORS = (SQLAlchemyError, PostgresError, InternalClientError, OSError, Overloaded)
DRAIN_SECONDS = 1


class Health:
    """The routes `/health`, `/health/db` and `/ready`. The server is ready until `draining` is set."""

    def __init__(self, database: Database) -> None:
        self.draining = False
        self._database = database
        self._outdated = {None, *known_revisions()} - {head_revision()}

    def drain_on_signal(self) -> None:
        """Delays SIGTERM by a second in which `/ready` returns 503, so that load balancers stop sending requests.

        Then the signal goes to its previous handler. A second SIGTERM, and any SIGINT, takes effect immediately.
        """
        end = signal.getsignal(signal.SIGTERM)
        loop = asyncio.get_running_loop()

        def drain(number: int, frame: FrameType | None) -> None:
            if callable(end):
                delay = 0 if self.draining else DRAIN_SECONDS
                loop.call_soon_threadsafe(loop.call_later, delay, end, number, frame)
            self.draining = True

        signal.signal(signal.SIGTERM, drain)

    def routes(self) -> list[Route]:
        return [
            Route("/health", self.health),
            Route("/health/db", self.health_db),
            Route("/ready", self.ready),
        ]

    async def health(self, _request: Request) -> JSONResponse:
        """Returns 200 while the process runs. Does not check the database."""
        return JSONResponse({"status": "ok"})

    async def health_db(self, _request: Request) -> JSONResponse:
        """Returns 200 if the database responds, else 503."""
        try:
            await self._database.ping()
        except DATABASE_ERRORS:
            return JSONResponse({"database": self._trouble()}, 503)
        return JSONResponse({"database": "ok"})

    async def ready(self, _request: Request) -> JSONResponse:
        """Returns 200 if the database responds, its schema is recent enough, and no shutdown is in progress; else 503.

        It must also accept writes, unless its URL allows a read-only server.
        A schema newer than this code is fine: migrations only add to it, so old servers keep running during an upgrade.
        """
        if self.draining:
            return JSONResponse({"ready": False, "reason": "shutting down"}, 503)
        try:
            async with asyncio.timeout(PING_TIMEOUT_SECONDS), self._database.engine.connect() as connection:
                revision = await current_revision(connection)
                writable = not self._database.writes or await accepts_writes(connection)
        except DATABASE_ERRORS:
            return JSONResponse({"ready": False, "reason": f"database {self._trouble()}"}, 503)
        if not writable:
            return JSONResponse({"ready": False, "reason": "database is read-only"}, 503)
        if revision in self._outdated:
            return JSONResponse({"ready": False, "reason": "migrations pending"}, 503)
        return JSONResponse({"ready": True})

    def _trouble(self) -> str:
        """Returns the reason for a failed check. Checks wait for a connection of the pool like requests do."""
        pool = self._database.pools["work"]
        return "unavailable" if pool.checkedout() < pool.size() else "all connections in use"
