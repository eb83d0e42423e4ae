"""Clients that send too much besides the body of a request: the server discards it and disconnects them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Served
from tests.faults.clients.test_slow_clients import (
    BODY,
    HEAD,
    all_it_says,
    connected,
    served_meanwhile,
)
from tests.scanners.wire import Usage, exchange
from tests.support import PATIENCE_SECONDS

MEGABYTE = 2**20
FLOOD_BYTES = 24 * MEGABYTE
MOST_MEMORY = 24 * MEGABYTE

CHUNKED = HEAD.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked")
WITH_BODY = CHUNKED + b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
WRONG_KEY = b"Authorization: Bearer x\r\n"

FIELD = b"X: y\r\n"
EXTENDED = b"1;%b\r\n \r\n" % (b"e" * 10_000)
"""A chunk of one byte with a very long chunk extension."""

ENDLESS = {
    "trailer fields": (WITH_BODY, b"X: y\r\n"),
    "a trailer field": (WITH_BODY + b"X: ", b"y"),
    "the extension of a chunk": (CHUNKED + b"1a;", b"y"),
    "the extensions of many chunks": (CHUNKED, EXTENDED),
    "header fields": (HEAD[:-2], b"X: y\r\n"),
    "a target": (b"GET /", b"y"),
}


@asynccontextmanager
async def keeping_little(served: Served) -> AsyncIterator[None]:
    """Asserts that the server buffers little of what the block sends, and that it is healthy afterwards."""
    before = Usage.at_rest(served.process.pid)
    yield
    assert Usage.at_rest(served.process.pid).grown(before) < MOST_MEMORY
    await served_meanwhile(served)
    assert "Traceback" not in served.said.read_text()


async def flood(writer: asyncio.StreamWriter, piece: bytes) -> bool:
    """Sends `piece` repeatedly while the server accepts it. Returns True if everything was accepted."""
    pieces = piece * (65536 // len(piece))
    try:
        for _ in range(FLOOD_BYTES // len(pieces)):
            writer.write(pieces)
            await writer.drain()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize(("start", "piece"), ENDLESS.values(), ids=ENDLESS)
async def test_what_is_around_a_body_is_limited(served: Served, start: bytes, piece: bytes) -> None:
    async with keeping_little(served):
        answer = await asyncio.to_thread(exchange, served.url, start + piece * (FLOOD_BYTES // len(piece)))

    assert answer.status == 431
    assert answer.document["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


LEFT = 100 - HEAD.count(b": ")
"""Number of fields that still fit into the head."""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD[:-2] + FIELD * LEFT + b"\r\n" + BODY, 200),
        (HEAD[:-2] + FIELD * (LEFT + 1) + b"\r\n" + BODY, 431),
        (WITH_BODY + FIELD * 100 + b"\r\n", 200),
        (WITH_BODY + FIELD * 101 + b"\r\n", 431),
        (HEAD[:-2] + b"X: %b\r\n\r\n" % (b"y" * 31 * 1024) + BODY, 200),
        (HEAD[:-2] + b"X: %b\r\n\r\n" % (b"y" * 65 * 1024) + BODY, 431),
        (CHUNKED + EXTENDED * 3 + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), 200),
        (CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY + b" " * 100_000) + b"0\r\n\r\n", 200),
    ],
    ids=[
        *("100 fields", "101 fields", "100 trailer fields", "101 trailer fields"),
        *("31 KiB", "65 KiB", "three extensions of 10 KB", "100 000 chunks of a byte"),
    ],
)
async def test_requests_near_the_limits(served: Served, request_: bytes, status: int) -> None:
    async with connected(served) as (reader, writer):
        writer.write(request_ + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        said = await all_it_says(reader)

    # The server closes the connection after a rejection.
    assert [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]] == ([200, 200] if status == 200 else [status])


async def test_a_bad_request_behind_a_good_one_is_refused_after_it_is_answered(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(HEAD + BODY + HEAD[:-2] + FIELD * 101)
        said = await all_it_says(reader)

    first, _, second = said.partition(b'"totalCount":0')
    assert first.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 431 " in second


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (WITH_BODY.replace(b"\r\n\r\n", b"\r\n" + WRONG_KEY + b"\r\n", 1), b"X: y\r\n"),
        (HEAD.replace(b"Length: %d\r\n" % len(BODY), b"Length: %d\r\n" % FLOOD_BYTES + WRONG_KEY), b"y"),
    ],
    ids=["trailer fields", "a body"],
)
async def test_the_rest_of_a_request_that_is_answered_is_limited(served: Served, start: bytes, piece: bytes) -> None:
    async with keeping_little(served), connected(served) as (reader, writer):
        writer.write(start)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await reader.readuntil(b"UNAUTHENTICATED")).startswith(b"HTTP/1.1 401 ")
        flooding = asyncio.create_task(flood(writer, piece))
        assert b"HTTP/1.1 " not in await all_it_says(reader)
        assert not await flooding, "all of it was read"


async def test_the_rest_of_a_small_request_that_is_answered_is_no_request(served: Served) -> None:
    """The connection stays open: a client that sends its request in pieces can send another one."""
    head = HEAD.replace(b"Length: %d\r\n" % len(BODY), b"Length: 50000\r\n" + WRONG_KEY)
    async with connected(served) as (reader, writer):
        writer.write(head)
        assert (await reader.readuntil(b"UNAUTHENTICATED")).startswith(b"HTTP/1.1 401 ")
        writer.write(b"y" * 50_000 + HEAD + BODY)
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = await reader.readuntil(b'"totalCount":0')

    assert said.count(b"HTTP/1.1 200 ") == 1


async def test_requests_that_nobody_has_answered_yet_are_not_all_kept(served: Served) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with keeping_little(served), connected(served) as (reader, writer):
        flooding = asyncio.create_task(flood(writer, request))
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(10_000):
                assert await reader.readuntil(b"\r\n\r\n")
        flooding.cancel()


async def test_pipelined_requests_are_answered_in_their_order(served: Served) -> None:
    count = 300
    requests = b"".join(
        (HEAD + BODY, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n)[
            n % 3
        ]
        for n in range(count)
    )
    async with connected(served) as (reader, writer):
        writer.write(requests + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        said = await all_it_says(reader)

    statuses = [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [(b"200", b"200", b"404")[n % 3] for n in range(count)] + [b"200"]


async def test_a_trailer_field_is_no_header(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(WITH_BODY + WRONG_KEY + b"\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = await reader.readuntil(b'"totalCount":0')

    assert said.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (HEAD[:-2] + FIELD * 101, 431),
        (HEAD[:-2] + WRONG_KEY + b"Connection: close\r\n\r\n", 401),
        (HEAD.replace(b"Content-Length", b"Connection: close\r\nContent-Length: 99999999\r\nX-Length"), 413),
    ],
    ids=["too large a head", "a wrong key", "too large a body"],
)
async def test_a_client_that_still_sends_reads_why_it_is_rejected(served: Served, start: bytes, status: int) -> None:
    """Closing a connection while its client sends resets it, and the client loses what it has not read."""
    address = urlsplit(served.url)

    def exchanged() -> bytes:
        with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(start)
            connection.recv(1, socket.MSG_PEEK)
            for _ in range(3):
                connection.sendall(b"y" * 1000)
                time.sleep(0.1)
            return b"".join(iter(partial(connection.recv, 65536), b""))

    said = await asyncio.to_thread(exchanged)

    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert said.endswith(b"}")


async def test_a_rejected_client_that_does_not_close_its_connection_is_disconnected(hasty: Served) -> None:
    async with connected(hasty) as (reader, writer):
        writer.write(HEAD[:-2] + FIELD * 101)
        assert b"HTTP/1.1 431 " in await all_it_says(reader)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionError):
                while True:
                    writer.write(b"y")
                    await writer.drain()
                    await asyncio.sleep(0.1)
