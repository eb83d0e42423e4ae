"""Sending to endpoints that misbehave, and the addresses that nothing is sent to."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from billing.ids import WebhookDeliveryId
from billing.webhooks import TIMEOUT, Answer
from services.webhooks import sending
from services.webhooks.deliveries import Claimed
from services.webhooks.sending import Sender
from tests.support import NOW
from tests.webhooks.receiver import Received, Receiver, receiving

SECRETS = (b"s" * 32,)


def a_delivery() -> Claimed:
    return Claimed(WebhookDeliveryId(uuid4()), uuid4(), '{"type":"TEST"}', 0, NOW)


async def sent(url: str, *, sender: Sender | None = None) -> Answer:
    async with sender or Sender(private_targets=True) as used:
        return await used.send(url, SECRETS, a_delivery(), NOW)


@asynccontextmanager
async def answering(answer: bytes, *, close: bool = True) -> AsyncIterator[str]:
    """Yields the URL of a server that answers each request with these bytes, and then hangs if it does not `close`."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if not close:
            await asyncio.sleep(600)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.close()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the timeout of an attempt."""
    monkeypatch.setattr(sending, "TIMEOUT", TIMEOUT / 30)


async def test_a_large_response_is_not_read(receiver: Receiver) -> None:
    written = 0

    async def respond(request: web.Request, _received: Received) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(160):
            await response.write(b"x" * 65536)
            written += 65536
        return response

    receiver.respond = respond
    answer = await sent(receiver.url)

    assert answer.status == 200
    assert answer.head == "x" * 1000
    assert written < 10_000_000


async def test_a_response_that_never_ends_succeeds_with_its_head() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", close=False) as url:
        answer = await sent(url)

    assert (answer.status, answer.head) == (200, "ok")


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: y"])
async def test_no_response_in_time(begun: bytes) -> None:
    began = time.monotonic()
    async with answering(begun, close=False) as url:
        answer = await sent(url)

    assert answer.status is None
    assert answer.error == "The endpoint did not respond within 0.5 seconds."
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("hurry")
async def test_a_response_that_drips_ends_in_time() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = time.monotonic()
    answer = await sent(f"http://127.0.0.1:{port}/")
    server.close()

    assert (answer.status, answer.error) == (None, "The endpoint did not respond within 0.5 seconds.")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"extension;"),
    ],
    ids=["interim responses", "extensions of a chunk"],
)
async def test_endless_responses_end_the_attempt(start: bytes, endless: bytes) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            writer.write(start)
            while True:
                writer.write(endless * 1000)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(TIMEOUT.total_seconds() - 5):
        answer = await sent(f"http://127.0.0.1:{port}/")
    server.close()

    assert (answer.status, answer.error) == (None, "The endpoint's response is not valid HTTP.")


@pytest.mark.parametrize(
    ("response", "status", "error"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, None),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", 200, None),
        (b"HTTP/1.0 500 Oops\r\n\r\n", 500, "The endpoint responded with 500."),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (b"", None, "The endpoint closed the connection without a response."),
        (b"SSH-2.0-OpenSSH_9.2\r\n", None, "The endpoint's response is not valid HTTP."),
        (b"HTTP/1.1 abc OK\r\n\r\n", None, "The endpoint's response is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", None, "The endpoint's response is not valid HTTP."),
    ],
)
async def test_strange_responses(response: bytes, status: int | None, error: str | None) -> None:
    async with answering(response) as url:
        answer = await sent(url)

    assert (answer.status, answer.error) == (status, error)


async def test_a_body_that_no_database_stores() -> None:
    async with answering(b"HTTP/1.1 500 X\r\nContent-Length: 6\r\n\r\n\x00\xff\xfeab\n") as url:
        answer = await sent(url)

    assert answer.head == "\ufffd\ufffd\ufffdab\n"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    async with receiving() as other:

        async def respond(_request: web.Request, _received: Received) -> web.Response:
            return web.Response(status=status, headers={"Location": other.url})

        receiver.respond = respond
        answer = await sent(receiver.url)

        assert answer.status == status
        assert not answer.succeeded
        assert other.got == []


async def test_a_port_that_is_closed() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    answer = await sent(f"http://127.0.0.1:{port}/")

    assert answer.error is not None
    assert answer.error.startswith("The connection failed.")


async def test_a_name_that_does_not_exist() -> None:
    answer = await sent("http://no-such-name.invalid/")

    assert answer.error is not None
    assert answer.error.startswith("The host name cannot be resolved.")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class Names(AbstractResolver):
    """Resolves names as a test says: each call returns the next answer."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = [*answers]
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family_of(each), proto=0, flags=0)
            for each in answer
        ]

    async def close(self) -> None:
        pass


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def test_tls_is_verified_for_the_name(authority: trustme.CA) -> None:
    async with receiving(certificates=server_side(authority, "hooks.example.com")) as receiver:
        port = receiver.url.rpartition(":")[2]

        def sender(resolver: AbstractResolver, certificates: ssl.SSLContext | None) -> Sender:
            return Sender(private_targets=True, resolver=resolver, certificates=certificates)

        right = await sent(
            f"https://hooks.example.com:{port}/", sender=sender(Names(["127.0.0.1"]), client_side(authority))
        )
        other_name = await sent(
            f"https://other.example.com:{port}/", sender=sender(Names(["127.0.0.1"]), client_side(authority))
        )
        unknown = await sent(f"https://hooks.example.com:{port}/", sender=sender(Names(["127.0.0.1"]), None))

    assert right.succeeded
    for answer in (other_name, unknown):
        assert answer.error is not None
        assert answer.error.startswith("The endpoint's TLS certificate is not valid.")
    assert len(receiver.got) == 1


