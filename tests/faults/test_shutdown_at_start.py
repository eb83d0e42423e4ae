"""SIGTERM while a server starts: it exits soon, and so does the embedded PostgreSQL that it has started."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.faults.processes import Server, Servers, postmaster_of, until

ENDED_BY_SIGTERM = 128 + signal.SIGTERM


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_server_that_is_told_to_end_before_it_serves_does(
    servers: Servers, new_folder: Path, workers: int
) -> None:
    for seconds in (0.0, 0.2, 0.5):
        server = servers.server("--data-dir", str(new_folder), "--workers", str(workers))
        server.start()
        await until(lambda: has_said(server, "Stop with"), what="it is about to serve")  # noqa: B023
        # By then its modules are loaded, its workers start, or it begins to listen. Each takes a fraction of a second.
        await asyncio.sleep(seconds)
        server.send(signal.SIGTERM)

        assert await server.ended() == 0
        assert postmaster_of(new_folder) is None, "PostgreSQL was not shut down"


async def test_a_server_that_is_told_to_end_while_its_postgres_starts_ends_both(
    servers: Servers, new_folder: Path
) -> None:
    server = servers.server("--data-dir", str(new_folder))
    server.start()
    await until(lambda: has_postmaster(new_folder), what="PostgreSQL starts")
    server.send(signal.SIGTERM)

    assert await server.ended() in (0, ENDED_BY_SIGTERM)
    assert postmaster_of(new_folder) is None, "PostgreSQL was not shut down"
    assert "Traceback" not in server.said.read_text()


SLOW_IMPORTS = """
import sys, time
if "--multiprocessing-fork" in sys.orig_argv:
    time.sleep(5)
"""


@pytest.mark.parametrize("slow", [True, False], ids=["while its workers import", "while its workers start"])
async def test_ctrl_c_ends_a_server_with_workers_quietly(
    servers: Servers, data_dir: Path, tmp_path: Path, *, slow: bool
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_IMPORTS if slow else "")
    server = servers.server("--data-dir", str(data_dir), "--workers", "2", PYTHONPATH=str(tmp_path))
    server.start()
    await until(lambda: has_workers(server), what="its workers start")
    # By then, Python has started in them.
    await asyncio.sleep(1)
    # The terminal sends the signal to all processes.
    for pid in (*server.workers(), server.pid):
        os.kill(pid, signal.SIGINT)

    assert await server.ended() == 0
    said = server.said.read_text()
    assert [line for line in said.splitlines() if line.startswith(("Traceback", "Keyboard")) or "Warning" in line] == []
    assert postmaster_of(data_dir) is None, "PostgreSQL was not shut down"


async def has_workers(server: Server) -> bool:
    return len(server.workers()) == 2


async def has_said(server: Server, line: str) -> bool:
    assert server.runs, server.said.read_text()
    return line in server.said.read_text()


async def has_postmaster(data_dir: Path) -> bool:
    return postmaster_of(data_dir) is not None
