"""Requests that are still arriving: the server buffers a limited amount and keeps serving other clients."""

import asyncio
import json

from cli.incomplete_requests import MAX_ARRIVING_BYTES, IncompleteRequests
from tests.cli.conftest import Served
from tests.faults.clients.test_slow_clients import all_it_says, connected, served_meanwhile
from tests.scanners.wire import Usage

MEGABYTE = 2**20
BODY_BYTES = 250 * 1024
UNFINISHED_BODY = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % BODY_BYTES
) + b" " * (BODY_BYTES - 1)
UNFINISHED_HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: %b\r\n" % (b"y" * 320) * 90
TWICE = 2 * MAX_ARRIVING_BYTES


def test_the_oldest_gives_way() -> None:
    refused = []
    arriving = IncompleteRequests(limit=100)

    def first() -> None:
        refused.append("first")

    def second() -> None:
        refused.append("second")

    arriving.add(first, 40)
    arriving.add(second, 60)
    assert refused == []
    arriving.add(second, 1)
    assert refused == ["first"]
    arriving.add(second, 40)
    assert refused == ["first", "second"]


def test_what_has_arrived_counts_no_more() -> None:
    refused = []
    arriving = IncompleteRequests(limit=100)

    def first() -> None:
        refused.append("first")

    for _ in range(3):
        arriving.add(first, 90)
        arriving.drop(first)
    arriving.drop(first)

    assert refused == []


async def held(served: Served, unfinished: bytes) -> list[bytes]:
    """Sends unfinished requests of twice the size that a process buffers. Returns the response to each."""
    before = Usage.at_rest(served.process.pid)
    count = TWICE // len(unfinished)
    all_sent = asyncio.Barrier(count + 1)

    async def one() -> bytes:
        async with connected(served) as (reader, writer):
            writer.write(unfinished)
            await writer.drain()
            await all_sent.wait()
            return await all_it_says(reader)

    arriving = [asyncio.create_task(one()) for _ in range(count)]
    await all_sent.wait()
    await served_meanwhile(served)
    assert Usage.of(served.process.pid).grown(before) < 6 * MAX_ARRIVING_BYTES
    return await asyncio.gather(*arriving)


async def test_unfinished_bodies_make_room_for_each_other(served: Served) -> None:
    told = await held(served, UNFINISHED_BODY)

    assert_oldest_were_refused(told)


async def test_unfinished_heads_make_room_for_each_other(served: Served) -> None:
    told = await held(served, UNFINISHED_HEAD)

    assert_oldest_were_refused(told)


def assert_oldest_were_refused(told: list[bytes]) -> None:
    refused = [answer for answer in told if answer.startswith(b"HTTP/1.1 503 ")]
    late = [answer for answer in told if answer.startswith(b"HTTP/1.1 408 ")]
    # The reset of a connection whose body has not been read may overtake its response.
    reset = [answer for answer in told if answer == b""]

    assert len(refused) + len(reset) + len(late) == len(told)
    assert len(told) // 3 < len(refused) + len(reset)
    assert refused
    assert late
    head, _, body = refused[0].partition(b"\r\n\r\n")
    assert b"\r\nretry-after: 1\r\n" in head
    [error] = json.loads(body)["errors"]
    assert error["extensions"]["code"] == "OVERLOADED"
