"""Measures the cost of observability: this server with log lines, metrics and traces, compared with it without them.

./dev run python -m bench.observability [--rounds 25] [--seconds 1.0] [--only nested]

Exits with an error if log lines and metrics cost more than a twentieth.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from bench.database import bench_database
from bench.measuring import Bench, Cell, Effort, driver, processors
from bench.operations import operation_of
from bench.servers import Kind, kind_of, running

DEAREST = 1.05

WITHOUT = kind_of("ours")
METRICS_AND_LINES = {"BILLING_METRICS": "on", "BILLING_LOG_REQUESTS": "on"}


def told(name: str, title: str, **environment: str) -> Kind:
    return replace(WITHOUT, name=name, title=title, environment={**WITHOUT.environment, **environment})


class Collector(BaseHTTPRequestHandler):
    """Accepts traces and discards them."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def ratios(cells: Sequence[Cell], name: str) -> list[float]:
    """Returns the cost relative to the server without observability, for each round."""
    without = {cell.round: cell.server_ms for cell in cells if cell.server == WITHOUT.name}
    return [cell.server_ms / without[cell.round] for cell in cells if cell.server == name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", default="nested", help="the operation that is sent")
    arguments = parser.parse_args()
    operation = operation_of(arguments.only)
    effort = Effort(rounds=arguments.rounds, warm_up=0.2, seconds=arguments.seconds)

    collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    Thread(target=collector.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
    kinds = [
        WITHOUT,
        told("both", "metrics, a line for each", **METRICS_AND_LINES),
        told("traces", "traces of all", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint),
        told(
            "sampled",
            "traces of one in a hundred",
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_TRACES_SAMPLER="parentbased_traceidratio",
            OTEL_TRACES_SAMPLER_ARG="0.01",
        ),
    ]
    servers, others = processors()
    os.sched_setaffinity(0, others)
    with tempfile.TemporaryDirectory(prefix="billing-bench-") as name:
        folder = Path(name)
        with bench_database(folder) as database, driver() as load:
            subjects = database.fill(customers=300, subscribers=600)
            with running(kinds, database, folder, servers) as started:
                bench = Bench(load, database, subjects)
                for _ in bench.rounds(started, [operation], replace(effort, rounds=1)):
                    pass
                cells = [*bench.rounds(started, [operation], effort)]
    print(f"{operation.name}, medians of {effort.rounds} rounds\n{'':<28}{'server ms':>10}{'× without':>11}")
    for kind in kinds:
        mine = statistics.median(cell.server_ms for cell in cells if cell.server == kind.name)
        print(
            f"{kind.title if kind is not WITHOUT else 'without':<28}{mine:>10.3f}"
            f"{statistics.median(ratios(cells, kind.name)):>11.3f}"
        )
    cost = statistics.median(ratios(cells, "both"))
    if cost > DEAREST:
        sys.exit(f"Log lines and metrics cost more than {DEAREST - 1:.0%}: {cost - 1:.1%}.")


if __name__ == "__main__":
    main()
