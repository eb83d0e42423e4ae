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

RATE_BITS = 31
"""The event numbers of a restored database start at the seconds since 1970, times 2 to this power.

See `prepare_for_use`.
"""


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
    # The dump sets an empty search path.
    script.write(f"\nRESET search_path;\n{check_counts(manifest)}\n{prepare_for_use(manifest, now)}\n".encode())
    script.write(b"ANALYZE;\nCOMMIT;\n")


def check_counts(manifest: Manifest) -> str:
    """Returns SQL that fails if a table does not have the number of rows in the manifest."""
    checks = "\n".join(
        f"    SELECT count(*) INTO found FROM {table};\n"  # noqa: S608
        f"    IF found <> {count:d} THEN RAISE EXCEPTION '{table} has % rows instead of {count:d}', found; END IF;"
        for table, count in manifest.rows.items()
    )
    return f"DO $check$\nDECLARE found bigint;\nBEGIN\n{checks}\nEND $check$;"


def prepare_for_use(manifest: Manifest, now: datetime) -> str:
    """Returns SQL that prepares the restored copy of an earlier state for use from `now` on.

    - Event numbers: the event feed is ordered by transaction ids, and these start again from the beginning in a new
      server. Old events would stay hidden until the new server reaches their ids, and new events would sort before
      events that clients have already read. So the numbers continue from one that no older database can have reached:
      the seconds since 1970, shifted left by `RATE_BITS`. To exceed it, a database would need a transaction every half
      nanosecond. Clients continue from their cursors, even from those of after the backup, and miss nothing.
    - Customer sessions are deleted, because some may have been revoked since the backup. Customers need new ones.
    - Idempotency keys expire as usual. The time between backup and restore does not count, because nobody could use
      the keys: a client that retries a request still gets the original result.
    """
    return f"""
DO $live_on$
DECLARE
    first bigint := {int(now.timestamp())};
    shift bigint;
    last bigint;
BEGIN
    IF to_regclass('events') IS NOT NULL THEN
        SELECT xid::text::bigint INTO last FROM events ORDER BY xid DESC LIMIT 1;
        first := greatest(first, (last >> {RATE_BITS}) + 1);
        IF to_regproc('event_horizon') IS NOT NULL THEN
            last := event_horizon()::text::bigint;
            first := greatest(first, (last >> {RATE_BITS}) + 1);
        END IF;
        shift := (first << {RATE_BITS}) - pg_current_xact_id()::text::bigint;
        EXECUTE format('CREATE OR REPLACE FUNCTION event_xid() RETURNS xid8 LANGUAGE sql STABLE PARALLEL RESTRICTED '
            'RETURN (pg_current_xact_id()::text::bigint + %s)::text::xid8', shift);
        EXECUTE format('CREATE OR REPLACE FUNCTION event_horizon() RETURNS xid8 LANGUAGE sql STABLE PARALLEL SAFE '
            'RETURN (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + %s)::text::xid8', shift);
    END IF;
    IF to_regclass('api_keys') IS NOT NULL THEN
        DELETE FROM api_keys WHERE scope = 'CUSTOMER';
    END IF;
    IF to_regclass('idempotency_keys') IS NOT NULL THEN
        UPDATE idempotency_keys
        SET created_at = created_at + greatest(interval '0', '{now.isoformat()}'::timestamptz - '{
        manifest.taken_at.isoformat()
    }'::timestamptz);
    END IF;
END $live_on$;"""  # noqa: S608
