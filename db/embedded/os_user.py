"""Operating system user that runs PostgreSQL, and the start of programs as that user."""

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
    """A user of the operating system."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """True if this process runs as this user."""
        return self.uid == os.geteuid()


def server_account() -> OsUser:
    """Returns the user that runs PostgreSQL: the user of this process, or `nobody` if that is root.

    PostgreSQL refuses to run as root. Raises `EmbeddedPostgresError` if the user has no entry in /etc/passwd, which
    `initdb` needs.
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
    """Returns the name of a user, or "user id …" if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


def is_accessible_to_all(path: Path) -> bool:
    """Returns True if every user can reach, read, and enter or execute `path`, which must be resolved."""
    ancestors_open = all(parent.stat().st_mode & 0o001 for parent in path.parents)
    return ancestors_open and path.stat().st_mode & 0o005 == 0o005


def spawn(
    account: OsUser, command: Sequence[str], *, output: IO[bytes] | int, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Starts `command` as `account` in a new session, with stdout and stderr going to `output`.

    Ctrl-C does not reach the command. On Linux it receives SIGINT when the calling thread ends. It only inherits PATH
    and LD_LIBRARY_PATH: other variables may hold secrets, and `PG*` variables would change its behavior.
    """
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    arguments = [str(os.getpid()), str(account.uid), str(account.gid), *command]
    return subprocess.Popen(  # noqa: S603  # commands are trusted
        [sys.executable, "-I", "-S", str(CHILD), *arguments],
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment | {"LC_ALL": "C"},  # English messages, which `server_log` parses
        cwd="/",
        start_new_session=True,
    )
