"""A running server with a separate database for each test file."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from db.embedded import EmbeddedPostgres
from tests.cli.conftest import ROOT, Served
from tests.conftest import execute, named
from tests.support import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def served(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running `billing serve` with one worker and no background work."""
    name = f"scanners_{uuid4().hex}"
    asyncio.run(execute(server.url, f"CREATE DATABASE {name}"))
    said = tmp_path_factory.mktemp("serve") / "serve.log"
    environment = {"DATABASE_URL": named(server.url, name), "BILLING_AUTH": "off", "BILLING_WORKERS": "1"}
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--no-renew"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            text=True,
        )
    served = Served(process, said, "")
    try:
        served.url = address_said(served)
        served.until("/ready")
        yield served
    finally:
        if process.poll() is None:
            served.stop(signal.SIGTERM)
        asyncio.run(execute(server.url, f"DROP DATABASE {name} WITH (FORCE)"))


def address_said(served: Served) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and served.process.poll() is None:
        found = re.search(r"Playground\s+(\S+)/graphql", served.said.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"The server does not listen: {served.said.read_text()}")
