"""Looking up the addresses of a host without blocking anything else."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from threading import BoundedSemaphore, Thread
from typing import TypeAlias

AddressInfo: TypeAlias = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
]


RUNNING = BoundedSemaphore(200)
"""Limits the number of lookups that are running, each of which has a thread."""


async def addresses_of(
    host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
) -> Sequence[AddressInfo]:
    """Returns what `socket.getaddrinfo` finds. Raises `OSError`, also if too many lookups are running.

    The system's resolver blocks, often for half a minute, so it runs in a thread of its own. In a pool of threads,
    names whose server does not respond would delay all others, and the end of the process too.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Sequence[AddressInfo]] = loop.create_future()

    def finish(found: Sequence[AddressInfo], error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(found)
        else:
            future.set_exception(error)

    def look_up() -> None:
        found: Sequence[AddressInfo] = ()
        error: Exception | None = None
        try:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        except Exception as raised:  # noqa: BLE001 - it is raised where the result is awaited
            error = raised
        finally:
            RUNNING.release()
        with suppress(RuntimeError):  # The loop is closed by now.
            loop.call_soon_threadsafe(finish, found, error)

    if not RUNNING.acquire(blocking=False):
        raise OSError("too many host names are being looked up")
    Thread(target=look_up, daemon=True).start()
    return await future
