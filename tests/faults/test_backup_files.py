"""Backups that are interrupted, damaged or incompatible: a database is restored completely or stays empty."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from rich.console import Console
from sqlalchemy import text

from cli.demo import fill
from db.backup import read_manifest
from db.database import single_connection
from db.embedded import EmbeddedPostgres
from db.migrations import head_revision
from tests.cli.conftest import ROOT, billing
from tests.conftest import execute, named, scalar
from tests.support import NOW, PATIENCE_SECONDS

TABLES = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"


@pytest.fixture(scope="module")
async def source(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """URL of a database with some customers."""
    name = f"source_{uuid4().hex}"
    await execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template}")
    url = named(server.url, name)
    await fill(url, customers=300, as_of=NOW, console=Console(quiet=True))
    yield url
    await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def backup(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the source database."""
    file = tmp_path_factory.mktemp("backups") / "whole.backup"
    done = billing("backup", str(file), DATABASE_URL=source)
    assert done.returncode == 0, done.stderr
    return file


def refusal_of(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the only line that a command wrote to stderr before it exited with 1."""
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line]
    assert line.startswith("error: ")
    return line


async def test_a_backup_is_its_owners_alone_and_never_written_over(source: str, backup: Path) -> None:
    before = backup.read_bytes()

    line = refusal_of(billing("backup", str(backup), DATABASE_URL=source))

    assert "already exists" in line
    assert backup.read_bytes() == before
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert [file.name for file in backup.parent.iterdir()] == [backup.name]
    manifest = read_manifest(backup)
    assert manifest.revision == head_revision()
    assert manifest.rows["customers"] == 300


async def test_a_database_that_is_not_empty_is_refused(source: str, backup: Path) -> None:
    before = await scalar(source, "SELECT count(*) FROM events")

    assert "is not empty" in refusal_of(billing("restore", str(backup), DATABASE_URL=source))

    assert await scalar(source, "SELECT count(*) FROM events") == before


async def test_a_database_without_tables_is_not_backed_up(empty_database_url: str, tmp_path: Path) -> None:
    line = refusal_of(billing("backup", str(tmp_path / "new.backup"), DATABASE_URL=empty_database_url))

    assert "nothing to back up" in line
    assert list(tmp_path.iterdir()) == []


Damage = Callable[[Path, Path], None]


def cut(whole: Path, damaged: Path) -> None:
    damaged.write_bytes(whole.read_bytes()[:-1000])


def flipped(whole: Path, damaged: Path) -> None:
    content = bytearray(whole.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)


def rewritten(whole: Path, damaged: Path, *, sql: Callable[[bytes], bytes], **changes: Any) -> None:
    """Copies an archive, with changed SQL or a changed manifest."""
    with ZipFile(whole) as read, ZipFile(damaged, "w", ZIP_DEFLATED) as written:
        written.writestr("database.sql", sql(read.read("database.sql")))
        document = {**json.loads(read.read("manifest.json")), **changes}
        written.writestr("manifest.json", json.dumps(document))


def exchanged(whole: Path, damaged: Path) -> None:
    rewritten(whole, damaged, sql=lambda said: said.replace(b"Ada", b"Eve", 1) + b"\n")


def counted_wrong(whole: Path, damaged: Path) -> None:
    rows = read_manifest(whole).rows
    rewritten(whole, damaged, sql=bytes, rows={**rows, "customers": rows["customers"] + 1})


def of_the_future(whole: Path, damaged: Path) -> None:
    rewritten(whole, damaged, sql=bytes, revision="9999", program="7.0.0")


def of_another_format(whole: Path, damaged: Path) -> None:
    rewritten(whole, damaged, sql=bytes, format=2)


def of_newer_programs(whole: Path, damaged: Path) -> None:
    rewritten(whole, damaged, sql=bytes, pg_dump="99.1")


def no_backup(_whole: Path, damaged: Path) -> None:
    damaged.write_text("CREATE TABLE customers ();\n")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "not a backup or is damaged"),
        (flipped, "damaged"),
        (exchanged, "its SQL does not match the manifest"),
        (counted_wrong, "customers has 300 rows instead of 301"),
        (of_the_future, "revision 9999, which this version does not know: restore it with version 7.0.0 or later"),
        (of_another_format, "format 2"),
        (of_newer_programs, "by the client programs of PostgreSQL 99"),
        (no_backup, "not a backup or is damaged"),
    ],
)
async def test_what_is_no_whole_backup_of_ours_is_refused(
    backup: Path, empty_database_url: str, tmp_path: Path, damage: Damage, reason: str
) -> None:
    damaged = tmp_path / "damaged.backup"
    damage(backup, damaged)

    assert reason in refusal_of(billing("restore", str(damaged), DATABASE_URL=empty_database_url))

    assert await scalar(empty_database_url, TABLES) == 0


def test_a_damaged_backup_leaves_no_database_behind(backup: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.backup"
    flipped(backup, damaged)

    assert "damaged" in refusal_of(billing("restore", str(damaged), "--data-dir", str(tmp_path / "new")))

    assert list(tmp_path.iterdir()) == [damaged]


def dumping_by(script: str, folder: Path) -> Path:
    """Creates a folder below `folder` with this script as `pg_dump`. Returns its path."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "pg_dump").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "pg_dump").chmod(0o755)
    return programs


async def test_programs_older_than_the_server_are_refused(source: str, tmp_path: Path) -> None:
    old = dumping_by("echo 'pg_dump (PostgreSQL) 14.9'", tmp_path)
    file = tmp_path / "new.backup"

    line = refusal_of(billing("backup", str(file), "--postgres-bin", str(old), DATABASE_URL=source))

    assert "The server is PostgreSQL 18" in line
    assert "--postgres-bin" in line
    assert not file.exists()


def test_a_program_that_has_gone_is_named_and_not_the_file(source: str, tmp_path: Path) -> None:
    programs = dumping_by("echo 'pg_dump (PostgreSQL) 18.0'; rm \"$0\"", tmp_path)
    file = tmp_path / "new.backup"

    line = refusal_of(billing("backup", str(file), "--postgres-bin", str(programs), DATABASE_URL=source))

    assert line == f"error: {programs / 'pg_dump'}: No such file or directory."
    assert list(tmp_path.iterdir()) == [programs]


ENDLESS = """import fcntl, os
fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)
while True: os.write(1, os.urandom(1 << 20))"""
"""A dump that is always ahead of its reader."""


@pytest.mark.parametrize("dump", ["short", "endless"])
def test_a_disk_that_takes_no_more_is_told_and_leaves_no_file(source: str, tmp_path: Path, dump: str) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "new.backup"
    command = f"ulimit -f 4; exec {sys.executable} -m cli.main backup {file}"
    if dump == "endless":
        script = (
            f"""[ "$1" = --version ] && exec echo "pg_dump (PostgreSQL) 18.0"\nexec {sys.executable} -c '{ENDLESS}'"""
        )
        command += f" --postgres-bin {dumping_by(script, tmp_path)}"

    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        # The limit also applies to Python's own files, which would be cut off.
        env={**os.environ, "DATABASE_URL": source, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert refusal_of(done) == f"error: Cannot write {file}: File too large."
    assert list(folder.iterdir()) == []


def started(*arguments: str, url: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DATABASE_URL": url}
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def until(url: str, statement: str) -> None:
    """Waits until the statement returns true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    async with single_connection(url) as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        while not await autocommit.scalar(text(statement)):
            assert time.monotonic() < deadline, "nothing happens"
            await asyncio.sleep(0.002)


OTHERS = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(source: str, tmp_path: Path) -> None:
    file = tmp_path / "killed.backup"
    async with single_connection(source) as connection:
        # `pg_dump` blocks at this table. Neither its rows nor their count are part of the backup.
        await connection.execute(text("LOCK TABLE rate_buckets IN ACCESS EXCLUSIVE MODE"))
        killed = started("backup", str(file), url=source)
        await until(source, f"SELECT count(*) > 0 FROM {OTHERS} AND wait_event_type = 'Lock'")
        killed.kill()
        killed.wait(PATIENCE_SECONDS)
        await connection.rollback()

    [left] = tmp_path.iterdir()
    assert left.name.endswith(".partial")
    # It leaves no session in the database either.
    await until(source, f"SELECT count(*) = 0 FROM {OTHERS} AND application_name = 'billing'")
    assert billing("backup", str(file), DATABASE_URL=source).returncode == 0


async def test_a_backup_whose_connection_is_cut_is_given_up(source: str, tmp_path: Path) -> None:
    file = tmp_path / "cut.backup"
    async with single_connection(source) as connection:
        await connection.execute(text("LOCK TABLE rate_buckets IN ACCESS EXCLUSIVE MODE"))
        waiting = started("backup", str(file), url=source)
        await until(source, f"SELECT count(*) > 0 FROM {OTHERS} AND wait_event_type = 'Lock'")
        await connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM {OTHERS} AND wait_event_type = 'Lock'"))
        code = await asyncio.to_thread(waiting.wait, PATIENCE_SECONDS)

    assert code == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_restore_that_is_killed_leaves_the_database_empty(backup: Path, empty_database_url: str) -> None:
    for _ in range(2):
        killed = started("restore", str(backup), url=empty_database_url)
        await until(empty_database_url, f"SELECT count(*) > 0 FROM {OTHERS} AND backend_xid IS NOT NULL")
        killed.send_signal(signal.SIGKILL)
        assert killed.wait(PATIENCE_SECONDS) == -signal.SIGKILL
        await until(empty_database_url, f"SELECT count(*) = 0 FROM {OTHERS}")
        assert await scalar(empty_database_url, TABLES) == 0

    assert billing("restore", str(backup), DATABASE_URL=empty_database_url).returncode == 0
