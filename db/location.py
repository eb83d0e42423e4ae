"""Which database a command works on: the one that a URL names, or else the embedded PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db.driver.urls import asyncpg_url
from db.embedded import EmbeddedPostgres, EmbeddedPostgresError


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """A database that is there. `embedded` is None where a URL names it."""

    url: str
    embedded: EmbeddedPostgres | None

    def __str__(self) -> str:
        """Where the data is, in words for a person, without the password."""
        if self.embedded is None:
            return asyncpg_url(self.url).set(drivername="postgresql", query={}).render_as_string(hide_password=True)
        return f"PostgreSQL in {self.embedded.folder}" + ("" if self.embedded.owned else " (shared)")


@contextmanager
def running_server(url: str | None, data_dir: Path, *, make: bool = True) -> Iterator[DatabaseServer]:
    """The database for the time of the block: at `url` or, where that is None, an embedded server in `data_dir`.

    An embedded server is started, or joined, and left again. Its data is made where there is none, unless `make` is
    false. Raises `DatabaseUrlError` and `EmbeddedPostgresError`, each with one line for the person who started the
    command.
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
