"""Clients that send nothing, send slowly, or do not read their response: they are disconnected after a timeout, and
other clients are served meanwhile.
"""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
import uvloop
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from cli.slow_clients import CONNECTION_CHECK_SECONDS, BoundedProtocol
from tests.cli.conftest import Served
from tests.faults.processes import paused
from tests.support import PATIENCE_SECONDS

CONNECTIONS = 1000
ESTABLISHED = "01"
ANSWERS = 300

BODY = json.dumps({"query": "{ customers { totalCount } }"}).encode()
HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
)

Client: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(served: Served) -> AsyncIterator[Client]:
    address = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def all_it_says(reader: asyncio.StreamReader) -> bytes:
    """Returns everything the server sends until it closes the connection."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def drip(writer: asyncio.StreamWriter, pieces: bytes) -> None:
    """Sends one byte every tenth of a second until the server disconnects."""
    try:
        for piece in pieces:
            writer.write(bytes([piece]))
            await writer.drain()
            await asyncio.sleep(0.1)
    except ConnectionError:
        return


async def served_meanwhile(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as client:
        answer = await client.post("/graphql", content=BODY, headers={"content-type": "application/json"})
        assert answer.json()["data"] == {"customers": {"totalCount": 0}}


async def test_a_silent_client(hasty: Served) -> None:
    async with connected(hasty) as (reader, _):
        assert await all_it_says(reader) == b""


@pytest.mark.parametrize("sent", [HEAD[:40], HEAD, HEAD + BODY[:10]], ids=["half a head", "a head", "half a body"])
async def test_a_client_that_stops_in_the_middle(hasty: Served, sent: bytes) -> None:
    async with connected(hasty) as (reader, writer):
        writer.write(sent)
        said = await all_it_says(reader)

    assert said.startswith(b"HTTP/1.1 408 ")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["errors"][0]["extensions"]["code"] == "TIMEOUT"
    await served_meanwhile(hasty)
    assert "Traceback" not in hasty.said.read_text()


@pytest.mark.parametrize("taken", [0, 40, len(HEAD)], ids=["a request", "the rest of a head", "a body"])
async def test_a_client_that_sends_a_byte_now_and_then(hasty: Served, taken: int) -> None:
    request = HEAD + b" " * 500 + BODY
    async with connected(hasty) as (reader, writer):
        writer.write(request[:taken])
        dripping = asyncio.create_task(drip(writer, request[taken:]))
        said = await all_it_says(reader)
        dripping.cancel()

    assert said.startswith(b"HTTP/1.1 408 ")


async def test_a_second_request_that_stops_in_the_middle(hasty: Served) -> None:
    async with connected(hasty) as (reader, writer):
        writer.write(HEAD + BODY)
        assert await reader.readuntil(b'"totalCount":0')
        writer.write(HEAD[:40])
        said = await all_it_says(reader)

    assert b"HTTP/1.1 408 " in said


async def test_line_ends_are_no_request(hasty: Served) -> None:
    async with connected(hasty) as (reader, writer):
        writer.write(HEAD + BODY)
        dripping = asyncio.create_task(drip(writer, b"\r\n" * 500))
        said = await all_it_says(reader)
        dripping.cancel()

    assert said.startswith(b"HTTP/1.1 200 ")


async def test_a_head_without_end(served: Served) -> None:
    async with connected(served) as (reader, writer):
        writer.write(HEAD[:-2] + b"X-Long: ")
        flood = asyncio.create_task(flooded(writer))
        said = await all_it_says(reader)
        flood.cancel()
        # The response arrives while the client still sends, and may be lost with the connection.
        await asyncio.gather(flood, return_exceptions=True)

    assert said[:12] in (b"", b"HTTP/1.1 431"), "it was ended for its size"
    await served_meanwhile(served)


@asynccontextmanager
async def spoken(app: ASGIApp, *received: bytes) -> AsyncIterator[tuple[BoundedProtocol, socket.socket]]:
    """Serves one connection in this process. Yields the server's protocol and the client's end of the connection, on
    which `received` has been sent.
    """
    config = uvicorn.Config(app, http=BoundedProtocol, lifespan="off", log_config=None)
    config.load()
    servers_end, clients_end = socket.socketpair()
    with clients_end:
        clients_end.sendall(b"".join(received))
        transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(
            lambda: BoundedProtocol(config=config, server_state=ServerState(), app_state={}), servers_end
        )
        clients_end.setblocking(False)
        yield protocol, clients_end
        transport.abort()


async def test_a_head_that_begins_behind_a_large_body() -> None:
    """The server receives both in one piece, as happens with a client that pipelines requests."""
    body = b"a" * 100_000
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with spoken(length_of_body, request, request[:20]) as (_, clients_end):
        reader, writer = await asyncio.open_connection(sock=clients_end)
        async with asyncio.timeout(PATIENCE_SECONDS):
            first = await reader.readuntil(b"100000")
            writer.write(request[20:])
            second = await reader.readuntil(b"100000")
        writer.close()

    assert [answer[:12] for answer in (first, second)] == [b"HTTP/1.1 200"] * 2


def test_what_arrives_while_the_server_is_stalled_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "read_timeout_seconds", 2 * CONNECTION_CHECK_SECONDS)

    async def answer() -> bytes:
        loop = asyncio.get_running_loop()
        async with spoken(length_of_body, HEAD) as (protocol, clients_end), asyncio.timeout(PATIENCE_SECONDS):

            class Stall(asyncio.Protocol):
                """Another connection, with work that takes longer than the timeout. The body arrives meanwhile."""

                def data_received(self, _: bytes) -> None:
                    clients_end.sendall(BODY)
                    time.sleep(3 * CONNECTION_CHECK_SECONDS)

            while protocol._waits_for != ("body", protocol.cycle):  # noqa: ASYNC110 - it has no event for this
                await asyncio.sleep(0.01)
            servers_end, other_clients_end = socket.socketpair()
            with other_clients_end:
                transport, _ = await loop.connect_accepted_socket(Stall, servers_end)
                other_clients_end.sendall(b"x")
                answer = await loop.sock_recv(clients_end, 4096)
                transport.abort()
            return answer

    # As in production. Python's own loop reads what has arrived before it looks at timers.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(answer())[:12] == b"HTTP/1.1 200"


async def test_a_body_that_the_application_does_not_take_is_not_late() -> None:
    takes = asyncio.Event()

    async def take_later(scope: Scope, receive: Receive, send: Send) -> None:
        await takes.wait()
        await length_of_body(scope, receive, send)

    body = b"a" * 100_000
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with spoken(take_later, head, body[:-1]) as (protocol, clients_end), asyncio.timeout(PATIENCE_SECONDS):
        while not protocol.flow.read_paused:  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0.01)
        for _ in range(20 * round(protocol.read_timeout_seconds)):
            protocol._look()
        takes.set()
        clients_end.sendall(body[-1:])
        answer = await asyncio.get_running_loop().sock_recv(clients_end, 4096)

    assert answer[:12] == b"HTTP/1.1 200"


async def length_of_body(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


async def flooded(writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(b"a" * 65536)
            await writer.drain()
    except ConnectionError:
        return


async def test_a_client_that_takes_no_answer(hasty: Served) -> None:
    fields = "name description"
    types = f"{{ __schema {{ types {{ {fields} fields {{ {fields} type {{ name }} }} }} }} }}"
    body = json.dumps({"query": types}).encode()
    request = HEAD.replace(b"%d" % len(BODY), b"%d" % len(body)) + body
    async with connected(hasty) as (reader, writer):
        writer.write(request * ANSWERS)
        await served_meanwhile(hasty)
        await until_given_up(writer)
        said = await all_it_says(reader)

    # The client receives what the buffers in between hold, but not the remaining responses.
    assert 0 < said.count(b"HTTP/1.1 200 ") < ANSWERS
    await served_meanwhile(hasty)


async def until_given_up(writer: asyncio.StreamWriter) -> None:
    """Waits until the server has closed its end of the connection.

    The client itself would notice only after reading everything, so this asks the kernel.
    """
    host, port = writer.get_extra_info("sockname")
    client = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (client, ESTABLISHED) in peers_and_states():  # noqa: ASYNC110 - only the kernel knows
            await asyncio.sleep(0.05)


def peers_and_states() -> set[tuple[str, str]]:
    """Returns peer address and state of all TCP connections of the machine, in the format of `proc_pid_net(5)`."""
    _, *lines = Path("/proc/net/tcp").read_text().splitlines()
    return {(fields[2], fields[3]) for fields in map(str.split, lines)}


async def test_a_thousand_idle_connections(hasty: Served) -> None:
    async with AsyncExitStack() as stack:
        # All have sent what they will by the time the server accepts them, so that none of them is late.
        with paused([hasty.process.pid]):
            clients = await asyncio.gather(*(stack.enter_async_context(connected(hasty)) for _ in range(CONNECTIONS)))
            for n, (_, writer) in enumerate(clients):
                writer.write((b"", HEAD[:40], HEAD, HEAD + BODY)[n % 4])
        saying = [
            asyncio.create_task(reader.readuntil(b'"totalCount":0') if n % 4 == 3 else all_it_says(reader))
            for n, (reader, _) in enumerate(clients)
        ]
        for _ in range(20):
            await served_meanwhile(hasty)
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = await asyncio.gather(*saying)

    assert [answer[:12] for answer in said] == [
        b"",
        *(b"HTTP/1.1 " + status for status in (b"408", b"408", b"200")),
    ] * (CONNECTIONS // 4)
