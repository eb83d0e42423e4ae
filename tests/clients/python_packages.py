"""A Python of its own for tests: the packages of `python/requirements.lock`, installed once for each lock file.

They cannot be the server's: ariadne-codegen works with another version of graphql-core.
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
"""Made of `requirements.in` beside it, with the options that `./dev lock` has."""

INSTALLATIONS = PROJECT / ".tools" / "clients-python"
"""A virtual environment for each lock file. May be deleted."""

NO_NETWORK = re.compile(
    r"error sending request|dns error|tcp connect error|operation timed out|network connectivity is disabled|"
    r"network was disabled",
    re.IGNORECASE,
)
"""How uv says that nobody answered. A package with a wrong hash, say, is no such thing: it fails."""


def python_with_packages() -> Path:
    """The interpreter. What is installed already needs no network."""
    parts = (sys.version, sys.platform, platform.machine(), sys.base_prefix)
    key = sha256(LOCK.read_bytes() + repr(parts).encode()).hexdigest()[:16]
    target = INSTALLATIONS / key
    with alone(INSTALLATIONS / "lock"):
        if not target.exists():
            install(target)
    return target / "bin" / "python"


def install(target: Path) -> None:
    """Fills a folder beside the target and renames it, so that the target is complete or not there."""
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=target.parent) as folder:
        unfinished = Path(folder) / "installation"
        python = unfinished / "bin" / "python"
        uv("venv", "--quiet", "--no-python-downloads", "--python", sys.executable, str(unfinished))
        uv("pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(LOCK))
        unfinished.rename(target)


def uv(*arguments: str) -> None:
    """Runs uv, which is among the project's own tools."""
    beside = Path(sys.executable).parent / "uv"
    command = beside if beside.exists() else shutil.which("uv")
    if command is None:
        unavailable("These tests need uv: it is neither beside Python nor on PATH.")
    # The certificates that the machine trusts, as `./dev` has it.
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
