"""Location of the server's socket, and the URL to connect to it."""

import os
import stat
import sys
from pathlib import Path
from urllib.parse import quote

from db.embedded.binaries import digest
from db.embedded.errors import EmbeddedPostgresError
from db.embedded.os_user import OsUser, user_name

PORT = 5432
SOCKET_PATH_LIMIT_BYTES = 103 if sys.platform == "darwin" else 107  # sun_path without the terminating zero


def socket_folder(data: Path, account: OsUser) -> Path:
    """Returns the folder of the socket: the data folder, which PostgreSQL requires to be private to its user.

    If the path of the socket would be too long, returns a folder in /tmp instead, creating it if necessary. TMPDIR is
    ignored, because processes that share the server must find the same folder. Raises `EmbeddedPostgresError` if that
    folder is not private to `account`.
    """
    if len(os.fsencode(data / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT_BYTES:
        return data
    short = Path("/tmp") / f"billing-{digest(data)}"  # noqa: S108  # checked below
    try:
        short.mkdir(mode=0o700)
        os.chown(short, account.uid, account.gid, follow_symlinks=False)
    except FileExistsError:
        status = short.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or status.st_mode & 0o077:
            raise EmbeddedPostgresError(
                f"{short} must be a folder that only {account.name} can access, but it belongs to"
                f" {user_name(status.st_uid)} with mode {stat.filemode(status.st_mode)}: remove it."
            ) from None
    return short


def url_of(sockets: Path) -> str:
    """Returns the URL for SQLAlchemy. It contains the port, because PGPORT would apply otherwise."""
    return f"postgresql+asyncpg://billing@/billing?host={quote(str(sockets))}&port={PORT}"
