"""HTTP/1.1 by hand: what a scanner sends, no client library would."""

import json
import os
import re
import selectors
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support import PATIENCE_SECONDS

SILENCE = 0
"""The status of a connection that the server closes, or leaves open, without an answer."""

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


def exchange(url: str, sent: bytes, *, waits: float = PATIENCE_SECONDS, hangs_up: bool = False) -> Answer:
    """Sends the bytes and reads until the server closes, or for `waits` seconds; reads while it sends, as it may be
    answered in the middle. Where it `hangs_up`, nothing is sent any more once all is sent, and the server sees that.
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
    """What came; nothing at the end, which a server that was sent more than it read marks by a reset."""
    try:
        return connection.recv(1 << 16)
    except ConnectionError:
        return b""


def written(connection: socket.socket, pending: memoryview) -> int:
    """How many bytes were taken; all, where nobody takes them any more: the answer may still be there to read."""
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
    """What a process has used so far: seconds of processor time, and bytes of memory: now and at most."""

    cpu_seconds: float
    memory: int
    most_memory: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        # The name of the program, in parentheses, may hold anything; utime and stime are fields 14 and 15: proc(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        memory, most = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return cls((int(fields[11]) + int(fields[12])) / TICKS, memory, most)

    @classmethod
    def at_rest(cls, pid: int) -> "Usage":
        """As `of`, once the process has stopped working: it may go on after it has answered."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        usage = cls.of(pid)
        while time.monotonic() < deadline:
            time.sleep(0.06)
            before, usage = usage, cls.of(pid)
            if usage.cpu_seconds - before.cpu_seconds <= 1 / TICKS:
                break
        return usage

    def grown(self, before: "Usage") -> int:
        """How many bytes more than `before` the memory was at most: exactly, where it was never as much before."""
        most = self.most_memory if self.most_memory > before.most_memory else self.memory
        return most - before.memory
