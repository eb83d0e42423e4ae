"""The log of the server: a file that cannot grow for ever, and the line in it that says why it failed."""

import os
import re
from pathlib import Path
from typing import BinaryIO

LOG_LIMIT_BYTES = 10_000_000
FAILURE_LINE = re.compile(r"(?:FATAL|PANIC|error):\s+(?!\s|the database system is )(.+)")
"""What PostgreSQL and initdb put before the reason of a failure. That the system is starting up or shutting
down is told to clients and logged too, and is no reason."""


def open_log(path: Path) -> BinaryIO:
    """Open the log to append to it, readable by us alone; one over the limit first becomes `<name>.1`."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, mode=0o600), "ab")


def last_failure(text: bytes) -> str:
    """The last reason for a failure among lines of PostgreSQL or initdb, or else the last line."""
    lines = text.decode(errors="replace").strip().splitlines()
    reasons = [match[1] for line in lines if (match := FAILURE_LINE.search(line))]
    return [*(lines or ["no output"]), *reasons][-1]
