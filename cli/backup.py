"""Backing up, restoring and recovering, with progress and a summary on the console."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from cli import __version__
from cli.database import command_line
from db.backup import Backup, Manifest, back_up, checked_backup, read_manifest, recover, restore
from db.backup.archive import Progress as Told


async def write_backup(url: str, file: Path, *, folder: Path | None, console: Console) -> None:
    """Writes a backup and prints a summary. Raises `BackupError`."""
    began = time.monotonic()
    with progress_bar(console, "Backing up", None) as progress:
        manifest = await back_up(url, file, program=__version__, folder=folder, progress=progress)
    print_summary(console, "Backed up", manifest)
    console.print(f"File        {file}, {megabytes(file):.1f} MB, in {time.monotonic() - began:.1f} s")


@contextmanager
def whole_backup(file: Path, *, folder: Path | None, console: Console) -> Iterator[Backup]:
    """Yields a backup after checking its whole file. Raises `BackupError`."""
    with ExitStack() as stack:
        with progress_bar(console, "Checking", read_manifest(file).sql_bytes) as progress:
            backup = stack.enter_context(checked_backup(file, folder=folder, progress=progress))
        yield backup


async def restore_backup(url: str, backup: Backup, *, console: Console) -> None:
    """Restores a backup and prints a summary. Raises `BackupError`."""
    began = time.monotonic()
    with progress_bar(console, "Restoring", backup.manifest.sql_bytes) as progress:
        await restore(url, backup, now=datetime.now(UTC), progress=progress)
    print_summary(console, "Restored", backup.manifest)
    console.print(f"Time        {time.monotonic() - began:.1f} s")
    print_keys(console, "as of the backup")


async def recover_database(url: str, *, console: Console) -> None:
    """Prepares a database in an earlier state for use, and says what it did. Raises `BackupError`."""
    state_of = await recover(url, datetime.now(UTC))
    console.print(f"{'Recovered':12}the last change is of {state_of.astimezone(UTC):%FT%TZ}")
    console.print("Events      new ones are numbered from now on, so readers keep their cursors")
    console.print("Sessions    of customers have ended")
    print_keys(console, "as of that time")


def print_keys(console: Console, state: str) -> None:
    console.print(
        f"API keys    {state}: revoke again those that were revoked since; list them with `{command_line('keys list')}`"
    )


def print_summary(console: Console, what: str, manifest: Manifest) -> None:
    console.print(
        f"{what:12}revision {manifest.revision} as of {manifest.taken_at.astimezone(UTC):%FT%TZ}, by version"
        f" {manifest.program} from PostgreSQL {manifest.postgresql}"
    )
    rows = ", ".join(
        f"{count} {table}" for table, count in manifest.rows.items() if count and table != "alembic_version"
    )
    console.print(f"Rows        {rows or 'none'}")


def megabytes(file: Path) -> float:
    return file.stat().st_size / 1e6


@contextmanager
def progress_bar(console: Console, what: str, total: int | None) -> Iterator[Told]:
    """Shows a progress bar on a terminal. Yields the callback that takes the number of bytes done so far."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
