"""The one place where the server is put together."""

import os
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
        try:
            yield
        finally:
            health.draining = True
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


def app_from_environment() -> Starlette:
    """The server over the database that DATABASE_URL names: what each worker process runs."""
    return create_app(Database(os.environ["DATABASE_URL"]))