async def test_an_endpoint_that_does_not_speak_tls(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    answer = await sent(f"https://127.0.0.1:{port}/")

    assert answer.error is not None
    assert answer.error.startswith("The TLS handshake with the endpoint failed.")


PRIVATE = (
    *("127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "192.168.0.1", "0.0.0.0"),
    *("::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00::1", "fe80::1"),
)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_to_a_private_address(address: str) -> None:
    names = Names([address])
    answer = await sent("https://hooks.example.com/", sender=Sender(resolver=names))

    assert answer == Answer(error="The host name resolves to an address that is not public.")
    assert names.asked == ["hooks.example.com"]


async def test_a_name_that_leads_to_a_public_and_a_private_address() -> None:
    answer = await sent("https://hooks.example.com/", sender=Sender(resolver=Names(["1.1.1.1", "127.0.0.1"])))

    assert answer == Answer(error="The host name resolves to an address that is not public.")


async def test_a_name_that_changes_its_address_after_the_check(authority: trustme.CA) -> None:
    """DNS rebinding: the name is resolved once for each connection, and that answer is checked."""
    async with receiving(certificates=server_side(authority, "hooks.example.com")) as receiver:
        port = receiver.url.rpartition(":")[2]
        names = Names(["127.0.0.1"])
        sender = Sender(resolver=names, certificates=client_side(authority))
        answer = await sent(f"https://hooks.example.com:{port}/", sender=sender)

    assert answer == Answer(error="The host name resolves to an address that is not public.")
    assert names.asked == ["hooks.example.com"], "one answer is both checked and used"
    assert receiver.got == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example.com/", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/"),
        *("https://0x7f.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://user@127.0.0.1/"),
    ],
)
async def test_urls_that_became_private_after_they_were_saved(url: str) -> None:
    names = Names(["1.1.1.1"])
    answer = await sent(url, sender=Sender(resolver=names))

    assert answer.status is None
    assert answer.error is not None
    assert names.asked == []


async def test_the_environment_names_no_proxy(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert (await sent(receiver.url)).succeeded


async def test_cookies_are_not_kept(receiver: Receiver) -> None:
    async def respond(_request: web.Request, _received: Received) -> web.Response:
        return web.Response(headers={"Set-Cookie": "session=1; Path=/"})

    receiver.respond = respond
    async with Sender(private_targets=True) as sender:
        for _ in range(2):
            await sender.send(receiver.url, SECRETS, a_delivery(), NOW)

    assert ["cookie" in each.headers for each in receiver.got] == [False, False]
