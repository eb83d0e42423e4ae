"""Prometheus metrics of all workers of a server together. Imported only if metrics are on.

Names and units follow https://prometheus.io/docs/practices/naming/. To keep the number of label values small, only
operations of trusted documents are labeled with their names. All others are "other".
"""

import collections
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from billing.enums import EventType
from billing.new_records import NewEvent
from billing.webhooks import Answer
from db.database import Database
from graph.observability import METRICS_FOLDER
from graph.observability.exchange import Exchange
from graph.observability.live_counts import LiveCounts
from graph.observability.middleware import FAILURES
from services.ticks import Tick

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RETRIED = ("40001", "40P01", "08003", "08006", "57P01")
"""SQLSTATEs whose counters exist from the start, so that 0 can be told from a missing metric."""

CLIENT_GONE = "499"
"""Status label of requests whose client disconnected before the response."""


class Metrics:
    """The metrics of one worker. `text` returns those of all workers."""

    def __init__(self, database: Database, live: LiveCounts) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("http_requests", "HTTP requests answered.", "route", "status")
        self._operations = self._counter("operations", "GraphQL operations, by result.", "operation", "type", "result")
        self._seconds = Histogram(
            "billing_operation_duration_seconds",
            "Time from a request to its response, without the time to receive its body.",
            ("operation", "type"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._errors = self._counter("errors", "Top-level errors in responses, by code.", "code")
        self._refusals = self._counter("refusals", "User errors in mutation payloads, by code.", "code")
        self._retried = self._counter("transactions_retried", "Transactions retried, by SQLSTATE.", "sqlstate")
        events = self._counter("events", "Events stored, by their type.", "type")
        self._events = {type_: events.labels(type_) for type_ in EventType}
        self._runs = self._counter("renewal_runs", "Renewal runs, by result.", "result")
        self._renewals = self._counter("renewals", "Due subscriptions, by result.", "result")
        self._invoices = self._counter("renewal_invoices", "Invoices created by renewals.")
        self._past_due = self._counter("renewal_past_due", "Subscriptions that became past due.")
        self._attempts = self._counter("webhook_attempts", "Attempts to deliver webhooks, by result.", "result")
        for code in sorted(FAILURES):
            self._errors.labels(code)
        for sqlstate in RETRIED:
            self._retried.labels(sqlstate)
        for result in ("ok", "failed"):
            self._runs.labels(result)
        for result in ("renewed", "failed"):
            self._renewals.labels(result)
        for result in ("succeeded", "failed"):
            self._attempts.labels(result)
        self._database = database
        self._watch(database)
        self._live = live
        self._watch_streams(live)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"billing_{name}", documentation, labels, registry=self._registry)

    def _watch(self, database: Database) -> None:
        """Counts retried transactions and stored events, and records the waiting times of the connection pools."""
        database.on_retry.append(lambda sqlstate: self._retried.labels(sqlstate).inc())
        database.on_events.append(self.events)
        self._in_use = self._gauge("pool_connections_in_use", "Connections in use, by pool.")
        self._size = self._gauge("pool_connections_max", "Maximum number of connections, by pool.")
        self._waited = Histogram(
            "billing_pool_wait_seconds",
            "Time spent waiting for a connection, by pool.",
            ("pool",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._waits: dict[str, list[float]] = {}
        for name, pool in database.pools.items():
            self._waits[name] = []
            pool.waited = (*pool.waited, self._waits[name].append)

    def _watch_streams(self, live: LiveCounts) -> None:
        self._streams = Gauge(
            "billing_live_streams",
            "Live streams that have caught up with the feed.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._messages = self._counter("live_messages", "Events that live streams took.")
        self._too_slow = self._counter("live_slow_clients", "Live streams closed because their client did not read.")
        self._seen_messages = self._seen_too_slow = 0
        lag = Histogram(
            "billing_live_lag_seconds",
            "Age of an event when its result for a live stream is ready.",
            buckets=SECONDS,
            registry=self._registry,
        )
        live.on_result.append(lag.observe)

    def look(self) -> None:
        """Records the state of pools and streams, and what they have done since the last call."""
        self._look_at_pools()
        live = self._live
        self._streams.set(live.streams)
        self._messages.inc(live.messages - self._seen_messages)
        self._too_slow.inc(live.too_slow - self._seen_too_slow)
        self._seen_messages, self._seen_too_slow = live.messages, live.too_slow

    def _look_at_pools(self) -> None:
        """Records the connections in use, and the waits for connections since the last call."""
        waits = {name: kept.copy() for name, kept in self._waits.items()}
        # Clear first: if anything below failed, the lists would grow without bound.
        for kept in self._waits.values():
            kept.clear()
        for name, pool in self._database.pools.items():
            self._in_use.labels(name).set(pool.checkedout())
            self._size.labels(name).set(pool.size())
            waited = self._waited.labels(name)
            for seconds in waits[name]:
                waited.observe(seconds)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"billing_{name}", documentation, ("pool",), registry=self._registry, multiprocess_mode="livesum")

    def request(self, exchange: Exchange) -> None:
        """Counts a finished request."""
        status = CLIENT_GONE if exchange.status is None else str(exchange.status)
        self._requests.labels(exchange.route, status).inc()
        for code in exchange.codes:
            self._errors.labels(code).inc()
        for code in exchange.refusals:
            self._refusals.labels(code).inc()
        if exchange.type is not None:
            name = (exchange.operation or "other") if exchange.trusted else "other"
            self._operations.labels(name, exchange.type, result_of(exchange)).inc()
            self._seconds.labels(name, exchange.type).observe(exchange.seconds)

    def events(self, stored: Sequence[NewEvent]) -> None:
        """Counts the events of a committed transaction."""
        for type_, count in collections.Counter(event.type for event in stored).items():
            self._events[type_].inc(count)

    def renewed(self, tick: Tick) -> None:
        """Counts a renewal run and its results."""
        report = tick.report
        self._runs.labels("failed" if tick.failed else "ok").inc()
        self._renewals.labels("renewed").inc(report.renewed)
        self._renewals.labels("failed").inc(report.failed)
        self._invoices.inc(report.invoices)
        self._past_due.inc(report.past_due)

    def attempted(self, answer: Answer) -> None:
        """Counts an attempt to deliver a webhook."""
        self._attempts.labels("succeeded" if answer.succeeded else "failed").inc()

    def text(self, figures: "DatabaseMetrics | None") -> bytes:
        """Returns all metrics in Prometheus text format. `figures` is None if the database does not respond."""
        self.look()
        found = CollectorRegistry()
        found.register(DatabaseCollector(figures))
        return generate_latest(self._all()) + generate_latest(found)

    def _all(self) -> CollectorRegistry:
        folder = os.environ.get(METRICS_FOLDER)
        if folder is None:
            return self._registry
        remove_dead_workers(Path(folder))
        together = CollectorRegistry()
        MultiProcessCollector(together, path=folder)  # type: ignore[no-untyped-call]
        return together


def result_of(exchange: Exchange) -> str:
    """Returns the result: `failure` of the server, `error` of the client, `refused` (user errors), or `ok`."""
    if exchange.failures or not FAILURES.isdisjoint(exchange.codes):
        return "failure"
    if exchange.codes:
        return "error"
    return "refused" if exchange.refusals else "ok"


def remove_dead_workers(folder: Path) -> None:
    """Removes the gauges of workers that have exited. Their counters stay."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):  # the number may be another user's process by now
            with suppress(FileNotFoundError):  # another worker was asked at the same time
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class DatabaseMetrics:
    """Metrics from the database: subscriptions on hold, when the oldest other due subscription became due, since when
    each enabled webhook endpoint waits for an event, and the number of disabled endpoints.
    """

    holds: int
    due_since: datetime | None
    webhooks_since: Mapping[UUID, datetime | None]
    webhooks_disabled: int
    now: datetime

    @property
    def lag_seconds(self) -> float:
        return self._seconds_since(self.due_since)

    @property
    def webhook_lags(self) -> dict[str, float]:
        """Age of the oldest event that each enabled endpoint has not got, in seconds, by the endpoint's id."""
        return {str(id_): self._seconds_since(since) for id_, since in self.webhooks_since.items()}

    def _seconds_since(self, at: datetime | None) -> float:
        return 0.0 if at is None else max(0.0, (self.now - at).total_seconds())


class DatabaseCollector(Collector):
    """Collects the metrics that are read from the database on each scrape."""

    def __init__(self, figures: DatabaseMetrics | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        found: Sequence[tuple[str, str, Any]] = [
            ("database_up", "1 if the database responds, else 0.", int(figures is not None))
        ]
        if figures is not None:
            found = [
                *found,
                ("holds", "Subscriptions that could not be billed and are on hold.", figures.holds),
                (
                    "renewal_lag_seconds",
                    "Seconds since the oldest due subscription that is not on hold became due.",
                    figures.lag_seconds,
                ),
                ("webhook_endpoints_disabled", "Webhook endpoints that are disabled.", figures.webhooks_disabled),
            ]
            lags = GaugeMetricFamily(
                "billing_webhook_lag_seconds",
                "Age of the oldest event that an enabled webhook endpoint has not got.",
                labels=("endpoint",),
            )
            for endpoint, seconds in figures.webhook_lags.items():
                lags.add_metric([endpoint], seconds)
            yield lags
        for name, documentation, value in found:
            yield GaugeMetricFamily(f"billing_{name}", documentation, value=value)
