"""Raw clients that break the rules of WebSocket: each gets a response or is disconnected, and nothing is logged."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from tests.support import PATIENCE_SECONDS

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, PING, PONG, CONT = 1, 9, 10, 0
MOST_BYTES = 20_000_000


def upgrade(*headers: str, path: str = "/graphql") -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        *("Host: 127.0.0.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        *(f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Protocol: graphql-transport-ws"),
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(opcode: int, data: bytes = b"", *, fin: bool = True) -> bytes:
    """Returns a masked frame with less than 126 bytes."""
    return struct.pack("!BB", (0x80 if fin else 0) | opcode, 0x80 | len(data)) + bytes(4) + data


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Connection]:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def shaken(address: str) -> AsyncIterator[Connection]:
    """Opens a WebSocket."""
    async with opened(address) as (reader, writer):
        writer.write(upgrade())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Reads until the server closes the connection."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


@pytest.mark.parametrize(
    "request_",
    [
        upgrade("X-Long: " + "a" * 9_000),
        upgrade(path="/graphql?" + "a" * 9_000),
        upgrade("Content-Length: 5") + b"hello",
        upgrade("Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ],
    ids=["long header", "long query", "body", "chunked body"],
)
async def test_an_upgrade_that_cannot_be_read_is_rejected_at_once(
    address: str, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(address) as (reader, writer):
        writer.write(request_)
        assert (await rest(reader)).startswith(b"HTTP/1.1 4")

    assert errors(caplog) == []


@pytest.mark.parametrize(
    "early",
    [
        b"\x81\x05hello",
        b"\xf1\x80\x00\x00\x00\x00",
        b"\x83\x80\x00\x00\x00\x00",
        frame(CONT),
        frame(TEXT, b"\xff\xfe"),
        b"\x89\xfe\x00\x7e" + bytes(130),
        b"\x81\xff" + b"\xff" * 12,
    ],
)
async def test_frames_before_the_handshake_and_illegal_ones_after_it_end_the_connection(
    address: str, early: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(address) as (reader, writer):
        writer.write(upgrade())
        await writer.drain()
        writer.write(early)
        await rest(reader)
    async with shaken(address) as (reader, writer):
        writer.write(early)
        await rest(reader)

    assert errors(caplog) == []


@pytest.mark.parametrize("endless", [CONT, PING, PONG])
async def test_endless_small_frames_end_the_connection_and_delay_nobody(
    address: str, endless: int, caplog: pytest.LogCaptureFixture
) -> None:
    flood = frame(endless, fin=endless != CONT) * 20_000
    sent = 0
    async with shaken(address) as (reader, writer):
        if endless == CONT:
            writer.write(frame(TEXT, fin=False))
        reading = asyncio.create_task(rest(reader))
        with suppress(ConnectionError, TimeoutError):
            while not reading.done() and sent < MOST_BYTES:
                writer.write(flood)
                sent += len(flood)
                async with asyncio.timeout(1):
                    await writer.drain()
        closing = await reading
    async with httpx.AsyncClient(base_url=f"http://{address}") as http:
        assert (await http.get("/health")).status_code == 200

    assert sent < MOST_BYTES
    # The reset may overtake the close frame.
    assert closing == b"" or struct.pack("!H", 1008) in closing
    assert errors(caplog) == []


async def test_a_few_small_frames_are_fine(address: str) -> None:
    message = b'{"type":"ping"}'
    parts = frame(TEXT, message[:4], fin=False) + frame(CONT, message[4:8], fin=False) + frame(CONT, message[8:])
    async with shaken(address) as (reader, writer):
        for _ in range(3):
            writer.write(frame(PING, b"1234") + frame(PONG))
        writer.write(parts)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # A connection that is not initialised yet answers pings of the protocol too.
            assert b'{"type":"pong"}' in await reader.readuntil(b"}")
