"""Data folder of the embedded PostgreSQL: location, checks and creation."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from db.embedded.binaries import ROOT_PLACE, binaries, digest, major_version, root_place
from db.embedded.errors import EmbeddedPostgresError
from db.embedded.os_user import OsUser, is_accessible_to_all, spawn, user_name
from db.embedded.server_log import last_failure

INIT_TIMEOUT_SECONDS = 120

ACCESS = ("--username=billing", "--auth-local=trust", "--auth-host=reject")
TEXT = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
SETTINGS = ("--set=max_connections=200", "--set=timezone=UTC", "--set=log_timezone=UTC")


def find_data(folder: Path, account: OsUser) -> Path | None:
    """Returns the data folder of `folder`, or None if it was not created yet. Changes nothing.

    This is `folder/data` or, if that is a symlink, its target in `ROOT_PLACE`. Raises `EmbeddedPostgresError` if it is
    not a data folder of this major version that belongs to `account`.
    """
    data = folder / "data"
    if data.is_symlink():
        data = _made_for(folder, data)
    elif not data.exists():
        return None
    owner = data.stat().st_uid
    if owner != account.uid:
        raise EmbeddedPostgresError(
            f"{data} belongs to {user_name(owner)}, but PostgreSQL would run as {account.name}:"
            " start the server as the user who first started it."
        )
    version_path = data / "PG_VERSION"
    if not version_path.exists():
        raise EmbeddedPostgresError(f"{data} exists, but is not a PostgreSQL data folder.")
    version = version_path.read_text().strip()
    if version != str(major_version()):
        raise EmbeddedPostgresError(
            f"{data} was created by PostgreSQL {version}, but this server includes PostgreSQL {major_version()}:"
            " dump the data with the old version, and restore it into a new folder."
        )
    return data


def make_data(folder: Path, account: OsUser) -> Path:
    """Creates the data folder of `folder`, with the user and the database `billing`, and returns its path.

    It appears complete and on disk, or not at all: it is created under another name and then renamed. It is in `folder`
    or, if `account` cannot access that, in `ROOT_PLACE`, with a symlink at `folder/data`. The caller must hold the lock
    of `folder`. Raises `EmbeddedPostgresError` or `OSError`.
    """
    home, name = (folder, "data") if account.is_ours or is_accessible_to_all(folder) else (root_place(), digest(folder))
    for leftover in home.glob(f"{name}-*.new"):
        shutil.rmtree(leftover, ignore_errors=True)
    made = Path(tempfile.mkdtemp(dir=home, prefix=f"{name}-", suffix=".new"))
    try:
        if not account.is_ours:
            os.chown(made, account.uid, account.gid, follow_symlinks=False)
        _initialise(made, account)
        data = folder / "data" if home == folder else made.with_suffix("")
        made.rename(data)
        _sync(home)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if home != folder:
        (folder / "data").symlink_to(data)
        _sync(folder)
    return data


def _made_for(folder: Path, link: Path) -> Path:
    place = link.readlink()
    if place.parent != ROOT_PLACE or not place.name.startswith(f"{digest(folder)}-"):
        raise EmbeddedPostgresError(
            f"{link} points to {place}, which was not created for {folder}. If the folder was moved, rename"
            f" {place} so that its name starts with {digest(folder)}-, and update the link."
        )
    if not place.exists():
        raise EmbeddedPostgresError(
            f"{link} points to {place}, which no longer exists: restore it, or remove the link."
        )
    return place


def _initialise(data: Path, account: OsUser) -> None:
    programs = binaries()
    postgres, initdb = str(programs / "postgres"), str(programs / "initdb")
    initialise = (initdb, "-D", str(data), "--no-sync", "--no-instructions", *ACCESS, *TEXT, *SETTINGS)
    _run(account, initialise)
    # Single-user mode: no client can connect before the database exists.
    single = (postgres, "--single", "-D", str(data), "-c", "fsync=off", "-c", "exit_on_error=on", "postgres")
    _run(account, single, statement=b"CREATE DATABASE billing\n")
    # One sync of all files at the end is much faster than a sync of each file when it is written.
    _run(account, (initdb, "-D", str(data), "--sync-only"))


def _run(account: OsUser, command: tuple[str, ...], *, statement: bytes = b"") -> None:
    with spawn(account, command, stdin=subprocess.PIPE, output=subprocess.PIPE) as process:
        try:
            output, _ = process.communicate(statement, timeout=INIT_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise EmbeddedPostgresError(
                f"Creating the data folder failed: {command[0]} took more than {INIT_TIMEOUT_SECONDS} seconds."
            ) from None
    if process.returncode != 0:
        raise EmbeddedPostgresError(f"Creating the data folder failed: {last_failure(output)}")


def _sync(folder: Path) -> None:
    """Writes the directory entries of `folder` to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
