"""Database URLs, and the options in them."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

OPTION = "pgbouncer"
"""The option of a database URL that says what it leads to."""


def is_pgbouncer(url: URL) -> bool:
    return url.query.get(OPTION) == "on"


def pgbouncer_url(url: str) -> str:
    """The URL of the same database, marked as that of a PgBouncer; as it is, where it is none: who connects says so."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return url
    return parsed.update_query_dict({OPTION: "on"}).render_as_string(hide_password=False)


class DatabaseUrlError(ValueError):
    """The database URL cannot be used. The message is one line for the person who set it."""


def asyncpg_url(url: str) -> URL:
    """`url` as SQLAlchemy wants it for asyncpg: `postgres://` and `postgresql://` are taken as well.

    Of libpq's options in its query, those are taken that have a meaning here; `connect_timeout` gives way to our own.
    Raises `DatabaseUrlError`.
    """
    try:
        parsed = make_url(url)
        port_is_one = parsed.port is None or 0 < parsed.port < 65536
    except (ArgumentError, ValueError):
        port_is_one = False
    if not port_is_one:
        raise DatabaseUrlError("DATABASE_URL is not a URL such as postgresql://user:password@host:5432/database.")
    if parsed.drivername not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise DatabaseUrlError(f"DATABASE_URL names {parsed.drivername!r}; only postgresql:// is supported.")
    options = {TAKEN_OPTIONS.get(name): value for name, value in parsed.query.items() if name not in IGNORED_OPTIONS}
    if None in options:
        known = ", ".join(sorted({*TAKEN_OPTIONS} - {OPTION}))
        raise DatabaseUrlError(f"DATABASE_URL has an unsupported option; supported options: {known}.")
    return parsed.set(
        drivername="postgresql+asyncpg", query={name: value for name, value in options.items() if name is not None}
    )


def driver_url(url: str) -> URL:
    """`url` for the driver, without what is said to us."""
    return asyncpg_url(url).difference_update_query([OPTION])


TAKEN_OPTIONS = {OPTION: OPTION, "host": "host", "port": "port", "sslmode": "ssl", "ssl": "ssl"}

IGNORED_OPTIONS = frozenset({"application_name", "connect_timeout"})
