"""Compares the cost of a request with that of other servers on the same database.

`./dev bench` compares servers: see bench/README.md for how to read its tables. `./dev bench growth` measures how the
cost of a query grows with its rows, `crowd` keeps 64 connections busy for a minute, and `soak` watches the memory.
`lists` reads every list of a million invoices, `search` searches a million customers, and `figures` reads the figures
of a million subscriptions. `push` measures webhooks and live streams. `busy` and `renewing` measure the latency of
requests while another customer is locked, and during a renewal run.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from bench.comparison import Differs, check
from bench.database import bench_database
from bench.figures import figures
from bench.machine import machine_facts
from bench.measuring import Bench, Cell, Effort, driver, processors
from bench.operations import OPERATIONS, Operation
from bench.push import push
from bench.report import read, rows, save, summary, table
from bench.search import search
from bench.servers import KINDS, Kind, running
from bench.strain import busy, lists, renewing
from bench.trials import crowd, growth, soak

Named = TypeVar("Named", Operation, Kind)

THOROUGH = Effort(rounds=5, warm_up=0.6, seconds=2.0)
QUICK = Effort(rounds=2, warm_up=0.2, seconds=0.8)
FIRST = Effort(rounds=1, warm_up=0.0, seconds=1.0)
"""A first round that is discarded, so that code compiled at run time is ready."""


def chosen(all_of_them: Sequence[Named], names: str | None) -> list[Named]:
    known = {each.name: each for each in all_of_them}
    if names is None:
        return list(all_of_them)
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise SystemExit(f"error: {unknown[0]!r} is not one of {', '.join(known)}.")
    return [known[name] for name in names.split(",")]


def compare(arguments: argparse.Namespace) -> None:
    kinds, operations = chosen(KINDS, arguments.servers), chosen(OPERATIONS, arguments.only)
    effort = QUICK if arguments.quick else THOROUGH
    server_processors, other_processors = processors()
    os.sched_setaffinity(0, other_processors)
    with tempfile.TemporaryDirectory(prefix="billing-bench-") as name:
        folder = Path(name)
        with bench_database(folder) as database, driver() as load:
            subjects = database.fill(customers=300, subscribers=600 if arguments.quick else 2000)
            with running(kinds, database, folder, server_processors) as servers:
                check(database, servers, operations, subjects)
                print(f"{len(servers)} servers return and write the same.", flush=True)
                facts = machine_facts(database, server_processors, other_processors)
                bench = Bench(load, database, subjects)
                for _ in bench.rounds(servers, operations, FIRST):
                    pass
                cells = []
                for found in bench.rounds(servers, operations, effort):
                    cells.append(found)
                    print(
                        f"\r{found.round}/{effort.rounds} {found.operation:<12}{found.server:<14}", end="", flush=True
                    )
    print()
    show(operations, kinds, cells)
    print(f"\n{save(arguments.name, facts, cells=rows(cells))}")


def show(operations: Sequence[Operation], kinds: Sequence[Kind], cells: Sequence[Cell]) -> None:
    for operation in operations:
        print(f"\n{table(operation, kinds, cells)}")
    print(f"\n{summary(operations, kinds, cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=("compare", "growth", "crowd", "soak", "lists", "search", "figures", "push", "busy", "renewing"),
        default="compare",
    )
    parser.add_argument("--quick", action="store_true", help="compare in three minutes instead of twelve")
    parser.add_argument("--only", metavar="OPERATIONS", help=", ".join(operation.name for operation in OPERATIONS))
    parser.add_argument("--servers", metavar="SERVERS", help=", ".join(kind.name for kind in KINDS))
    parser.add_argument(
        "--name",
        default=f"{datetime.now(UTC):%Y-%m-%d-%H%M}",
        help="name of the file in bench/results; defaults to the date",
    )
    parser.add_argument("--show", metavar="FILE", help="show the tables of an earlier run")
    arguments = parser.parse_args()
    match arguments.what:
        case _ if arguments.show:
            show(OPERATIONS, KINDS, read(Path(arguments.show)))
        case "growth":
            growth(arguments.name)
        case "crowd":
            crowd(arguments.name, chosen([each for each in OPERATIONS if not each.writes], arguments.only or "one"))
        case "soak":
            soak(arguments.name)
        case "lists":
            lists(arguments.name)
        case "search":
            search(arguments.name)
        case "figures":
            figures(arguments.name)
        case "push":
            push(arguments.name)
        case "busy":
            busy(arguments.name)
        case "renewing":
            renewing(arguments.name)
        case _:
            compare(arguments)


if __name__ == "__main__":
    try:
        main()
    except Differs as difference:
        sys.exit(str(difference))
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        sys.exit(f"error: {missing} Without Node.js: --servers ours,idiomatic,rest,floor")
