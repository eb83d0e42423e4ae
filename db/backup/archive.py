"""Backup files: ZIP archives with the SQL that recreates the database, and a manifest that describes the backup.

The manifest is written last and a ZIP archive ends with its directory, so a truncated file is never a valid backup.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile
from zlib import error as ZlibError  # noqa: N812

from db.backup.errors import BackupError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FORMAT = 1
SQL = "database.sql"
MANIFEST = "manifest.json"
SQL_PIECE_BYTES = 2**20
MAX_MANIFEST = 2**20

Progress = Callable[[int], None]
"""Called with the number of bytes of SQL processed so far."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Description of a backup.

    `rows` maps each table to its number of rows at `taken_at`, the instant of the backup. `postgresql` is the version
    of the database server, `pg_dump` that of the dump program, and `program` that of this server.
    """

    program: str
    revision: str
    taken_at: datetime
    postgresql: str
    pg_dump: str
    rows: dict[str, int]
    sql_bytes: int
    sql_sha256: str

    def document(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self), "taken_at": f"{self.taken_at.astimezone(UTC).isoformat()}"}


class SqlWriter:
    """Writes the SQL of a backup piece by piece, and computes its length and hash."""

    def __init__(self, member: IO[bytes], progress: Progress) -> None:
        self._member = member
        self._progress = progress
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, piece: bytes) -> None:
        self._member.write(piece)
        self._hash.update(piece)
        self.bytes += len(piece)
        self._progress(self.bytes)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def new_archive(path: Path) -> Iterator[ZipFile]:
    """Creates an archive at `path` that only its owner can read. It appears there once it is complete and on disk.

    Until then, a file in the same folder, with a name that ends in `.partial`, holds it. This file is deleted if the
    block raises. Raises `BackupError` if `path` exists or cannot be written.
    """
    if path.exists():
        raise BackupError(f"{path} already exists: choose another name for the backup.")
    folder = path.absolute().parent
    with writing(path):
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=f"{path.name}.", suffix=".partial")
    partial = Path(name)
    try:
        with BufferedWriter(ArchiveFile(descriptor, path)) as file:
            with ZipFile(file, "w", compression=ZIP_DEFLATED) as archive:
                yield archive
            file.flush()
            with writing(path):
                os.fsync(file.fileno())
        with writing(path):
            partial.rename(path)
            sync_folder(folder)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Converts errors of the file system to `BackupError`."""
    try:
        yield
    except OSError as error:
        raise BackupError(f"Cannot write {path}: {error.strerror or error}.") from error


class ArchiveFile(FileIO):
    """The file of a new archive. Raises `BackupError` if a write fails, to distinguish this from other `OSError`s."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "wb")
        self._path = path

    def write(self, piece: "ReadableBuffer", /) -> int:
        with writing(self._path):
            return super().write(piece)


def sync_folder(folder: Path) -> None:
    """Writes the directory entries of a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_sql(archive: ZipFile, progress: Progress) -> Iterator[SqlWriter]:
    """Opens the SQL of a new archive for writing."""
    with archive.open(SQL, "w", force_zip64=True) as member:
        yield SqlWriter(member, progress)


def write_manifest(archive: ZipFile, manifest: Manifest) -> None:
    archive.writestr(MANIFEST, json.dumps(manifest.document(), indent=2) + "\n")


@contextmanager
def open_archive(path: Path) -> Iterator[ZipFile]:
    """Opens an archive for reading.

    Raises `BackupError` if the file is not a complete archive, or if a read in the block finds it damaged.
    """
    try:
        with ZipFile(path) as archive:
            yield archive
    except (BadZipFile, ZlibError, EOFError, NotImplementedError) as error:
        raise BackupError(f"{path} is not a backup or is damaged: {error}.") from None


def manifest_in(archive: ZipFile, path: Path) -> Manifest:
    """Returns the manifest of an open archive. Raises `BackupError` if it is missing or unreadable."""
    try:
        with archive.open(MANIFEST) as member:
            document = json.loads(member.read(MAX_MANIFEST))
        found = document.pop("format")
        if found != FORMAT:
            raise BackupError(f"{path} is a backup of format {found}; this version reads format {FORMAT}.")
        rows = {str(table): int(count) for table, count in document["rows"].items()}
        return Manifest(**{**document, "taken_at": datetime.fromisoformat(document["taken_at"]), "rows": rows})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackupError(f"{path} is not a backup or is damaged: its manifest is missing or unreadable.") from error


def read_manifest(path: Path) -> Manifest:
    """Returns the manifest of a backup. Raises `BackupError` like `manifest_in`."""
    with open_archive(path) as archive:
        return manifest_in(archive, path)


def pieces(archive: ZipFile) -> Iterator[bytes]:
    """Yields the SQL piece by piece. Raises `KeyError` if it is missing, and zip errors if it is damaged."""
    with archive.open(SQL) as member:
        while piece := member.read(SQL_PIECE_BYTES):
            yield piece


def check_sql(archive: ZipFile, manifest: Manifest, path: Path, progress: Progress) -> None:
    """Reads all of the SQL. Raises `BackupError` if it is missing or does not match the manifest."""
    hashed = hashlib.sha256()
    done = 0
    try:
        for piece in pieces(archive):
            hashed.update(piece)
            done += len(piece)
            progress(done)
    except KeyError:
        raise BackupError(f"{path} is not a backup or is damaged: it contains no {SQL}.") from None
    if (done, hashed.hexdigest()) != (manifest.sql_bytes, manifest.sql_sha256):
        raise BackupError(f"{path} is damaged: its SQL does not match the manifest.")
