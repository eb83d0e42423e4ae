"""The supervisor of several workers: replaces workers that do not respond, and logs a warning."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Serve, Served
from tests.support import PATIENCE_SECONDS

SLOW_IMPORTS = """
import os, sys, time
if "--multiprocessing-fork" in sys.orig_argv:
    with open({started!r}, "a") as started:
        print(os.getpid(), file=started)
    time.sleep(8)
"""
"""Longer than a worker may take to respond once it has started."""


def workers_of(served: Served) -> list[int]:
    """Returns the ids of the worker processes, which are recognized by their command line."""
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    return [
        int(child) for child in children if b"--multiprocessing-fork" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def replaced(served: Served) -> list[dict[str, object]]:
    """Returns the warnings about replaced workers."""
    lines = [json.loads(line) for line in served.said.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "replacing a worker"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGKILL, "it was killed by SIGKILL"), (signal.SIGSTOP, "it has not responded for 5 s")],
    ids=["one that is killed", "one that hangs"],
)
def test_a_worker_that_serves_no_more_is_replaced(
    serve: Serve, database_url: str, number: signal.Signals, reason: str
) -> None:
    served = serve("--workers", "2", environment={"DATABASE_URL": database_url, "BILLING_AUTH": "off"})
    until(lambda: len(workers_of(served)) == 2)
    served.graphql("{ __typename }")
    # A worker gets a minute to start. It is polled every half second, and has responded by then.
    time.sleep(3)
    [gone, other] = workers_of(served)

    os.kill(gone, number)
    until(lambda: bool(replaced(served)))
    until(lambda: len(workers_of(served)) == 2)

    [line] = replaced(served)
    assert (line["level"], line["logger"], line["pid"], line["reason"]) == ("warning", "billing.workers", gone, reason)
    assert gone not in workers_of(served)
    assert other in workers_of(served)
    assert served.graphql("{ __typename }") == {"__typename": "Query"}
    assert served.stop(signal.SIGTERM) == 0


def test_a_worker_has_time_to_start(serve: Serve, database_url: str, tmp_path: Path) -> None:
    started = tmp_path / "started"
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLOW_IMPORTS.format(started=str(started)))

    served = serve(
        "--workers",
        "2",
        environment={"DATABASE_URL": database_url, "BILLING_AUTH": "off", "PYTHONPATH": str(folder)},
    )

    assert served.url, served.said.read_text()
    assert len(started.read_text().splitlines()) == 2
    assert replaced(served) == []
    assert served.stop(signal.SIGTERM) == 0
