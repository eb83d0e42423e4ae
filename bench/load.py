"""Generates load: a closed loop over keep-alive connections, in a separate process that uses little CPU.

Reads orders as lines of JSON, and writes the measurements of each as a line of JSON. CPU time is read in windows in
which all connections have a request in progress: on average, no request is counted partially or twice.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle
from typing import cast

import uvloop

from bench.processes import cpu_nanoseconds, family_of, used_between

PATIENCE_SECONDS = 60
"""Timeout for the last responses, in seconds."""

REFUSALS = (b'"errors":', b'"userErrors":[{')
"""Parts of response bodies that report errors."""


@dataclass(frozen=True, slots=True)
class Order:
    """The requests to send, and the processes whose CPU time to read. Each request is sent `once`, or all repeatedly.

    The first `warm_up` seconds are not measured. Of requests that are sent once, at most the first tenth is skipped.
    """

    port: int
    requests: list[str]
    once: bool
    connections: int
    warm_up: float
    seconds: float
    window: float
    server: int
    postmaster: int


@dataclass(frozen=True, slots=True)
class Window:
    requests: int
    seconds: float
    server_ns: int
    postgres_ns: int


@dataclass(slots=True)
class Measured:
    requests: int = 0
    bytes: int = 0
    failures: int = 0
    first_failure: str = ""
    windows: list[Window] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


class Watch:
    """Divides the time into windows, and counts requests and CPU time in each."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.begin()

    def begin(self) -> None:
        self.requests = 0
        self.used = self._look()
        self.began = time.perf_counter()

    def is_over(self, now: float) -> bool:
        return now - self.began >= self.order.window and self.requests >= 3 * self.order.connections

    def end(self) -> Window:
        now = time.perf_counter()
        server, postgres = (used_between(*looks) for looks in zip(self.used, self._look(), strict=True))
        return Window(self.requests, now - self.began, server, postgres)

    def _look(self) -> tuple[dict[int, int], dict[int, int]]:
        return cpu_nanoseconds([self.order.server]), cpu_nanoseconds(family_of(self.order.postmaster))


class Load:
    """The execution of an order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.measured = Measured()
        self.done = asyncio.get_running_loop().create_future()
        self.open = 0
        self.sent = 0
        self.began = time.perf_counter()
        self.watch: Watch | None = None
        encoded = [request.encode() for request in order.requests]
        self.requests: Iterator[bytes] = iter(encoded) if order.once else cycle(encoded)

    def next(self) -> bytes | None:
        """Returns the next request, or None when the time is over or all requests are sent."""
        if time.perf_counter() - self.began > self.order.warm_up + self.order.seconds:
            return None
        self.sent += 1
        return next(self.requests, None)

    def answered(self, status: bytes, body: bytes, took: float) -> None:
        self.measured.requests += 1
        if not status.startswith(b"HTTP/1.1 2") or any(refusal in body for refusal in REFUSALS):
            self.measured.failures += 1
            self.measured.first_failure = self.measured.first_failure or (status + b" " + body)[:1000].decode()
        now = time.perf_counter()
        if self.watch is None:
            early = self.order.once and self.sent >= len(self.order.requests) / 10
            if early or now - self.began > self.order.warm_up:
                self.watch = Watch(self.order)
            return
        self.measured.latencies.append(took)
        self.measured.bytes += len(body)
        self.watch.requests += 1
        if self.watch.is_over(now):
            self.measured.windows.append(self.watch.end())
            self.watch.begin()

    def closed(self) -> None:
        self.open -= 1
        if not self.open and not self.done.done():
            # Requests that are sent once may end before the first window does.
            if self.watch is not None and self.watch.requests and not self.measured.windows:
                self.measured.windows.append(self.watch.end())
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """Sends the next request when the response to the previous one is complete."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.received = bytearray()
        self.sent_at = 0.0
        self.head_end = 0
        self.length: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The transport of uvloop is not a subclass of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.load.open += 1
        self.send()

    def send(self) -> None:
        request = self.load.next()
        if request is None:
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.head_end:
            found = self.received.find(b"\r\n\r\n")
            if found < 0:
                return
            self.head_end = found + 4
            self.length = content_length(bytes(self.received[:found]))
        if self.is_complete():
            took = time.perf_counter() - self.sent_at
            status = bytes(self.received[: self.received.find(b"\r\n")])
            self.load.answered(status, bytes(self.received[self.head_end :]), took)
            self.received.clear()
            self.head_end = 0
            self.send()

    def is_complete(self) -> bool:
        if self.length is None:
            return self.received.endswith(b"0\r\n\r\n")
        return len(self.received) >= self.head_end + self.length

    def connection_lost(self, exc: Exception | None) -> None:
        if self.sent_at and (exc is not None or self.received):
            self.load.measured.failures += 1
            self.load.measured.first_failure = self.load.measured.first_failure or f"connection lost: {exc}"
        self.load.closed()


def content_length(head: bytes) -> int | None:
    """Returns the length of the body, or None if it is chunked."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return None


async def drive(order: Order) -> Measured:
    load = Load(order)
    loop = asyncio.get_running_loop()
    for _ in range(order.connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", order.port)
    async with asyncio.timeout(order.warm_up + order.seconds + PATIENCE_SECONDS):
        await load.done
    return load.measured


def main() -> None:
    # Under PYTHONUNBUFFERED, sys.stdout is unbuffered: if this process is stopped or signaled during a write to a full
    # pipe, the rest of a long line is lost.
    with open(sys.stdout.fileno(), "w", closefd=False) as answers:
        for line in sys.stdin:
            measured = uvloop.run(drive(Order(**json.loads(line))))
            answers.write(json.dumps(asdict(measured)) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
