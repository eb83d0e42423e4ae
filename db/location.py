"""Choice of the database that a command uses: the one at a URL, or else the embedded PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db.driver.urls import asyncpg_url, places_of
from db.embedded import EmbeddedPostgres, EmbeddedPostgresError


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """The database that a command uses. `embedded` is None if the database was given by its URL."""

    url: str
    embedded: EmbeddedPostgres | None

    def __str__(self) -> str:
        """Returns the location of the database for messages, without the password."""
        if self.embedded is None:
            parsed = asyncpg_url(self.url)
            shown = parsed.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
            several = ", ".join(map(str, places_of(parsed)))
            return f"{shown} on {several}" if several else shown
        return f"PostgreSQL in {self.embedded.folder}" + ("" if self.embedded.owned else " (shared)")


@contextmanager
def running_server(url: str | None, data_dir: Path, *, make: bool = True) -> Iterator[DatabaseServer]:
    """Provides a database for the duration of the block: at `url`, or an embedded server in `data_dir` if that is None.

    Starts the embedded server, or shares the one that is already running, and stops using it after the block. Creates
    its data if there is none, unless `make` is false. Raises `DatabaseUrlError` or `EmbeddedPostgresError`. Their
    message is one line for the person who started the command.
    """
    if url is not None:
        asyncpg_url(url)
        yield DatabaseServer(url, None)
        return
    embedded = EmbeddedPostgres(data_dir.absolute())
    if not make and not embedded.has_data():
        raise EmbeddedPostgresError(f"There is no database in {embedded.folder}. Create one with `serve` or `migrate`.")
    with embedded:
        yield DatabaseServer(embedded.url, embedded)
