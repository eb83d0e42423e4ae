"""Host names whose name server does not respond delay only their own endpoints."""

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from services.webhooks.names import PublicResolver, SharedResolver
from services.webhooks.targets import AddressNotPublic
from tests.support import PATIENCE_SECONDS


class Silent:
    """The system's resolver, which gets no response for names of `silent.example` until `respond` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.respond = threading.Event()
        self._getaddrinfo = socket.getaddrinfo

    def getaddrinfo(self, host: str, *arguments: Any, **options: Any) -> Any:
        if not host.endswith("silent.example"):
            return self._getaddrinfo(host, *arguments, **options)
        self.asked.append(host)
        self.respond.wait(PATIENCE_SECONDS)
        return self._getaddrinfo("127.0.0.1", *arguments, **options)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Silent:
    found = Silent()
    monkeypatch.setattr(socket, "getaddrinfo", found.getaddrinfo)
    return found


async def test_silent_names_delay_no_other_and_are_asked_once(silent: Silent) -> None:
    resolver = SharedResolver()
    names = [f"{number}.silent.example" for number in range(50)]
    waiting = [asyncio.create_task(resolver.resolve(name, 443)) for name in names for _ in range(32)]

    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(silent.asked) < len(names):  # noqa: ASYNC110 - threads
            await asyncio.sleep(0.01)

    [found, *_] = await resolver.resolve("127.0.0.1", 443)
    assert not any(task.done() for task in waiting)
    silent.respond.set()
    late = await asyncio.gather(*waiting)

    assert (found["host"], found["port"], found["hostname"]) == ("127.0.0.1", 443, "127.0.0.1")
    assert sorted(silent.asked) == sorted(names)
    assert {each["host"] for addresses in late for each in addresses} == {"127.0.0.1"}


async def test_a_caller_that_gives_up_leaves_the_lookup_to_the_others(silent: Silent) -> None:
    resolver = SharedResolver()
    first, second = (asyncio.create_task(resolver.resolve("a.silent.example", 443)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    silent.respond.set()

    assert [each["host"] for each in await second] == ["127.0.0.1"]
    assert silent.asked == ["a.silent.example"]


async def test_a_name_that_is_private_and_one_that_does_not_exist() -> None:
    resolver = PublicResolver(SharedResolver())

    with pytest.raises(AddressNotPublic):
        await resolver.resolve("localhost", 443)
    with pytest.raises(socket.gaierror):
        await resolver.resolve("no.such.name.invalid", 443)


def test_a_process_ends_while_a_name_server_does_not_respond(silent: Silent) -> None:
    async def look_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await SharedResolver().resolve("b.silent.example", 443)

    began = time.monotonic()
    asyncio.run(look_up())
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    silent.respond.set()
