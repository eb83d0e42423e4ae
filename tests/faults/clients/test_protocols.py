"""Clients that offer another protocol or send a body in an unsupported transfer coding."""

import asyncio

import pytest

from tests.cli.conftest import Served
from tests.faults.clients.test_large_messages import CHUNKED, FIELD, LEFT
from tests.faults.clients.test_slow_clients import BODY, HEAD, all_it_says, connected
from tests.scanners.wire import exchange

LAST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
"""Headers as sent by curl and by Java's HTTP client."""

WEB_SOCKET = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)
OFFERS = pytest.mark.parametrize("offer", [H2C, WEB_SOCKET], ids=["HTTP/2", "a web socket"])


def statuses(said: bytes) -> list[int]:
    return [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]


@OFFERS
@pytest.mark.parametrize("in_pieces", [False, True], ids=["at once", "head and body"])
@pytest.mark.parametrize("body", [BODY, b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)], ids=["a length", "chunks"])
async def test_a_query_that_offers_another_protocol_is_answered(
    served: Served, offer: bytes, body: bytes, *, in_pieces: bool
) -> None:
    logged = served.said.read_text()
    head = (HEAD if body is BODY else CHUNKED)[:-2] + offer + b"\r\n"
    async with connected(served) as (reader, writer):
        writer.write(head if in_pieces else head + body + LAST)
        if in_pieces:
            # By the time it responds on another connection, the server has read the head.
            assert (await asyncio.to_thread(exchange, served.url, LAST)).status == 200
            writer.write(body + LAST)
        said = await all_it_says(reader)

    assert statuses(said) == [200, 200]
    assert b'"totalCount":0' in said
    assert served.said.read_text() == logged


@OFFERS
async def test_the_body_of_a_request_that_offers_another_protocol_is_no_request(served: Served, offer: bytes) -> None:
    head = HEAD.replace(b"%d" % len(BODY), b"%d" % len(SMUGGLED))[:-2] + offer + b"\r\n"
    async with connected(served) as (reader, writer):
        writer.write(head + SMUGGLED + LAST)
        said = await all_it_says(reader)

    assert statuses(said) == [400, 200], "it is no JSON"


@OFFERS
async def test_requests_without_a_body_offer_another_protocol_in_a_row(served: Served, offer: bytes) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + offer + b"\r\n"
    async with connected(served) as (reader, writer):
        writer.write(request * 3 + LAST)
        said = await all_it_says(reader)

    assert statuses(said) == [200] * 4


async def test_an_offer_by_the_previous_version(served: Served) -> None:
    answer = exchange(served.url, (HEAD[:-2] + H2C + b"\r\n").replace(b"HTTP/1.1", b"HTTP/1.0") + BODY)

    assert (answer.status, answer.document["data"]) == (200, {"customers": {"totalCount": 0}})


def test_the_limits_hold_beside_an_offer(served: Served) -> None:
    fields = FIELD * (LEFT - H2C.count(b": "))

    assert exchange(served.url, HEAD[:-2] + H2C + fields + b"\r\n" + BODY + LAST).status == 200
    assert exchange(served.url, HEAD[:-2] + H2C + fields + FIELD + b"\r\n" + BODY + LAST).status == 431


def test_a_tunnel_is_refused(served: Served) -> None:
    """The bytes that follow are meant for the other end of a tunnel and must not be parsed as a request."""
    answer = exchange(served.url, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n" + SMUGGLED)

    assert answer.status == 501
    assert answer.document["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert b"HTTP/1.1 " not in answer.body


@pytest.mark.parametrize(
    ("codings", "status"),
    [
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
        (b"Transfer-Encoding: chunked, chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked, gzip\r\n", 400),
    ],
)
def test_a_body_in_another_coding_is_refused(served: Served, codings: bytes, status: int) -> None:
    """Neither the body nor a request behind it can be parsed safely: RFC 9112, section 6.1."""
    answer = exchange(served.url, CHUNKED.replace(b"Transfer-Encoding: chunked\r\n", codings) + b"0\r\n\r\n" + SMUGGLED)

    assert answer.status == status
    assert "connection: close" in answer.headers
    assert b"HTTP/1.1 " not in answer.body
