"""Looking up the addresses of a host without blocking anything else."""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import Future
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
    if not RUNNING.acquire(blocking=False):
        raise OSError("too many host names are being looked up")
    found: Future[Sequence[AddressInfo]] = Future()
    # From now on, a caller that gives up does not cancel it.
    found.set_running_or_notify_cancel()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
            found.set_exception(error)
        finally:
            RUNNING.release()

    try:
        Thread(target=look_up, daemon=True).start()
    except RuntimeError as error:
        RUNNING.release()
        raise OSError("the system has no thread for looking up a host name") from error
    return await asyncio.wrap_future(found)
