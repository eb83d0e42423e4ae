"""Where the server's socket is, and the address clients find it under."""

import os
import stat
import sys
from pathlib import Path
from urllib.parse import quote

from db.embedded.binaries import digest
from db.embedded.errors import EmbeddedPostgresError
from db.embedded.os_user import OsUser, user_name

PORT = 5432
SOCKET_PATH_LIMIT_BYTES = 103 if sys.platform == "darwin" else 107  # sun_path, less its closing zero


def socket_folder(data: Path, account: OsUser) -> Path:
    """The folder of the socket: the data folder, which PostgreSQL insists is its user's alone.

    Where the path of the socket would be too long it is a folder under /tmp, made here if it is missing. That
    does not heed TMPDIR: processes that share the server have to find the same one. Raises
    EmbeddedPostgresError when that folder is not `account`'s alone.
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
    """The URL for SQLAlchemy. It names the port, or the variable PGPORT would."""
    return f"postgresql+asyncpg://billing@/billing?host={quote(str(sockets))}&port={PORT}"
