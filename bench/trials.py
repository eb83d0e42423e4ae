"""Trials of this server alone: more rows, more clients, more requests."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.database import BenchDatabase, bench_database
from bench.load import Measured, Order
from bench.machine import machine_facts
from bench.measuring import Bench, Cell, Effort, cell, driver, processors
from bench.operations import Operation, always, operation_of
from bench.processes import confined, resident_bytes
from bench.report import save
from bench.servers import Server, kind_of, running

SIZES = ((10, 1), (10, 10), (10, 100), (100, 100))
"""Number of customers, and of invoices for each."""
GROWTH = Effort(rounds=5, warm_up=0.5, seconds=2.0)
LINEAR = 1.5
"""Maximum cost of an invoice among 10 000, relative to its cost among 1 000."""

ADD_GROWN = """
WITH grown AS (
  INSERT INTO customers (id, name, email, email_key, invoice_prefix, last_invoice_number, currency, metadata, version,
    created_at, updated_at)
  SELECT uuidv7(), 'Grown', email, email, upper(substr(md5(email), 1, 10)), $2, 'EUR', '{}', 1, at, at
  FROM generate_series(1, $1) AS n,
    LATERAL (SELECT format('grown-%s@example.com', n) AS email, timestamptz '2020-01-01Z' AS at) AS made
  RETURNING id, invoice_prefix, created_at
)
INSERT INTO invoices (id, customer_id, kind, status, sequence, number, currency, subtotal_cents, tax_cents,
  amount_cents, amount_due_cents, bill_to, period_start, period_end, issued_at, due_at, version, created_at, updated_at)
SELECT uuidv7(), id, 'ONE_OFF', 'OPEN', n, format('%s-%s', invoice_prefix, lpad(n::text, 4, '0')), 'EUR', 2900, 0, 2900,
  2900, '{"name": "Grown"}', at, at, at, at, 1, at, at
