"""Requests that are still arriving: the server buffers a limited amount and keeps serving other clients."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice

from cli.incomplete_requests import MAX_INCOMPLETE_BYTES, IncompleteRequests
from tests.cli.conftest import Served
from tests.faults.clients.test_slow_clients import BODY, HEAD, all_it_says, connected, served_meanwhile
from tests.scanners.wire import Usage
from tests.support import PATIENCE_SECONDS

MEGABYTE = 2**20
BODY_BYTES = 250 * 1024
LARGE_BODY = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % BODY_BYTES
) + BODY.rjust(BODY_BYTES)
LARGE_HEAD = (
    b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + b"X: %b\r\n" % (b"y" * 320) * 90 + b"\r\n"
)
CONNECTIONS = 100
SENT_BYTES = MAX_INCOMPLETE_BYTES * 13 // 10
"""Number of bytes of incomplete requests: more than the limit, on fewer connections than a user may have files."""


def test_the_oldest_gives_way() -> None:
    refused = []
    arriving = IncompleteRequests(limit=100)

    def first() -> None:
        refused.append("first")

    def second() -> None:
        refused.append("second")

    arriving.add("a", first, 40)
    arriving.add("a", second, 60)
    assert refused == []
    arriving.add("a", second, 1)
    assert refused == ["first"]
    arriving.add("a", second, 40)
    assert refused == ["first", "second"]


def test_the_client_with_the_most_bytes_gives_way() -> None:
    refused = []
    arriving = IncompleteRequests(limit=100)

    def modest() -> None:
        refused.append("modest")

    def greedy() -> None:
        refused.append("greedy")

    arriving.add("a", modest, 40)
    arriving.add("b", greedy, 60)
    arriving.add("a", modest, 1)
    assert refused == ["greedy"]
    arriving.add("b", greedy, 60)
    assert refused == ["greedy", "greedy"]
    arriving.add("a", modest, 60)
    assert refused == ["greedy", "greedy", "modest"]


def test_what_has_arrived_counts_no_more() -> None:
    refused = []
    arriving = IncompleteRequests(limit=100)

    def first() -> None:
        refused.append("first")

    for _ in range(3):
        arriving.add("a", first, 90)
        arriving.drop("a", first)
    arriving.drop("a", first)

    assert refused == []


async def held(served: Served, request: bytes) -> list[bytes]:
    """Sends more requests than a process buffers, all but the last byte of each. Sends the last bytes once a sixth of
    the requests were refused. Returns the response to each.
    """
    before = Usage.at_rest(served.process.pid)
    count = SENT_BYTES // len(request)
    enough_refused = asyncio.Event()

    async def one() -> bytes:
        async with connected(served) as (reader, writer):
            answering = asyncio.create_task(all_it_says(reader))
            waiting = asyncio.create_task(enough_refused.wait())
            writer.write(request[:-1])
            await asyncio.wait([answering, waiting], return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                writer.write(request[-1:])
            waiting.cancel()
            return await answering

    arriving = [asyncio.create_task(one()) for _ in range(count)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        for refused in islice(asyncio.as_completed(arriving), count // 6):
            await refused
    await served_meanwhile(served)
    assert Usage.of(served.process.pid).grown(before) < 6 * MAX_INCOMPLETE_BYTES
    enough_refused.set()
    return await asyncio.gather(*arriving)


async def test_unfinished_bodies_make_room_for_each_other(served: Served) -> None:
    told = await held(served, LARGE_BODY)

    assert_some_were_refused(told)


async def test_unfinished_heads_make_room_for_each_other(served: Served) -> None:
    told = await held(served, LARGE_HEAD)

    assert_some_were_refused(told)


def assert_some_were_refused(told: list[bytes]) -> None:
    refused = [answer for answer in told if answer.startswith(b"HTTP/1.1 503 ")]
    done = [answer for answer in told if answer.startswith(b"HTTP/1.1 200 ")]
    # The reset of a connection whose body has not been read may overtake its response.
    reset = [answer for answer in told if answer == b""]

    assert len(refused) + len(reset) + len(done) == len(told)
    # Together, they were a third larger than the limit.
    assert len(told) // 6 <= len(refused) + len(reset) < len(told) // 3
    assert refused
    head, _, body = refused[0].partition(b"\r\n\r\n")
    assert b"\r\nretry-after: 1\r\n" in head
    [error] = json.loads(body)["errors"]
    assert error["extensions"]["code"] == "OVERLOADED"


@asynccontextmanager
async def half_a_request(served: Served) -> AsyncIterator[Callable[[], Awaitable[bytes]]]:
    """Sends half of a body. Yields a function that sends the rest and returns the response."""
    async with connected(served) as (reader, writer):
        writer.write(HEAD + BODY[:10])
        await writer.drain()
        await served_meanwhile(served)

        async def finish() -> bytes:
            writer.write(BODY[10:])
            return await reader.readuntil(b"\r\n")

        yield finish


async def test_pipelined_offers_of_another_protocol_count_once(served: Served) -> None:
    offer = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"
    async with half_a_request(served) as finish, connected(served) as (reader, writer):
        writer.write(offer * 1400 + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await all_it_says(reader)).count(b"HTTP/1.1 ") == 1401

        assert await finish() == b"HTTP/1.1 200 OK\r\n"


async def test_a_request_that_is_answered_counts_no_more(served: Served) -> None:
    nowhere = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 262000\r\n\r\n" + b" " * 60_000
    async with AsyncExitStack() as stack, half_a_request(served) as finish:
        for _ in range(3 * MAX_INCOMPLETE_BYTES // len(nowhere) // 2):
            reader, writer = await stack.enter_async_context(connected(served))
            writer.write(nowhere)
            assert b" 404 " in await reader.readuntil(b"\r\n")

        assert await finish() == b"HTTP/1.1 200 OK\r\n"


async def test_pipelined_requests_take_little_memory(served: Served) -> None:
    page = b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n"
    await served_meanwhile(served)
    before = Usage.at_rest(served.process.pid)
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            _, writer = await stack.enter_async_context(connected(served))
            writer.write(page + 850 * b"GET / HTTP/1.1\r\n\r\n")
        await served_meanwhile(served)

        # They were 200 MB when the server parsed 16 KiB at once.
        assert Usage.of(served.process.pid).grown(before) < 100 * MEGABYTE
