"""The endpoint `/metrics` for Prometheus."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from hashlib import sha256

from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from billing.enums import ApiKeyScope, WebhookEndpointStatus
from db.database import Database
from db.queries.renewals import waiting_renewals
from db.queries.webhooks import LAGS
from graph.error_codes import ErrorCode
from graph.observability.metrics import CONTENT_TYPE, DatabaseMetrics, Metrics
from graph.observability.middleware import Backlog
from graph.schema.fields.access import Access
from graph.schema.fields.context import Clock
from graph.server.health import DATABASE_ERRORS
from graph.server.requests import JSON, Refusal
from graph.server.responses import refusal_response

FIGURES_SECONDS = 2
"""Timeout for reading metrics from the database, in seconds."""

SCRAPERS = 10
"""Number of recent Authorization headers that are still accepted while the database is unavailable."""


class MetricsEndpoint:
    """Serves metrics to everyone with read access to the API, because metrics reveal how much is billed.

    Clients admitted before are admitted while the database is unavailable: that is when the metrics are needed.
    """

    def __init__(
        self,
        metrics: Metrics,
        backlog: Backlog,
        database: Database,
        clock: Clock,
        admit: Callable[[Request], Awaitable[Access]],
    ) -> None:
        self._metrics = metrics
        self._backlog = backlog
        self._database = database
        self._clock = clock
        self._admit = admit
        self._known: deque[bytes] = deque(maxlen=SCRAPERS)

    async def answer(self, request: Request) -> Response:
        header = sha256(request.headers.get("authorization", "").encode()).digest()
        try:
            access = await self._admit(request)
            access.require(ApiKeyScope.READ)
        except Refusal as refusal:
            if refusal.code is not ErrorCode.UNAVAILABLE or header not in self._known:
                return refusal_response(refusal, JSON)
            return self._scraped(None)
        except GraphQLError as error:
            return refusal_response(Refusal(403, error.message, code=ErrorCode.FORBIDDEN), JSON)
        if header not in self._known:
            self._known.append(header)
        return self._scraped(await self._figures())

    def _scraped(self, figures: DatabaseMetrics | None) -> Response:
        self._backlog.settle()
        return Response(self._metrics.text(figures), media_type=CONTENT_TYPE)

    async def _figures(self) -> DatabaseMetrics | None:
        try:
            async with asyncio.timeout(FIGURES_SECONDS), self._database.sessions() as session:
                holds, due_at = await waiting_renewals(session)
                webhooks = [(row.id, row.status, row.since) for row in await session.execute(LAGS)]
        except (TimeoutError, *DATABASE_ERRORS):
            return None
        waiting = {id_: since for id_, status, since in webhooks if status == WebhookEndpointStatus.ENABLED}
        return DatabaseMetrics(holds, due_at, waiting, len(webhooks) - len(waiting), self._clock())
