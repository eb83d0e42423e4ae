"""The one place where the server is put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route

from db.database import Database
from graph.context import Clock, wall_clock
from graph.health import Health
from graph.http import GraphQLEndpoint
from graph.playground import playground_assets


def create_app(database: Database, *, clock: Clock = wall_clock) -> Starlette:
    """The server over `database`, which it closes in the end. `clock` tells the present instant, in UTC."""
    health = Health(database)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        health.drain_on_signal()
        yield
        await database.close()

    return Starlette(
        routes=[
            Route("/", lambda _request: RedirectResponse("/graphql")),
            Route("/graphql", GraphQLEndpoint(database, clock)),
            playground_assets(),
            *health.routes(),
        ],
        lifespan=lifespan,
    )
