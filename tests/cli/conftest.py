"""Servers as users start them: separate processes, each on a free port."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.faults.processes import end_all
from tests.support import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


@dataclass
class Served:
    """A running `billing serve`."""

    process: subprocess.Popen[str]
    said: Path
    url: str

    def graphql(self, query: str, **variables: object) -> dict[str, object]:
        """Returns the `data` of the response."""
        request = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.url}/graphql", json=request, timeout=PATIENCE_SECONDS)
        document = answer.json()
        assert "errors" not in document, document
        data: dict[str, object] = document["data"]
        return data

    def until(self, path: str, status: int = 200) -> None:
        """Waits until `path` responds with `status`."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(self.url + path, timeout=5).status_code == status:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.05)
        pytest.fail(f"{path} has not answered {status}: {self.said.read_text()}")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stops the server with a signal, and returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


Serve = Callable[..., Served]


def billing(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command `billing` until it exits."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, and stops those still running after the test."""
    with servers(tmp_path) as start:
        yield start


@contextmanager
def servers(folder: Path) -> Iterator[Serve]:
    """Starts servers that write their logs to the folder, and stops those still running at the end."""
    started: list[Served] = []

    def start(*arguments: str, environment: dict[str, str] | None = None) -> Served:
        said = folder / f"serve-{len(started)}.log"
        with said.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "serve", "--port", "0", *arguments],
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdout=output,
                stderr=output,
                text=True,
            )
        served = Served(process, said, "")
        started.append(served)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            found = re.search(r"Playground\s+(\S+)/graphql", said.read_text())
            if found:
                served.url = found[1]
                served.until("/ready")
                return served
            time.sleep(0.05)
        return served

    try:
        yield start
    finally:
        end_all([served.process for served in started], signal.SIGTERM)
