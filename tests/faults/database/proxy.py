"""A proxy in front of PostgreSQL that disconnects when a test tells it to."""

import asyncio
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from db.driver.urls import asyncpg_url


def message(kind: bytes, body: bytes) -> bytes:
    """Encodes a message of PostgreSQL's protocol, see
    https://www.postgresql.org/docs/current/protocol-message-formats.html.
    """
    return kind + (4 + len(body)).to_bytes(4) + body


CANCELED = message(b"E", b"SERROR\0VERROR\0C57014\0Mcanceling statement due to user request\0\0")
IDLE = message(b"Z", b"I")


class Proxy:
    """Forwards between clients and the PostgreSQL server of `url`. Listens on a Unix socket.

    If `cut_after_commit` is set, the next COMMIT is forwarded, but the connection is closed instead of returning its
    response. If `cancel_begin` is set, the next BEGIN is answered as if a late cancel request had hit it. Each happens
    once.
    """

    def __init__(self, url: str) -> None:
        behind = asyncpg_url(url)
        self._behind = f"{behind.query['host']}/.s.PGSQL.{behind.query['port']}"
        self._folder = tempfile.TemporaryDirectory()
        self.url = behind.update_query_dict({"host": self._folder.name}).render_as_string(hide_password=False)
        self._path = str(Path(self._folder.name) / f".s.PGSQL.{behind.query['port']}")
        self.cut_after_commit = False
        self.cancel_begin = False
        self.cuts = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._pass_on, self._path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()
        self._folder.cleanup()

    async def _pass_on(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._behind)
        cutting = asyncio.Event()

        async def ask() -> None:
            while said := await client.read(2**16):
                if self.cut_after_commit and b"COMMIT" in said:
                    self.cut_after_commit = False
                    self.cuts += 1
                    cutting.set()
                if self.cancel_begin and b"BEGIN" in said:
                    self.cancel_begin = False
                    to_client.write(CANCELED + IDLE)
                    await to_client.drain()
                    continue
                to_server.write(said)
                await to_server.drain()

        async def answer() -> None:
            while said := await server.read(2**16):
                if cutting.is_set():
                    return
                to_client.write(said)
                await to_client.drain()

        sides = [asyncio.create_task(ask()), asyncio.create_task(answer())]
        try:
            await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)
            to_client.close()
            to_server.close()
