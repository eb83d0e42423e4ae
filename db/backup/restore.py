"""Restoring a backup: one transaction makes all of the database, checks it, and readies it to live on.

`psql` runs it. It is told to commit at the very end, by us: whatever breaks off before leaves the database empty.
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
from db.backup.programs import Program, environment_of, find_program, last_words, require_major
from db.database import single_connection
from db.migrations import MIGRATION_LOCK, known_revisions

IN_THE_WAY = """
    SELECT relation.oid::regclass::text FROM pg_class AS relation
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = relation.oid AND deptype = 'e')
    ORDER BY 1 LIMIT 1
"""

UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"
"""`pg_dump` writes it for each server."""

RATE_BITS = 31
"""The numbers of events begin at the seconds since 1970 times 2 to this power: see `live_on`."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole backup, and the program that restores it."""

    manifest: Manifest
    archive: ZipFile
    psql: Program


@contextmanager
def checked_backup(path: Path, *, folder: Path | None, progress: Progress) -> Iterator[Backup]:
    """A backup that this version can restore: its file is read to its end. `folder` is that of PostgreSQL's programs.
    Raises `BackupError`.
    """
    psql = find_program("psql", folder)
    with open_archive(path) as archive:
        manifest = manifest_in(archive, path)
        if manifest.revision not in known_revisions():
            raise BackupError(
                f"{path} is of revision {manifest.revision}, which this version does not know: it was made by"
                f" {manifest.program}, and a version that is not older restores it."
            )
        require_major(psql, int(manifest.pg_dump.split(".")[0]), "The backup was written by the programs of")
        check_sql(archive, manifest, path, progress)
        yield Backup(manifest, archive, psql)


async def restore(url: str, backup: Backup, *, now: datetime, progress: Progress) -> None:
    """Makes the empty database at `url` what it was when the backup was made, at the same revision.

    In the same transaction the rows are counted again, and what a copy must not keep is put right, as of `now`. Raises
    `BackupError`, and leaves the database empty then.
    """
    server = await require_empty(url)
    run_script(backup.psql, url, backup.archive, backup.manifest, server=server, now=now, progress=progress)


async def require_empty(url: str) -> int:
    """The server's major version. Raises `BackupError` where its database has tables."""
    async with single_connection(url) as connection:
        version: str = (await connection.execute(text("SHOW server_version_num"))).scalar_one()
        found = await connection.scalar(text(IN_THE_WAY))
    if found is not None:
        raise BackupError(f"The database is not empty: it has {found}. Restore into a new one.")
    return int(version) // 10_000


def run_script(
    psql: Program, url: str, archive: ZipFile, manifest: Manifest, *, server: int, now: datetime, progress: Progress
) -> None:
    """Has `psql` run the SQL of the backup, and ours around it. Raises `BackupError` where it fails."""
    options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-")
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603
            [psql.path, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment_of(url),
        )
        assert process.stdin is not None
        try:
            with process.stdin as script:
                write_script(script, archive, manifest, server=server, now=now, progress=progress)
            code = process.wait()
        except BrokenPipeError:
            code = process.wait()
        finally:
            # Whatever went wrong with the file: without the last line, nothing is committed.
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0:
            errors.seek(0)
            raise BackupError(f"The backup cannot be restored: {last_words(errors.read(), psql)}")


def write_script(
    script: IO[bytes], archive: ZipFile, manifest: Manifest, *, server: int, now: datetime, progress: Progress
) -> None:
    # A server that starts meanwhile waits with its migrations.
    script.write(f"BEGIN;\nSELECT pg_advisory_xact_lock({MIGRATION_LOCK});\n".encode())
    done = 0
    for number, piece in enumerate(pieces(archive)):
        # It stands among the first lines, long before any row.
        script.write(piece.replace(UNKNOWN_BEFORE_17, b"") if number == 0 and server < 17 else piece)
        done += len(piece)
        progress(done)
    # The SQL of a dump has emptied the search path.
    script.write(f"\nRESET search_path;\n{check_counts(manifest)}\n{live_on(manifest, now)}\n".encode())
    script.write(b"ANALYZE;\nCOMMIT;\n")


def check_counts(manifest: Manifest) -> str:
    """SQL that fails where a table has other rows than were counted when the backup was made."""
    checks = "\n".join(
        f"    SELECT count(*) INTO found FROM {table};\n"  # noqa: S608
        f"    IF found <> {count:d} THEN RAISE EXCEPTION '{table} has % rows instead of {count:d}', found; END IF;"
        for table, count in manifest.rows.items()
    )
    return f"DO $check$\nDECLARE found bigint;\nBEGIN\n{checks}\nEND $check$;"


def live_on(manifest: Manifest, now: datetime) -> str:
    """SQL that makes of a copy of the past a database that lives on from `now`.

    - The numbers of transactions, by which the feed of events is ordered, count from the beginning in a new server. An
      old event would come out when the new server has reached its number, and a new one in front of all that was read
      long ago. So the new numbers go on from one that no older database can have reached: the seconds since 1970,
      shifted by 31 bits, of which a transaction would have to be made every half nanosecond. A reader goes on from the
      cursor it has, even one from after the backup, and misses nothing.
    - Customer sessions end: some were ended since. Their browsers get new ones.
    - Idempotency keys are kept for so long. The time between backup and restore, in which nobody could use them, does
      not count: a client that sends a request again is answered as before.
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
