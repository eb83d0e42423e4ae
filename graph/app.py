"""The one place where the server is put together."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import Route

from billing.runs import renew_forever
from db.database import CLOSE_SECONDS, Database
from graph.context import Clock, wall_clock
from graph.health import Health
from graph.http import GraphQLEndpoint
from graph.playground import playground_assets
from graph.settings import Settings


def create_app(
    database: Database,
    *,
    settings: Settings | None = None,
    clock: Clock = wall_clock,
    renew_every: float | None = None,
) -> Starlette:
    """The server over `database`, which it closes in the end. `clock` tells the present instant, in UTC.

    While it runs, it bills what is due every `renew_every` seconds; never, where that is None. Raises
    `TrustedDocumentsError`.
    """
    settings = settings or Settings()
    health = Health(database)

    async def renew_while_serving() -> None:
        if renew_every is not None:
            await renew_forever(database, clock, every_seconds=renew_every)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        health.drain_on_signal()
        renewals = asyncio.create_task(renew_while_serving())
        yield
        renewals.cancel()
        # A run that is broken off still writes down how far it came, if the database lets it.
        await asyncio.wait((renewals,), timeout=CLOSE_SECONDS)
        await database.close()

    return Starlette(
        routes=[
            Route("/", lambda _request: RedirectResponse("/graphql")),
            Route("/graphql", GraphQLEndpoint(database, clock, settings)),
            playground_assets(),
            *health.routes(),
        ],
        middleware=[cross_origin(settings.cors_origins)] if settings.cors_origins else [],
        lifespan=lifespan,
    )


def cross_origin(origins: Sequence[str]) -> Middleware:
    """Lets pages of these origins send requests with a token, and read the answers."""
    return Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "GraphQL-Require-Preflight"],
        expose_headers=["Retry-After"],
        max_age=600,
    )
