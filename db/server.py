"""Which database a command works on: the one that DATABASE_URL names, or else the embedded PostgreSQL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db.database import asyncpg_url
from db.embedded import EmbeddedPostgres

DEFAULT_DATA_DIR = ".billing"


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A database that is there. `embedded` is None where DATABASE_URL names it."""

    url: str
    embedded: EmbeddedPostgres | None

    def __str__(self) -> str:
        """Where the data is, in words for a person, without the password."""
        if self.embedded is None:
            return asyncpg_url(self.url).set(drivername="postgresql", query={}).render_as_string(hide_password=True)
        return f"PostgreSQL in {self.embedded.folder}" + ("" if self.embedded.owned else " (shared)")


@contextmanager
def database_server(data_dir: Path | None = None) -> Iterator[DatabaseServer]:
    """The database for the time of the block; an embedded server is started, or joined, and left again.

    `data_dir` is the embedded server's folder: by default BILLING_DATA_DIR, or `.billing` in the working folder.
    Raises `DatabaseUrlError` and `EmbeddedPostgresError`, each with one line for the person who started the command.
    """
    url = os.environ.get("DATABASE_URL")
    if url:
        asyncpg_url(url)
        yield DatabaseServer(url, None)
        return
    folder = data_dir or Path(os.environ.get("BILLING_DATA_DIR") or DEFAULT_DATA_DIR)
    with EmbeddedPostgres(folder.absolute()) as embedded:
        yield DatabaseServer(embedded.url, embedded)