FROM grown, generate_series(1, $2) AS n, LATERAL (SELECT created_at + make_interval(days => n) AS at) AS made
"""
"""Adds customers older than all others, so that they come first in lists."""

GROWN = """
query Grown($customers: Int!, $invoices: Int!) { customers(first: $customers) { nodes {
  id invoices(first: $invoices) { nodes { id number status amountCents periodStart periodEnd } }
} } }
"""

CROWD = Effort(rounds=1, warm_up=3.0, seconds=60.0, connections=64)
STRAGGLING = 10
"""Maximum 99th percentile, relative to the median."""

PORTIONS, PORTION = 10, 10_000
FLAT_WITHIN = 1.05
"""Maximum memory at the end, relative to the memory after two portions."""
WRITES = 200
"""Number of writes in a portion. The other requests cycle through `MIX`."""
MIX = (*("one",) * 20, *("flat", "page") * 2, "deep", "nested")


@dataclass(frozen=True, slots=True)
class Trial:
    """A server of this project on its own database."""

    bench: Bench
    database: BenchDatabase
    server: Server
    facts: dict[str, Any]


@contextmanager
def trial(*, subscribers: int) -> Iterator[Trial]:
    server_processors, other_processors = processors()
    with tempfile.TemporaryDirectory(prefix="billing-bench-") as name, confined(other_processors):
        folder = Path(name)
        with bench_database(folder) as database, driver() as load:
            subjects = database.fill(customers=300, subscribers=subscribers)
            with running([kind_of("ours")], database, folder, server_processors) as [server]:
                facts = machine_facts(database, server_processors, other_processors)
                yield Trial(Bench(load, database, subjects), database, server, facts)


def growth(name: str) -> None:
    """Measures the cost of a query by the number of invoices that it reads."""
    customers, invoices = SIZES[-1]
    operations = [
        Operation(f"{each * of} invoices", "", GROWN, always(customers=each, invoices=of)) for each, of in SIZES
    ]
    with trial(subscribers=1) as here:
        here.database.run(ADD_GROWN, arguments=[customers, invoices])
        for operation, (each, of) in zip(operations, SIZES, strict=True):
            check_size(here, operation, each * of)
        for _ in here.bench.rounds([here.server], operations, replace(GROWTH, rounds=1)):
            pass
        cells = list(here.bench.rounds([here.server], operations, GROWTH))
    print(f"{'':<16}{'server ms':>12}{'µs for each':>14}{'PostgreSQL ms':>16}")
    costs = []
    for operation, (each, of) in zip(operations, SIZES, strict=True):
        mine = sorted((c for c in cells if c.operation == operation.name), key=lambda c: c.server_ms)
        median = mine[len(mine) // 2]
        costs.append(median.server_ms / (each * of))
        print(f"{operation.name:<16}{median.server_ms:>12.2f}{costs[-1] * 1000:>14.1f}{median.postgres_ms:>16.2f}")
    print(save(f"{name}-growth", here.facts, cells=[asdict(each) for each in cells]))
    if costs[-1] > LINEAR * costs[-2]:
        sys.exit(f"An invoice among 10 000 costs more than {LINEAR} times what it costs among 1 000.")


def check_size(here: Trial, operation: Operation, size: int) -> None:
    found: Any = here.server.ask(operation, operation.variables(here.bench.subjects)[0])
    given = sum(len(customer["invoices"]["nodes"]) for customer in found["customers"]["nodes"])
    assert given == size, f"{operation.name}: {given}"


def crowd(name: str, operations: Sequence[Operation]) -> None:
    """Keeps 64 connections busy for a minute. Exits on a failed request or a high 99th percentile."""
    straggling: list[Cell] = []
    cells: list[Cell] = []
    with trial(subscribers=1) as here:
        for operation in operations:
            here.database.tidy()
            cells.append(found := cell(1, here.server, operation, here.bench.measure(here.server, operation, CROWD)))
            print(
                f"{operation.name:<10}{found.requests} requests, none failed; {found.requests_per_second:.0f} a second;"
                f" p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms",
                flush=True,
            )
            if found.p99_ms > STRAGGLING * found.p50_ms:
                straggling.append(found)
    print(save(f"{name}-crowd", here.facts, cells=[asdict(each) for each in cells]))
    if straggling:
        sys.exit(f"p99 is over {STRAGGLING} times p50: {', '.join(each.operation for each in straggling)}.")


def soak(name: str) -> None:
    """Sends 100 000 requests of all kinds, and records the memory after each 10 000."""
    with trial(subscribers=WRITES) as here:
        order = portion(here)
        megabytes = []
        for number in range(1, PORTIONS + 1):
            measured = here.bench.driver.drive(order)
            require_answers(measured)
            here.database.forget(here.bench.subjects.subscribers)
            megabytes.append(resident_bytes(here.server.pid) / 1e6)
            print(f"{number * PORTION:>8} requests  {megabytes[-1]:.1f} MB", flush=True)
    print(save(f"{name}-soak", here.facts, megabytes=[round(each, 1) for each in megabytes]))
    if megabytes[-1] > FLAT_WITHIN * megabytes[1]:
        sys.exit(f"The memory grew by more than {FLAT_WITHIN - 1:.0%} after the first {2 * PORTION} requests.")


def portion(here: Trial) -> Order:
    """Returns an order of 10 000 requests, each sent once: reads in turn, with writes at regular intervals."""
    subjects = here.bench.subjects
    writing = operation_of("subscribe")
    writes = [here.server.request(writing, variables) for variables in writing.variables(subjects)]
    reading = [operation_of(name) for name in MIX]
    variables = [operation.variables(subjects) for operation in reading]
    requests = []
    for number in range(PORTION):
        if number % (PORTION // WRITES) == 0:
            requests.append(writes[number // (PORTION // WRITES)])
            continue
        which, turn = number % len(reading), number // len(reading)
        its = variables[which]
        requests.append(here.server.request(reading[which], its[turn % len(its)]))
    order = here.bench.order(here.server, writing, Effort(rounds=1, warm_up=0.0, seconds=3600.0))
    return replace(order, requests=requests)


def require_answers(measured: Measured) -> None:
    if measured.failures:
        sys.exit(f"{measured.failures} failed: {measured.first_failure}")
    assert measured.requests == PORTION, measured.requests
