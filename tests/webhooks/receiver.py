"""A receiver of webhooks: a real HTTP server that keeps what it gets and responds as a test wants."""

import asyncio
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.support import PATIENCE_SECONDS

Respond = Callable[[web.Request, "Received"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it arrived."""

    headers: dict[str, str]
    body: str
    path: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.message["data"]


@dataclass
class Receiver:
    """The messages that arrived, in their order. `status` is the response to them, unless `respond` gives another."""

    url: str = ""
    status: int = 200
    respond: Respond | None = None
    got: list[Received] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(headers, await request.text(), request.path)
        async with self.changed:
            self.got.append(received)
            self.changed.notify_all()
        if self.respond is not None:
            return await self.respond(request, received)
        return web.Response(status=self.status)

    async def wait(self, number: int, seconds: float = PATIENCE_SECONDS) -> list[Received]:
        """Waits until this many messages have arrived, and returns all."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: len(self.got) >= number)
        return self.got

    @property
    def types(self) -> list[str]:
        return [each.message["type"] for each in self.got]

    def versions(self) -> dict[str, list[int]]:
        """Returns the versions in the order in which they arrived, by object."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for each in self.got:
            found[each.data["objectId"]].append(each.data["version"])
        return dict(found)

    def verify(self, secret: str) -> None:
        """Asserts that the published library accepts all messages."""
        for each in self.got:
            Webhook(secret).verify(each.body, each.headers)


@asynccontextmanager
async def receiving(*, certificates: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Yields a receiver that listens on a free port of 127.0.0.1."""
    receiver = Receiver()
    app = web.Application(client_max_size=1_000_000)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"{'https' if certificates else 'http'}://127.0.0.1:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
