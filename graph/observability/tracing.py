"""OpenTelemetry traces: of a request, its operation, the batches of its dataloaders, and their SQL.

Imported only if OpenTelemetry's own variables switch tracing on: see `cli/tracing.py`. Spans never contain variables,
parameters of statements, messages of errors, or anything of a document except the name of its operation.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from time import time_ns
from typing import Any, TypeVar

from opentelemetry import propagate
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id
from starlette.types import Scope

from graph.observability.exchange import Exchange, current

Result = TypeVar("Result")

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY"})
OPERATIONS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "COMMIT", "BEGIN", "ROLLBACK"})

SQL_CHARACTERS = 4_000
"""Maximum number of characters to record of a statement."""

TRACING_CLOSE_SECONDS = 3
"""Maximum time to wait for the export of remaining spans on shutdown, in seconds."""

FAILED_STATUS = Status(StatusCode.ERROR)


class Tracing:
    """Creates spans, which `provider` exports. Attributes follow OpenTelemetry's semantic conventions."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("billing")

    async def close(self) -> None:
        """Exports the remaining spans, for at most `TRACING_CLOSE_SECONDS`."""
        ending = Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, TRACING_CLOSE_SECONDS)

    @contextmanager
    def request(self, scope: Scope, exchange: Exchange) -> Iterator[None]:
        """Opens the span of a request, in the trace of its `traceparent` header if it has one."""
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        attributes = {
            "http.request.method": method,
            "http.route": exchange.route,
            "url.path": exchange.route,
            "url.scheme": scope.get("scheme", "http"),
            "billing.request_id": exchange.request_id,
        }
        with self._span(
            f"{method} {exchange.route}",
            context=propagate.extract(headers),
            kind=SpanKind.SERVER,
            attributes=attributes,
        ) as span:
            exchange.trace_id = format_trace_id(span.get_span_context().trace_id)
            if not span.is_recording():
                # The request is not sampled, so no spans are needed below it.
                yield
                return
            exchange.tracing, exchange.usage.on_statement = self, self._statement
            yield
            if exchange.status is not None:
                span.set_attribute("http.response.status_code", exchange.status)
            if exchange.key_id is not None:
                span.set_attribute("billing.key_id", exchange.key_id)
            span.set_attribute("billing.rows", exchange.rows)
            if exchange.codes:
                span.set_attribute("error.type", exchange.codes[0])
            if exchange.failures or (exchange.status or 0) >= 500:
                span.set_status(FAILED_STATUS)

    async def operation(self, execution: Awaitable[Result]) -> Result:
        """Awaits the execution of the current request's operation in a span, and returns its result."""
        exchange = current()
        kind = exchange.type or "operation"
        attributes = {"graphql.operation.type": kind}
        if exchange.operation is not None:
            attributes["graphql.operation.name"] = exchange.operation
        with self._span(f"{kind} {exchange.operation}" if exchange.operation else kind, attributes=attributes):
            return await execution

    async def batch(self, read: object, keys: Sequence[Any], found: Awaitable[Result]) -> Result:
        """Awaits the batch of a dataloader in a span, and returns its result."""
        with self._span(f"load {read_name(read)}", attributes={"billing.keys": len(keys)}):
            return await found

    @contextmanager
    def _span(self, name: str, **options: Any) -> Iterator[Span]:
        # An exception's message may contain personal data, so only its type is recorded.
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False, **options
        ) as span:
            try:
                yield span
            except BaseException as error:
                record_failure(span, error)
                raise

    def _statement(self, text: str, seconds: float, error: BaseException | None) -> None:
        """Records the span of a finished statement."""
        now = time_ns()
        first = text.lstrip().partition(" ")[0].upper()
        operation = first if first in OPERATIONS else "SQL"
        span = self._tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            start_time=now - int(1_000_000_000 * seconds),
            attributes={
                "db.system.name": "postgresql",
                "db.operation.name": operation,
                "db.query.text": text[:SQL_CHARACTERS],
            },
        )
        if error is not None:
            record_failure(span, error)
        span.end(now)


def read_name(read: object) -> str:
    """Returns what a batched read loads, and by which key. Never uses its `repr`, which reveals filter values."""
    kind: str = getattr(read, "__name__", None) or type(read).__name__
    model = getattr(read, "model", None)
    by = getattr(read, "parent", None) or getattr(read, "key", None)
    return " ".join((kind, *(() if model is None else (model.__tablename__,)), *(() if by is None else ("by", by))))


def record_failure(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(FAILED_STATUS)
