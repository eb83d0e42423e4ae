"""Restore of a backup: one transaction recreates the database, checks it, and prepares it for use.

`psql` runs this transaction. It receives the COMMIT last, so any earlier failure leaves the database empty.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO
from zipfile import ZipFile

from sqlalchemy import text

from db.backup.archive import Manifest, Progress, check_sql, manifest_in, open_archive, pieces
from db.backup.errors import BackupError
from db.backup.programs import Program, failure_reason, find_program, libpq_environment, require_major
from db.backup.recovery import prepare_for_use
from db.database import single_connection
from db.migrations import MIGRATION_LOCK, known_revisions

EXISTING_RELATION = """
    SELECT relation.oid::regclass::text FROM pg_class AS relation
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = relation.oid AND deptype = 'e')
    ORDER BY 1 LIMIT 1
"""

UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"
"""`pg_dump` 17 and later write this line whatever the server's version. Older servers reject it."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A complete backup and the program that restores it."""

    manifest: Manifest
    archive: ZipFile
    psql: Program


@contextmanager
def checked_backup(path: Path, *, folder: Path | None, progress: Progress) -> Iterator[Backup]:
    """Opens a backup and reads its whole file, to check that this version can restore it.

    `folder` is that of PostgreSQL's programs, None for those of the wheel. Raises `BackupError` if the backup is
    damaged, has an unknown schema revision, or needs a newer `psql`.
    """
    psql = find_program("psql", folder)
    with open_archive(path) as archive:
        manifest = manifest_in(archive, path)
        if manifest.revision not in known_revisions():
            raise BackupError(
                f"{path} has the schema revision {manifest.revision}, which this version does not know: restore"
                f" it with version {manifest.program} or later."
            )
        require_major(psql, int(manifest.pg_dump.split(".")[0]), "The backup was written by the client programs of")
        check_sql(archive, manifest, path, progress)
        yield Backup(manifest, archive, psql)


async def restore(url: str, backup: Backup, *, now: datetime, progress: Progress) -> None:
    """Restores the backup into the empty database at `url`, at the schema revision of the backup.

    In the same transaction, checks the number of rows and prepares the copy for use from `now` on: see
    `prepare_for_use`. On failure, raises `BackupError` and leaves the database empty.
    """
    server = await require_empty(url)
    run_script(backup.psql, url, backup.archive, backup.manifest, server=server, now=now, progress=progress)


async def require_empty(url: str) -> int:
    """Returns the major version of the server. Raises `BackupError` if its database has tables, views or sequences."""
    async with single_connection(url) as connection:
        version: str = (await connection.execute(text("SHOW server_version_num"))).scalar_one()
        found = await connection.scalar(text(EXISTING_RELATION))
    if found is not None:
        raise BackupError(f"The database is not empty: it contains {found}. Restore into an empty database.")
    return int(version) // 10_000


def run_script(
    psql: Program, url: str, archive: ZipFile, manifest: Manifest, *, server: int, now: datetime, progress: Progress
) -> None:
    """Runs the script from `write_script` with `psql`. Raises `BackupError` if it fails."""
    options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-")
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603
            [psql.path, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=libpq_environment(url),
        )
        assert process.stdin is not None
        try:
            with process.stdin as script:
                write_script(script, archive, manifest, server=server, now=now, progress=progress)
            code = process.wait()
        except BrokenPipeError:
            code = process.wait()
        finally:
            # If reading the file failed, the script has no COMMIT, so nothing is committed.
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0:
            errors.seek(0)
            raise BackupError(f"The backup cannot be restored: {failure_reason(errors.read(), psql)}")


def write_script(
    script: IO[bytes], archive: ZipFile, manifest: Manifest, *, server: int, now: datetime, progress: Progress
) -> None:
    # Makes a server that starts meanwhile wait before it migrates.
    script.write(f"BEGIN;\nSELECT pg_advisory_xact_lock({MIGRATION_LOCK});\n".encode())
    done = 0
    for number, piece in enumerate(pieces(archive)):
        # The line is in the header of the dump, so always in the first piece.
        script.write(piece.replace(UNKNOWN_BEFORE_17, b"") if number == 0 and server < 17 else piece)
        done += len(piece)
        progress(done)
    checks, preparation = check_counts(manifest), prepare_for_use(manifest.taken_at, now)
    # The dump sets an empty search path.
    script.write(f"\nRESET search_path;\n{checks}\n{preparation}\n".encode())
    script.write(b"ANALYZE;\nCOMMIT;\n")


def check_counts(manifest: Manifest) -> str:
    """Returns SQL that fails if a table does not have the number of rows in the manifest."""
    checks = "\n".join(
        f"    SELECT count(*) INTO found FROM {table};\n"  # noqa: S608
        f"    IF found <> {count:d} THEN RAISE EXCEPTION '{table} has % rows instead of {count:d}', found; END IF;"
        for table, count in manifest.rows.items()
    )
    return f"DO $check$\nDECLARE found bigint;\nBEGIN\n{checks}\nEND $check$;"
