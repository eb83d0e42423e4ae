"""Node.js for tests: the packages of `package-lock.json` beside this file, installed once for each lock file."""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support import PATIENCE_SECONDS

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
INSTALLATIONS = PROJECT / ".tools" / "clients"
"""A folder for each state of the lock file, with `node_modules` in it. May be deleted."""

LEAST_NODE = (20, 19)
"""Node.js 20.19 is the first of its line whose `require` takes the modules that the code generator is made of."""

SOURCES = (".npmrc", "package.json", "package-lock.json")

NO_NETWORK = re.compile(
    r"^npm error code (EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTCACHED|ENOTFOUND|"
    r"ERR_SOCKET_TIMEOUT|ETIMEDOUT)$",
    re.MULTILINE,
)
"""How npm says that nobody answered. A package with a wrong hash, say, is no such thing: it fails."""


BRIEFLY = ("--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
"""Says errors only: some packages warn that they want Node.js 22, for loading schemas from URLs, which nothing does."""


def unavailable(reason: str) -> NoReturn:
    """Skips the test, or fails it on CI, where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with sources and, linked into it, the packages."""

    folder: Path

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command in the folder; one with a slash in it is a file of the folder."""
        return run(*command, folder=self.folder, stdin=stdin)


def run(*command: str, folder: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


def require_node() -> None:
    """Skips or fails without a Node.js that is new enough, or without npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        unavailable("These tests need Node.js with npm: they are not on PATH.")

    # What is found may be a shim that does not run.
    node = run("node", "--version", folder=HERE)
    npm = run("npm", "--version", folder=HERE)
    version = re.match(r"v(\d+)\.(\d+)\.", node.stdout)
    if version is None or npm.returncode != 0:
        unavailable(f"These tests need Node.js with npm: {node.stderr or npm.stderr}")
    if (int(version[1]), int(version[2])) < LEAST_NODE:
        unavailable(
            f"These tests need Node.js {LEAST_NODE[0]}.{LEAST_NODE[1]} or later: this is {node.stdout.strip()}."
        )


def installed_packages(sources: Path = HERE, installations: Path = INSTALLATIONS) -> Path:
    """The folder `node_modules`, of the lock file in `sources`. What is installed already needs no network."""
    require_node()
    # The lock file lists programs for many platforms, of which npm installs one.
    parts = [
        sys.platform.encode(),
        platform.machine().encode(),
        *(sources.joinpath(name).read_bytes() for name in SOURCES),
    ]
    key = sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()[:16]
    target = installations / key
    with alone(installations / "lock"):
        if not target.exists():
            install(sources, target)
    return target / "node_modules"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Lets one process in at a time: of parallel test processes the first installs, and the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def reached_by(npm: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """What npm did, unless it failed because nobody answered. A registry need not answer a ping kindly."""
    if NO_NETWORK.search(npm.stderr):
        unavailable("These tests need packages that are not installed, and npm reached no registry.")
    return npm


def install(sources: Path, target: Path) -> None:
    """Fills a folder beside the target and renames it, so that the target is complete or not there."""
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=target.parent) as folder:
        unfinished = Path(folder) / "installation"
        unfinished.mkdir()
        for name in SOURCES:
            shutil.copy(sources / name, unfinished)
        # One question first: without a network, npm asks for each of three hundred packages, for a minute.
        reached_by(run("npm", "ping", *BRIEFLY, folder=unfinished))
        npm = reached_by(run("npm", "ci", "--ignore-scripts", *BRIEFLY, folder=unfinished))
        assert npm.returncode == 0, npm.stderr
        unfinished.rename(target)


if __name__ == "__main__":
    # For scripts: the folder's path, or 75, which is EX_TEMPFAIL, where tests would be skipped.
    try:
        sys.stdout.write(f"{installed_packages()}\n")
    except pytest.skip.Exception:
        sys.exit(75)
    except pytest.fail.Exception as failure:
        sys.exit(f"error: {failure}")
