"""Facts about the machine and its software, without which results of two runs cannot be compared."""

import json
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.database import BenchDatabase

PYTHON_PACKAGES = (
    "strawberry-graphql",
    "graphql-core",
    "sqlalchemy",
    "asyncpg",
    "starlette",
    "uvicorn",
    "orjson",
    "fastapi",
)
LOCK = Path(__file__).parent / "peers" / "package-lock.json"


def machine_facts(database: BenchDatabase, server: set[int], others: set[int]) -> dict[str, Any]:
    [[postgres]] = database.run("SHOW server_version")
    return {
        "date": f"{datetime.now(UTC):%FT%TZ}",
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "processors": {"server": sorted(server), "PostgreSQL and load": sorted(others)},
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "reference_ms": round(reference_ms()),
        "commit": commit(),
        "python": platform.python_version(),
        "node": printed("node", "--version"),
        "postgresql": postgres,
        "packages": {name: version(name) for name in PYTHON_PACKAGES} | node_packages(),
    }


def node_packages() -> dict[str, str]:
    packages = json.loads(LOCK.read_text())["packages"]
    return {name: packages[f"node_modules/{name}"]["version"] for name in packages[""]["dependencies"]}


def reference_ms() -> float:
    """Returns the best time of a fixed Python loop, in milliseconds, as a measure of the machine's current speed."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        sum(range(10_000_000))
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def commit() -> str:
    """Returns the short commit hash, followed by + if tracked files are modified."""
    revision = printed("git", "rev-parse", "--short", "HEAD")
    return f"{revision}+" if printed("git", "status", "--porcelain", "--untracked-files=no") else revision


def printed(*command: str) -> str:
    """Returns the output of a command. Empty if the command is not installed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
