"""Log file of the embedded PostgreSQL: rotation, and extraction of the reason for a failure."""

import os
import re
from pathlib import Path
from typing import BinaryIO

LOG_LIMIT_BYTES = 10_000_000
FAILURE_LINE = re.compile(r"(?:FATAL|PANIC|error):\s+(?!\s|the database system is )(.+)")
"""Matches a line in which PostgreSQL or initdb gives the reason for a failure.

Excludes the messages to clients that the server is starting up or shutting down, which are not failures.
"""


def open_log(path: Path) -> BinaryIO:
    """Opens the log for appending. Only the current user can read it. A log over the limit first becomes `<name>.1`."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, mode=0o600), "ab")


def last_failure(text: bytes) -> str:
    """Returns the last reason for a failure in the output of PostgreSQL or initdb, or else its last line."""
    lines = text.decode(errors="replace").strip().splitlines()
    reasons = [match[1] for line in lines if (match := FAILURE_LINE.search(line))]
    return [*(lines or ["no output"]), *reasons][-1]
