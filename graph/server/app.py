"""Assembles the server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from db.database import CLOSE_SECONDS, Database
from graph.observability.live_counts import LiveCounts
from graph.observability.middleware import Backlog, ObservabilityMiddleware
from graph.schema.fields.context import Clock
from graph.server.dashboard import dashboard_routes
from graph.server.descriptors import watch_descriptors
from graph.server.health import Health
from graph.server.http import GraphQLEndpoint
from graph.server.playground import playground_assets
from graph.server.security import SecuredStarlette
from graph.settings import Settings
from services.settings import NO_THROTTLE, RunThrottle
from services.ticks import tick_forever
from services.webhooks import STOP_SECONDS

if TYPE_CHECKING:
    from graph.observability.metrics import Metrics
    from graph.observability.tracing import Tracing

logger = logging.getLogger("billing.observability")


def wall_clock() -> datetime:
    return datetime.now(UTC)


def create_app(
    database: Database,
    *,
    settings: Settings | None = None,
    clock: Clock = wall_clock,
    renew_every: float | None = None,
    throttle: RunThrottle = NO_THROTTLE,
    deliver: bool = False,
    tracing: "Tracing | None" = None,
) -> Starlette:
    """Creates the server. Closes `database` and `tracing` on shutdown. `clock` returns the current time in UTC.

    While it runs, it bills what is due every `renew_every` seconds, within the limits of `throttle`; never if
    `renew_every` is None. With `deliver`, it delivers webhooks. Raises `TrustedDocumentsError`.
    """
    settings = settings or Settings()
    health = Health(database)
    graphql = GraphQLEndpoint(database, clock, settings)
    metrics = metrics_of(database, graphql.live.counts) if settings.metrics else None
    listeners = {} if metrics is None else {"on_tick": metrics.renewed}
    backlog = Backlog(log_requests=settings.log_requests, counts=metrics)

    async def renew_while_serving() -> None:
        if renew_every is not None:
            await tick_forever(database, clock, every_seconds=renew_every, throttle=throttle, **listeners)

    async def deliver_while_serving() -> None:
        if not deliver:
            return
        # Imported only if it is needed: aiohttp is large.
        from services.webhooks.sending import Sender
        from services.webhooks.worker import deliver_forever

        attempted = {} if metrics is None else {"on_attempt": metrics.attempted}
        async with Sender(private_targets=settings.webhook_private_targets) as sender:
            await deliver_forever(database, clock, sender, **attempted)

    async def record_metrics() -> None:
        # `/metrics` may be served by another worker, which only sees what this one has recorded.
        while metrics is not None:
            try:
                metrics.look()
            except Exception:
                logger.exception("cannot record the metrics of connections and streams")
            await asyncio.sleep(1)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        health.drain_on_signal()
        background = [
            asyncio.create_task(watching)
            for watching in (
                *(renew_while_serving(), deliver_while_serving(), graphql.live.run()),
                *(record_metrics(), watch_descriptors()),
            )
        ]
        yield
        for task in background:
            task.cancel()
        # A canceled renewal run still records its progress, if the database responds. Webhooks finish their attempts.
        await asyncio.wait(background, timeout=CLOSE_SECONDS + STOP_SECONDS)
        backlog.settle()
        closing = [database.close()] if tracing is None else [database.close(), tracing.close()]
        await asyncio.gather(*closing)

    routes = [
        *dashboard_routes(),
        Route("/graphql", graphql),
        WebSocketRoute("/graphql", graphql.websocket),
        playground_assets(),
        *health.routes(),
    ]
    if metrics is not None:
        from graph.server.metrics_endpoint import MetricsEndpoint

        routes.append(Route("/metrics", MetricsEndpoint(metrics, backlog, database, clock, graphql.admit).answer))
    observed = Middleware(
        ObservabilityMiddleware,
        slow_seconds=settings.slow_ms / 1000,
        backlog=backlog,
        tracing=tracing,
    )
    cors = [cross_origin(settings.cors_origins, settings.cors_headers)] if settings.cors_origins else []
    return SecuredStarlette(
        hsts_seconds=settings.hsts_seconds, routes=routes, middleware=[observed, *cors], lifespan=lifespan
    )


def metrics_of(database: Database, live: LiveCounts) -> "Metrics":
    # Imported only if metrics are on: prometheus-client is large, and reads the workers' folder when it is imported.
    from graph.observability.metrics import Metrics

    return Metrics(database, live)


CROSS_ORIGIN_HEADERS = (
    *("Authorization", "Content-Type", "GraphQL-Require-Preflight", "X-Request-Id"),
    *(
        "Apollo-Require-Preflight",
        "X-Apollo-Operation-Name",
        "ApolloGraphQL-Client-Name",
        "ApolloGraphQL-Client-Version",
    ),
    *("traceparent", "tracestate", "baggage", "sentry-trace"),
)
"""Headers sent by browser clients: those of our docs, of client libraries and of monitoring tools."""


def cross_origin(origins: Sequence[str], more_headers: Sequence[str]) -> Middleware:
    """Allows pages of these origins to send requests with a token and `more_headers`, and to read the responses."""
    return Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=[*CROSS_ORIGIN_HEADERS, *more_headers],
        expose_headers=["Retry-After", "X-Request-Id"],
        max_age=600,
    )
