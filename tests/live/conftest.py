"""A server on a real socket, and clients for its streams."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from cli.bounded_websocket import BoundedWebSocket
from cli.slow_clients import BoundedProtocol
from db.database import Database
from graph.server import feed_watch
from graph.server.app import create_app
from graph.server.websocket import MAX_MESSAGE_BYTES, PROTOCOL
from graph.settings import Settings
from tests.support import PATIENCE_SECONDS, Api, TestClock, live_of, patient

EVENTS = """
    subscription ($after: String, $filter: EventFilter) {
      events(after: $after, filter: $filter) { cursor node { type version objectId object { __typename id } } }
    }
"""


@asynccontextmanager
async def listening(
    database: Database, clock: TestClock, settings: Settings, *, send_buffer: int | None = None
) -> AsyncIterator[str]:
    """Yields the address, such as `127.0.0.1:12345`, of a server as `billing serve` runs it, with metrics.

    `send_buffer` is the size of the system's buffers for what clients have not received yet, in bytes.
    """
    app = create_app(database, settings=replace(patient(settings), metrics=True), clock=clock)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        http=BoundedProtocol,
        ws=BoundedWebSocket,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_timeout=PATIENCE_SECONDS,
        timeout_graceful_shutdown=5,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    watching = asyncio.create_task(live_of(app).run())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        watching.cancel()


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_watch, "POLL_SECONDS", 0.02)


@pytest.fixture
async def address(database: Database, clock: TestClock) -> AsyncIterator[str]:
    async with listening(database, clock, Settings()) as found:
        yield found


@pytest.fixture
async def api(address: str) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as client:
        yield Api(client)


async def caught_up(address: str, streams: int = 1, *, token: str | None = None) -> None:
    """Waits until this number of streams get events as they appear. A stream without `after` starts at that moment."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        httpx.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=PATIENCE_SECONDS) as client,
    ):
        while f"billing_live_streams {streams:.1f}\n" not in (await client.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Client:
    """A client of the protocol graphql-transport-ws."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def next(self) -> Any:
        """Returns the next message, except pings."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = json.loads(await self.socket.recv())
                if message["type"] != "ping":
                    return message

    async def begin(self, **payload: Any) -> None:
        await self.send({"type": "connection_init", "payload": payload})
        assert await self.next() == {"type": "connection_ack"}

    async def subscribe(self, id_: str = "1", query: str = EVENTS, **variables: Any) -> None:
        await self.send({"id": id_, "type": "subscribe", "payload": {"query": query, "variables": variables}})

    async def event(self) -> Any:
        """Returns the edge of the next event."""
        message = await self.next()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]["events"]

    async def closed(self) -> tuple[int | None, str | None]:
        """Reads until the server has closed the connection. Returns the code and the reason."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        return self.socket.close_code, self.socket.close_reason


@asynccontextmanager
async def connected(address: str, **options: Any) -> AsyncIterator[Client]:
    """Yields a client whose connection is open, but not initialised."""
    # The server need not answer the pings of a client that does not read.
    options = {"subprotocols": [PROTOCOL], "compression": None, "ping_interval": None, **options}
    async with connect(f"ws://{address}/graphql", **options) as connection:
        yield Client(connection)


@asynccontextmanager
async def streaming(address: str, query: str = EVENTS, **variables: Any) -> AsyncIterator[AsyncIterator[Any]]:
    """Yields the results of a subscription by server-sent events."""
    headers = {"Accept": "text/event-stream"}
    body = {"query": query, "variables": variables}
    async with (
        httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as client,
        client.stream("POST", "/graphql", json=body, headers=headers) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield results(response)


async def results(response: httpx.Response) -> AsyncIterator[Any]:
    """Yields the payload of each `next`, and ends with `complete`."""
    kind = None
    with suppress(httpx.RemoteProtocolError):
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
                if kind == "complete":
                    return
            elif line.startswith("data: ") and kind == "next":
                yield json.loads(line.removeprefix("data: "))
