"""Node.js for tests: the packages of `package-lock.json` in this folder, installed once for each lock file."""

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
"""Folder with one subfolder for each state of the lock file, which contains `node_modules`. Safe to delete."""

LEAST_NODE = (20, 19)
"""Minimum version of Node.js: the first of its line in which `require` can load the code generator's modules."""

SOURCES = (".npmrc", "package.json", "package-lock.json")

NO_NETWORK = re.compile(
    r"^npm error code (EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTCACHED|ENOTFOUND|"
    r"ERR_SOCKET_TIMEOUT|ETIMEDOUT)$",
    re.MULTILINE,
)
"""Errors of npm when it reaches no registry. Any other error, such as a wrong hash, fails the test."""


BRIEFLY = ("--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000")
"""Options for npm that limit retries and hide warnings. Some packages warn that loading schemas from URLs needs Node.js
22, but nothing here does that.
"""


def unavailable(reason: str) -> NoReturn:
    """Skips the test, or fails it on CI, where everything must be available."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with sources and a link to the packages."""

    folder: Path

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command in the folder. A name with a slash is a path relative to the folder."""
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
    """Skips or fails the test unless npm and a recent Node.js are installed."""
    if not (shutil.which("node") and shutil.which("npm")):
        unavailable("These tests need Node.js with npm: they are not on PATH.")

    # The programs found may be shims that do not run.
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
    """Returns the folder `node_modules` for the lock file in `sources`. Needs no network if it is installed already."""
    require_node()
    # The lock file lists binaries for many platforms, but npm installs those of one.
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
    """Holds a lock between processes, so that the first of parallel test processes installs and the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def reached_by(npm: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """Skips or fails the test if npm reached no registry. Otherwise returns the result, which may be another error.

    A registry may also reject a ping.
    """
    if NO_NETWORK.search(npm.stderr):
        unavailable("These tests need packages that are not installed, and npm reached no registry.")
    return npm


def install(sources: Path, target: Path) -> None:
    """Installs into a folder beside the target and renames it, so that the target is complete or missing."""
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=target.parent) as folder:
        unfinished = Path(folder) / "installation"
        unfinished.mkdir()
        for name in SOURCES:
            shutil.copy(sources / name, unfinished)
        # Pings first: without a network, `npm ci` would retry each of three hundred packages for a minute.
        reached_by(run("npm", "ping", *BRIEFLY, folder=unfinished))
        npm = reached_by(run("npm", "ci", "--ignore-scripts", *BRIEFLY, folder=unfinished))
        assert npm.returncode == 0, npm.stderr
        unfinished.rename(target)


if __name__ == "__main__":
    # For scripts: prints the folder, or exits with 75 (EX_TEMPFAIL) if tests would be skipped.
    try:
        sys.stdout.write(f"{installed_packages()}\n")
    except pytest.skip.Exception:
        sys.exit(75)
    except pytest.fail.Exception as failure:
        sys.exit(f"error: {failure}")
