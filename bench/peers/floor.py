"""The floor: one SQL statement for each operation, whose JSON from PostgreSQL is passed through. No GraphQL.

`POST /nested` takes the variables as its body. The statements are the files in `floor/`.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

POOL_SIZE = 10
STATEMENTS = {file.stem: file.read_text() for file in Path(__file__).with_name("floor").glob("*.sql")}
ARGUMENTS = {"one": ("id",), "subscribe": ("customer", "plan")}
"""Variables that are ids, by operation. All other operations have one number, `first`."""


async def answer(request: Request) -> Response:
    name: str = request.path_params["name"]
    variables: dict[str, Any] = json.loads(await request.body())
    arguments = [UUID(variables[key]) for key in ARGUMENTS[name]] if name in ARGUMENTS else [variables["first"]]
    pool: asyncpg.Pool[asyncpg.Record] = request.app.state.pool
    async with pool.acquire() as connection:
        document: str = await connection.fetchval(STATEMENTS[name], *arguments)
    return Response('{"data":' + document + "}", media_type="application/json")


async def keep_as_is(_connection: object) -> None:
    """Skips asyncpg's reset of returned connections, because the statements leave no state behind."""


@asynccontextmanager
async def pooled(app: Starlette) -> AsyncIterator[None]:
    # asyncpg reads the address from PGHOST, PGPORT, PGUSER and PGDATABASE.
    async with asyncpg.create_pool(
        min_size=POOL_SIZE, max_size=POOL_SIZE, reset=keep_as_is, server_settings={"timezone": "UTC"}
    ) as pool:
        app.state.pool = pool
        yield


app = Starlette(routes=[Route("/{name}", answer, methods=["POST"])], lifespan=pooled)
