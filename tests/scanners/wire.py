"""Raw HTTP/1.1, for requests that no client library would send."""

import json
import os
import re
import selectors
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support import PATIENCE_SECONDS

SILENCE = 0
"""Status for a connection that the server closes or leaves open without a response."""

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Answer:
    """The first response on a connection."""

    status: int
    headers: str
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def is_runnable(pid: int) -> bool:
    """Returns True if a thread of the process runs, or waits for a processor."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        # The thread may end in the meantime.
        with suppress(OSError):
            if (task / "stat").read_text().rpartition(")")[2].split()[0] == "R":
                return True
    return False


def exchange(url: str, sent: bytes, *, waits: float = PATIENCE_SECONDS, hangs_up: bool = False) -> Answer:
    """Sends bytes and reads until the server closes the connection, or for `waits` seconds.

    Reads while sending, because the response may come early. If `hangs_up` is True, the sending side is closed after
    the last byte.
    """
    address = urlsplit(url)
    deadline = time.monotonic() + waits
    received = bytearray()
    pending = memoryview(sent)
    with (
        socket.create_connection((address.hostname, address.port), timeout=waits) as connection,
        selectors.DefaultSelector() as selector,
    ):
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while (left := deadline - time.monotonic()) > 0:
            for _, events in selector.select(left):
                if events & selectors.EVENT_READ:
                    piece = read(connection)
                    received += piece
                    if not piece:
                        return parsed(bytes(received))
                if events & selectors.EVENT_WRITE:
                    pending = pending[written(connection, pending) :]
                    if not pending:
                        selector.modify(connection, selectors.EVENT_READ)
                        if hangs_up:
                            connection.shutdown(socket.SHUT_WR)
    return parsed(bytes(received))


def read(connection: socket.socket) -> bytes:
    """Reads available bytes. Returns none at the end, or after a reset, which a server sends if it did not read
    everything.
    """
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""


def written(connection: socket.socket, pending: memoryview) -> int:
    """Sends bytes and returns their number. Counts all as sent after a reset, since the response
    may still be readable.
    """
    try:
        return connection.send(pending[: 1 << 18])
    except BlockingIOError:
        return 0
    except ConnectionError:
        return len(pending)


def parsed(received: bytes) -> Answer:
    received = re.sub(rb"\AHTTP/1\.1 100 [^\r]*\r\n\r\n", b"", received)
    head, _, body = received.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
    return Answer(int(found[1]) if found else SILENCE, head.decode("latin-1").lower(), body)


@dataclass(frozen=True, slots=True)
class Usage:
    """Resources used by a process: processor time in seconds, and current and peak memory in bytes."""

    cpu_seconds: float
    memory: int
    most_memory: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        # The name of the program, in parentheses, may contain anything. utime and stime are fields 14 and 15: see
        # proc(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        memory, most = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return cls((int(fields[11]) + int(fields[12])) / TICKS, memory, most)

    @classmethod
    def at_rest(cls, pid: int) -> "Usage":
        """Like `of`, but waits until the process is idle. It may still work after its response."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        usage = cls.of(pid)
        while time.monotonic() < deadline:
            time.sleep(0.06)
            before, usage = usage, cls.of(pid)
            # On a busy machine, a process that has work may get no processor time.
            if usage.cpu_seconds - before.cpu_seconds <= 1 / TICKS and not is_runnable(pid):
                break
        return usage

    def grown(self, before: "Usage") -> int:
        """Returns the growth of memory in bytes since `before`: at its peak if that is higher than the peak before,
        else now.
        """
        most = self.most_memory if self.most_memory > before.most_memory else self.memory
        return most - before.memory
