"""The outermost middleware: observes each request from its first byte to its response, and reports it."""

import asyncio
import logging
import math
from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.driver.errors import is_disk_full
from db.driver.usage import USAGE
from graph.error_codes import ErrorCode
from graph.observability.exchange import EXCHANGE, Exchange, request_id_of

if TYPE_CHECKING:
    from graph.observability.tracing import Tracing

logger = logging.getLogger("billing.requests")

ENDPOINT = "/graphql"
ROUTES = frozenset({ENDPOINT, "/", "/health", "/health/db", "/ready", "/metrics"})

FAILURES = frozenset({ErrorCode.INTERNAL_SERVER_ERROR, ErrorCode.OVERLOADED, ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT})
"""Error codes that are the server's fault, not the client's."""


DISK_FULL_SECONDS = 60
"""Minimum time between two log lines about a full database disk, in seconds."""

SETTLE_SECONDS = 0.1
"""Maximum time until a finished request is logged and counted, in seconds."""


class RequestCounter(Protocol):
    """Counts finished requests."""

    def request(self, exchange: Exchange) -> None: ...


class Backlog:
    """Finished requests that are still to be counted and, with `log_requests`, logged.

    They are handled in batches: handling each one right after its response costs several times as much.
    """

    def __init__(self, *, log_requests: bool, counts: RequestCounter | None) -> None:
        self._log_requests = log_requests
        self._counts = counts
        self._over: list[Exchange] = []

    def add(self, exchange: Exchange) -> None:
        if not self._log_requests and self._counts is None:
            return
        if not self._over:
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self.settle)
        exchange.ended_at = time()
        self._over.append(exchange)

    def settle(self) -> None:
        over, self._over = self._over, []
        for exchange in over:
            if self._log_requests and not exchange.logged:
                log_request(exchange)
            if self._counts is not None:
                self._counts.request(exchange)


def log_request(exchange: Exchange) -> None:
    """Logs a finished request with the time of its end."""
    if not logger.isEnabledFor(logging.INFO):
        return
    record = logger.makeRecord(logger.name, logging.INFO, "", 0, "request", (), None, extra={"facts": facts(exchange)})
    record.created = exchange.ended_at
    current = EXCHANGE.set(exchange)
    try:
        logger.handle(record)
    finally:
        EXCHANGE.reset(current)


class ObservabilityMiddleware:
    """ASGI middleware that reports on all requests.

    Adds the id of the request to the response as `X-Request-Id`, and to each log line in between. Logs operations that
    failed or took longer than `slow_seconds`, and passes each request to the `backlog`. Turns an exception of the
    application into a response with status 500.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        slow_seconds: float,
        backlog: Backlog,
        tracing: "Tracing | None",
    ) -> None:
        self._app = app
        self._slow_seconds = slow_seconds
        self._backlog = backlog
        self._tracing = tracing
        self._said_disk_full_at = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(request_id_of(scope["headers"]), scope["path"] if scope["path"] in ROUTES else "other")
        of_exchange, of_usage = EXCHANGE.set(exchange), USAGE.set(exchange.usage)
        try:
            if self._tracing is None or exchange.route != ENDPOINT:
                await self._answer(exchange, scope, receive, send)
            else:
                with self._tracing.request(scope, exchange):
                    await self._answer(exchange, scope, receive, send)
            self._tell(exchange)
        finally:
            EXCHANGE.reset(of_exchange)
            USAGE.reset(of_usage)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without_traceback(message: Message) -> None:
            # Starlette's message is the full traceback with the exception's text, which uvicorn would log as is.
            await send({name: said for name, said in message.items() if name != "message"})

        try:
            await self._app(scope, receive, send_without_traceback)
        except Exception:
            logger.critical("the server failed", exc_info=True)
            raise

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.answers(message["status"])
                message["headers"].append((b"x-request-id", exchange.request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - any exception is logged here, with the request's id
            exchange.codes.append(ErrorCode.INTERNAL_SERVER_ERROR)
            exchange.fails(error)
            if exchange.status is not None:
                # The client must not take half a response for a complete one, so the connection is closed.
                self._tell(exchange)
                raise ConnectionAbortedError("The response was interrupted.") from None
            await send_failure(exchange, send_with_id)

    def _tell(self, exchange: Exchange) -> None:
        if exchange.status is None:
            # The client has disconnected.
            exchange.seconds = perf_counter() - exchange.began - exchange.reading_seconds
        failed = exchange.failures or not FAILURES.isdisjoint(exchange.codes)
        slow = exchange.route == ENDPOINT and exchange.seconds > self._slow_seconds
        if exchange.failure is not None and is_disk_full(exchange.failure):
            self._tell_disk_full()
        elif failed:
            level = logging.ERROR if ErrorCode.INTERNAL_SERVER_ERROR in exchange.codes else logging.WARNING
            logger.log(level, "operation failed", exc_info=exchange.failure, extra={"facts": facts(exchange)})
        if slow:
            logger.warning("slow operation", extra={"facts": facts(exchange)})
        exchange.logged = bool(failed or slow)
        # The traceback refers to all objects of the failed request, including this exchange.
        exchange.failure = None
        self._backlog.add(exchange)

    def _tell_disk_full(self) -> None:
        now = perf_counter()
        if now - self._said_disk_full_at >= DISK_FULL_SECONDS:
            self._said_disk_full_at = now
            logger.error("the database's disk is full: mutations fail until there is space")


def facts(exchange: Exchange) -> dict[str, Any]:
    """Returns the details of a finished request for its log lines, without its ids, which every line has."""
    found: dict[str, Any] = {
        "route": exchange.route,
        "status": exchange.status,
        "ms": round(1000 * exchange.seconds, 1),
        "rows": exchange.rows,
        "statements": exchange.usage.statements,
        "database_ms": round(1000 * exchange.usage.seconds, 1),
    }
    if exchange.codes:
        found["codes"] = sorted(set(exchange.codes))
    if exchange.refusals:
        found["refusals"] = sorted(set(exchange.refusals))
    if exchange.failures > 1:
        found["failures"] = exchange.failures
    return found


async def send_failure(exchange: Exchange, send: Send) -> None:
    extensions = {"code": ErrorCode.INTERNAL_SERVER_ERROR, "requestId": exchange.request_id}
    body = orjson.dumps({"errors": [{"message": "Internal server error.", "extensions": extensions}]})
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
