"""Which user of the machine runs PostgreSQL, and how a program is run as that user."""

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from db.embedded.errors import EmbeddedPostgresError

CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True)
class OsUser:
    """A user of the machine, by name and numbers."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """Whether this process already is that user."""
        return self.uid == os.geteuid()


def server_account() -> OsUser:
    """Who runs PostgreSQL: this process's own user or, since PostgreSQL refuses to run as root, `nobody`.

    Raises EmbeddedPostgresError when that user has no entry in the user database, which `initdb` needs.
    """
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid) if uid else pwd.getpwnam("nobody")
    except KeyError:
        who = f"user id {uid}" if uid else "the user nobody"
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot run as {who}: it has no entry in /etc/passwd. Add one, or set DATABASE_URL."
        ) from None
    return OsUser(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def user_name(uid: int) -> str:
    """The name of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


def open_to_all(path: Path) -> bool:
    """Whether any user may reach `path`, a resolved path, and read and enter or run it."""
    ancestors_open = all(parent.stat().st_mode & 0o001 for parent in path.parents)
    return ancestors_open and path.stat().st_mode & 0o005 == 0o005


def spawn(
    account: OsUser, command: Sequence[str], *, output: IO[bytes] | int, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start `command` as `account`, in its own session, with both outputs going to `output`.

    Ctrl-C does not reach it. On Linux it gets SIGINT when the calling thread ends. Of our environment it gets
    what finds programs and libraries: the rest may hold secrets, and `PG*` variables would change what it
    does.
    """
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    arguments = [str(os.getpid()), str(account.uid), str(account.gid), *command]
    return subprocess.Popen(  # noqa: S603  # the commands are ours
        [sys.executable, "-I", "-S", str(CHILD), *arguments],
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment | {"LC_ALL": "C"},  # English, for `server_log`
        cwd="/",
        start_new_session=True,
    )
