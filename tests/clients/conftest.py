"""Fixtures for client tests: a folder with sources and packages, and a running server."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from db.embedded import EmbeddedPostgres
from tests.cli.conftest import ROOT, Served
from tests.clients.node import HERE, PROJECT, Workspace, installed_packages, run
from tests.conftest import execute, named
from tests.support import PATIENCE_SECONDS


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The sources in this folder, with the schema. Nothing is written into the checkout."""
    packages = installed_packages()
    folder = tmp_path_factory.mktemp("clients")
    for source in (PROJECT / "schema.graphql", *HERE.glob("*.*")):
        if source.suffix in {".graphql", ".html", ".json", ".mjs", ".ts"}:
            shutil.copy(source, folder)
    for client in ("relay", "python"):
        shutil.copytree(HERE / client, folder / client, ignore=shutil.ignore_patterns("__pycache__"))
    folder.joinpath("node_modules").symlink_to(packages, target_is_directory=True)
    return Workspace(folder)


@pytest.fixture(scope="session")
def generated(workspace: Workspace) -> Path:
    """Folder with the TypeScript that graphql-codegen generates for `operations.graphql`."""
    codegen = workspace.run("node_modules/.bin/graphql-codegen", "--config", "codegen.json")
    assert codegen.returncode == 0, codegen.stdout + codegen.stderr
    return workspace.folder / "generated"


def succeeded(process: subprocess.CompletedProcess[str]) -> str:
    """Returns the output of a command, which must succeed."""
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="session")
def built(workspace: Workspace, generated: Path) -> Workspace:
    """The workspace with the programs for Apollo Client, urql and Relay, compiled as strict TypeScript."""
    succeeded(workspace.run("node_modules/.bin/tsc", "--project", "tsconfig.clients.json"))
    relay = workspace.folder / "relay"
    succeeded(run("../node_modules/.bin/relay-compiler", folder=relay))
    succeeded(run("../node_modules/.bin/tsc", "--noEmit", folder=relay))
    succeeded(run("node", "build.mjs", folder=relay))
    succeeded(run("../node_modules/.bin/tsc", folder=relay))
    return workspace


@pytest.fixture(scope="session")
def endpoint(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running `billing serve` with a separate database, shared by all clients."""
    with serving(server.url, tmp_path_factory.mktemp("serve")) as url:
        yield url


@contextmanager
def serving(postgres: str, folder: Path, **environment: str) -> Iterator[str]:
    """Runs `billing serve` without API keys, over a new database at `postgres`. Yields its URL."""
    name = f"clients_{uuid4().hex}"
    asyncio.run(execute(postgres, f"CREATE DATABASE {name}"))
    said = folder / "serve.log"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "serve", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": named(postgres, name), "BILLING_AUTH": "off", **environment},
            stdout=output,
            stderr=output,
            text=True,
        )
    served = Served(process, said, "")
    try:
        served.url = listening_at(served)
        served.until("/ready")
        yield f"{served.url}/graphql"
    finally:
        if process.poll() is None:
            served.stop(signal.SIGTERM)
        asyncio.run(execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


def listening_at(served: Served) -> str:
    """Waits for the server to log its address. Returns that address."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and served.process.poll() is None:
        found = re.search(r"Playground\s+(\S+)/graphql", served.said.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"The server does not listen: {served.said.read_text()}")
