"""Measures servers and operations in turn, in rounds, so that disturbances of the machine affect all of them."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.database import BenchDatabase
from bench.load import Measured, Order, Window
from bench.operations import Operation, Subjects
from bench.servers import Server

ROOT = Path(__file__).parents[1]
MILLISECOND_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Effort:
    """Duration in seconds, number of rounds and connections for each measurement of an operation on a server."""

    rounds: int
    warm_up: float
    seconds: float
    window: float = 0.4
    connections: int = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """The results of one operation on one server in one round. CPU times are in milliseconds per request: of the median
    window, ordered by the sum of server and PostgreSQL, and of the best window.
    """

    round: int
    server: str
    operation: str
    requests: int
    server_ms: float
    postgres_ms: float
    best_server_ms: float
    best_postgres_ms: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    kilobytes: float


class Driver:
    """The process that sends the load."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def drive(self, order: Order) -> Measured:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            sys.exit("The load ended early.")
        found: dict[str, Any] = json.loads(line)
        return Measured(**{**found, "windows": [Window(**window) for window in found["windows"]]})


@contextmanager
def driver() -> Iterator[Driver]:
    """Starts the load process, on the processors of this process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Driver(process)
    finally:
        process.communicate()


def processors() -> tuple[set[int], set[int]]:
    """Returns the processors for the server, and those for PostgreSQL and the load. Disjoint if there are several."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return {first}, set(rest) or {first}


@dataclass(frozen=True, slots=True)
class Bench:
    """The parts of a measurement: the driver, the database, and the ids that operations use."""

    driver: Driver
    database: BenchDatabase
    subjects: Subjects

    def order(self, server: Server, operation: Operation, effort: Effort) -> Order:
        requests = [server.request(operation, variables) for variables in operation.variables(self.subjects)]
        return Order(
            port=server.port,
            requests=requests,
            once=operation.writes,
            connections=effort.connections,
            warm_up=effort.warm_up,
            seconds=effort.seconds,
            window=effort.window,
            server=server.pid,
            postmaster=self.database.postmaster,
        )

    def measure(self, server: Server, operation: Operation, effort: Effort) -> Measured:
        """Sends the operation to the server. Exits if a response is an error."""
        measured = self.driver.drive(self.order(server, operation, effort))
        if operation.writes:
            self.database.forget(self.subjects.subscribers)
        if measured.failures:
            sys.exit(f"{operation.name}: {server.kind.title}: {measured.failures} failed: {measured.first_failure}")
        return measured

    def rounds(self, servers: Sequence[Server], operations: Sequence[Operation], effort: Effort) -> Iterator[Cell]:
        for number in range(1, effort.rounds + 1):
            self.database.tidy()
            for operation in operations:
                for server in servers:
                    yield cell(number, server, operation, self.measure(server, operation, effort))
                if operation.writes:
                    self.database.tidy()


def cell(number: int, server: Server, operation: Operation, measured: Measured) -> Cell:
    windows = sorted(measured.windows, key=lambda window: (window.server_ns + window.postgres_ns) / window.requests)
    assert windows, f"{operation.name}: {server.kind.title} had too little to do"
    median, best = windows[len(windows) // 2], windows[0]
    return Cell(
        round=number,
        server=server.name,
        operation=operation.name,
        requests=len(measured.latencies),
        server_ms=median.server_ns / median.requests / MILLISECOND_NS,
        postgres_ms=median.postgres_ns / median.requests / MILLISECOND_NS,
        best_server_ms=best.server_ns / best.requests / MILLISECOND_NS,
        best_postgres_ms=best.postgres_ns / best.requests / MILLISECOND_NS,
        requests_per_second=sum(w.requests for w in windows) / sum(w.seconds for w in windows),
        p50_ms=statistics.median(measured.latencies) * 1000,
        p99_ms=percentile(measured.latencies, 99) * 1000,
        kilobytes=measured.bytes / len(measured.latencies) / 1000,
    )


def percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]
