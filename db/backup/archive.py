"""The file of a backup: a ZIP archive of the SQL that makes the database, and of a manifest that says what is in it.

The manifest is written last, and a ZIP archive has its table of contents at the end: a file that breaks off is none.
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
PIECE_BYTES = 2**20
MAX_MANIFEST = 2**20

Progress = Callable[[int], None]
"""Is told how many bytes of SQL are done."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    `rows` are counts by table, `taken_at` the instant that they were the database's. `postgresql` is the server's
    version, `pg_dump` the program's, `program` ours.
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
    """Takes the SQL of a backup piece by piece, and knows its length and hash."""

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
    """An archive that has its name when it is whole and on disk, and not before. Only its owner may read it.

    What is written meanwhile is beside it, under a name that ends in `.partial`; it goes where the block raises.
    Raises `BackupError` where there is a file of the name, or none can be written.
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
    """Makes `BackupError` of what the file system refuses."""
    try:
        yield
    except OSError as error:
        raise BackupError(f"Cannot write {path}: {error.strerror or error}.") from error


class ArchiveFile(FileIO):
    """The file of a new archive, which tells its own errors apart from all others: it raises `BackupError`."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "wb")
        self._path = path

    def write(self, piece: "ReadableBuffer", /) -> int:
        with writing(self._path):
            return super().write(piece)


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_sql(archive: ZipFile, progress: Progress) -> Iterator[SqlWriter]:
    """Where the SQL of a backup is written to."""
    with archive.open(SQL, "w", force_zip64=True) as member:
        yield SqlWriter(member, progress)


def write_manifest(archive: ZipFile, manifest: Manifest) -> None:
    archive.writestr(MANIFEST, json.dumps(manifest.document(), indent=2) + "\n")


@contextmanager
def open_archive(path: Path) -> Iterator[ZipFile]:
    """An archive to be read. Raises `BackupError` for what is no whole archive; also where reading in the block finds
    that it is damaged.
    """
    try:
        with ZipFile(path) as archive:
            yield archive
    except (BadZipFile, ZlibError, EOFError, NotImplementedError) as error:
        raise BackupError(f"{path} is not a backup or is damaged: {error}.") from None


def manifest_in(archive: ZipFile, path: Path) -> Manifest:
    """The manifest of an open archive. Raises `BackupError`."""
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
    """What a backup says of itself. Raises `BackupError`."""
    with open_archive(path) as archive:
        return manifest_in(archive, path)


def pieces(archive: ZipFile) -> Iterator[bytes]:
    """The SQL, piece by piece. Raises `BadZipFile` in the end where it is damaged."""
    with archive.open(SQL) as member:
        while piece := member.read(PIECE_BYTES):
            yield piece


def check_sql(archive: ZipFile, manifest: Manifest, path: Path, progress: Progress) -> None:
    """Reads all of the SQL. Raises `BackupError` where it is not what the manifest says."""
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
