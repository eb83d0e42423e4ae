"""Creation of a backup: counts the rows of a snapshot, and has `pg_dump` write them."""

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.backup.archive import SQL_PIECE_BYTES, Manifest, Progress, SqlWriter, new_archive, new_sql, write_manifest
from db.backup.errors import BackupError
from db.backup.programs import Program, failure_reason, find_program, libpq_environment, require_major
from db.database import NO_TIMEOUTS, single_connection
from db.migrations import current_revision

LOCK_WAIT = "60s"
"""Timeout of `pg_dump` for locks on tables, which a migration may hold."""

DUMP_OPTIONS = (
    "--format=plain",
    "--encoding=UTF8",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    # Only the owner of the extension pg_trgm may restore its comment.
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    # A bucket holds the current read allowance of an API key. A missing bucket counts as full.
    "--exclude-table-data=rate_buckets",
    f"--lock-wait-timeout={LOCK_WAIT}",
)
NOT_COUNTED = "rate_buckets"

TABLES = """
    SELECT quote_ident(relname) FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND relname <> :not_counted
    ORDER BY relname
"""


async def back_up(url: str, path: Path, *, program: str, folder: Path | None, progress: Progress) -> Manifest:
    """Writes all rows of the database at `url`, as of one instant, to a new file at `path`. Returns its manifest.

    Other clients can read and write meanwhile, but a migration that needs an exclusive table lock waits. `program` is
    the version of this server. `folder` is that of PostgreSQL's programs, None for those of the wheel. On failure,
    raises `BackupError` and leaves no file.
    """
    pg_dump = find_program("pg_dump", folder)
    async with single_connection(url) as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # The first statement fixes the instant that all others see. The exported snapshot is valid until the end of the
        # transaction.
        taken_at, snapshot, version = (
            await connection.execute(text("SELECT now(), pg_export_snapshot(), current_setting('server_version_num')"))
        ).one()
        await connection.execute(text(NO_TIMEOUTS))
        require_major(pg_dump, int(version) // 10_000, "The server is")
        revision = await current_revision(connection)
        if revision is None:
            raise BackupError("This database has no billing tables: there is nothing to back up.")
        rows = await counts(connection)
        with new_archive(path) as archive:
            with new_sql(archive, progress) as sql:
                await dump(pg_dump, url, snapshot, sql)
            manifest = manifest_of(program, revision, taken_at, version, pg_dump, rows, sql)
            write_manifest(archive, manifest)
    return manifest


def manifest_of(
    program: str,
    revision: str,
    taken_at: datetime,
    version: str,
    pg_dump: Program,
    rows: dict[str, int],
    sql: SqlWriter,
) -> Manifest:
    return Manifest(
        program=program,
        revision=revision,
        taken_at=taken_at,
        postgresql=f"{int(version) // 10_000}.{int(version) % 10_000}",
        pg_dump=pg_dump.version,
        rows=rows,
        sql_bytes=sql.bytes,
        sql_sha256=sql.sha256,
    )


async def counts(connection: AsyncConnection) -> dict[str, int]:
    """Returns the number of rows of each table that is backed up, by the quoted name of the table."""
    tables = (await connection.execute(text(TABLES), {"not_counted": NOT_COUNTED})).scalars().all()
    return {table: await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in tables}  # noqa: S608


async def dump(pg_dump: Program, url: str, snapshot: str, sql: SqlWriter) -> None:
    """Runs `pg_dump` on a snapshot and writes its SQL to `sql`. Raises `BackupError` if it fails."""
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            str(pg_dump.path),
            *DUMP_OPTIONS,
            f"--snapshot={snapshot}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=libpq_environment(url),
        )
        assert process.stdout is not None
        try:
            while piece := await process.stdout.read(SQL_PIECE_BYTES):
                sql.write(piece)
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                # While output is left in the pipe, asyncio does not notice that the process has ended.
                while await process.stdout.read(SQL_PIECE_BYTES):
                    pass
                await process.wait()
        if code != 0:
            errors.seek(0)
            raise BackupError(f"pg_dump failed: {failure_reason(errors.read(), pg_dump)}")
