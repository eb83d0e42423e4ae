"""Virtual environment for tests: the packages of `python/requirements.lock`, installed once for each lock file.

It is separate from the server's because ariadne-codegen needs another version of graphql-core.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from tests.clients.node import HERE, PROJECT, alone, unavailable
from tests.support import PATIENCE_SECONDS

LOCK = HERE / "python" / "requirements.lock"
"""Compiled from `requirements.in` in the same folder, with the options of `./dev lock`."""

INSTALLATIONS = PROJECT / ".tools" / "clients-python"
"""Folder with one virtual environment for each lock file. Safe to delete."""

NO_NETWORK = re.compile(
    r"error sending request|dns error|tcp connect error|operation timed out|network connectivity is disabled|"
    r"network was disabled",
    re.IGNORECASE,
)
"""Errors of uv when it reaches no package index. Any other error, such as a wrong hash, fails the test."""


def python_with_packages() -> Path:
    """Returns the path of the interpreter. Needs no network if the packages are installed already."""
    parts = (sys.version, sys.platform, platform.machine(), sys.base_prefix)
    key = sha256(LOCK.read_bytes() + repr(parts).encode()).hexdigest()[:16]
    target = INSTALLATIONS / key
    with alone(INSTALLATIONS / "lock"):
        if not target.exists():
            install(target)
    return target / "bin" / "python"


def install(target: Path) -> None:
    """Installs into a folder beside the target and renames it, so that the target is complete or missing."""
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=target.parent) as folder:
        unfinished = Path(folder) / "installation"
        python = unfinished / "bin" / "python"
        uv("venv", "--quiet", "--no-python-downloads", "--python", sys.executable, str(unfinished))
        uv("pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(LOCK))
        unfinished.rename(target)


def uv(*arguments: str) -> None:
    """Runs uv, which is one of the project's development tools."""
    beside = Path(sys.executable).parent / "uv"
    command = beside if beside.exists() else shutil.which("uv")
    if command is None:
        unavailable("These tests need uv: it is neither beside Python nor on PATH.")
    # Uses the certificates that the machine trusts, like `./dev`.
    trust = {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
    done = subprocess.run(
        [command, *arguments],
        env=trust | os.environ,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode != 0 and NO_NETWORK.search(done.stderr):
        unavailable("These tests need packages that are not installed, and uv reached no index.")
    assert done.returncode == 0, done.stderr
