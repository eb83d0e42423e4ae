"""Fixtures that capture log lines, spans and metrics."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from cli.logs import Formatter
from db.driver.urls import asyncpg_url
from db.embedded import EmbeddedPostgres
from tests.cli.conftest import serve  # noqa: F401 - a fixture, of servers of their own
from tests.conftest import execute
from tests.support import PATIENCE_SECONDS

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Log:
    """The log of this process, in the format of a server."""

    output: StringIO

    @property
    def text(self) -> str:
        return self.output.getvalue()

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Returns all lines, or those of `event`."""
        found = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in found if event in (None, line["event"])]

    async def requests(self, count: int) -> list[dict[str, Any]]:
        """Waits until `count` requests are logged, shortly after their responses, and returns their lines."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found := self.lines("request")) < count:  # noqa: ASYNC110 - a file has no events
                await asyncio.sleep(0.01)
        assert len(found) == count
        return found


@pytest.fixture
def log() -> Iterator[Log]:
    """Captures everything logged at INFO and above."""
    found = Log(StringIO())
    handler = logging.StreamHandler(found.output)
    handler.setFormatter(Formatter(terminal=False))
    # The HTTP client of the tests logs in this process as well.
    handler.addFilter(lambda record: record.name != "httpx")
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield found
    root.setLevel(level)
    root.removeHandler(handler)


@dataclass
class Collector:
    """OTLP receiver on this machine. Keeps the HTTP requests it receives, raw and decoded."""

    url: str
    bodies: list[bytes] = field(default_factory=list)
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def wait_for(self, name: str) -> Span:
        """Waits for a span with this name, and returns the first one."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: any(span.name == name for span in self.spans), PATIENCE_SECONDS), name
            return next(span for span in self.spans if span.name == name)


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.headers["content-type"] == "application/x-protobuf"
            with found.arrived:
                found.bodies.append(body)
                found.requests.append(ExportTraceServiceRequest.FromString(body))
                found.arrived.notify_all()
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def samples(text: str) -> Samples:
    """Returns the samples of a scrape by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((f"billing_{name}", tuple(sorted(labels.items()))))


@asynccontextmanager
async def gone(server: EmbeddedPostgres, database_url: str) -> AsyncIterator[None]:
    """Makes the database unavailable during the block."""
    name = asyncpg_url(database_url).database
    # A server would reconnect before the database is renamed.
    await execute(server.url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await execute(server.url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    await execute(server.url, f"ALTER DATABASE {name} RENAME TO {name}_gone")
    yield
    await execute(server.url, f"ALTER DATABASE {name}_gone RENAME TO {name}")
    await execute(server.url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
