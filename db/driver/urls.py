"""Database URLs, and the options in them."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

OPTION = "pgbouncer"
"""Option of a database URL, `on` if the URL leads to PgBouncer."""


def is_pgbouncer(url: URL) -> bool:
    return url.query.get(OPTION) == "on"


def pgbouncer_url(url: str) -> str:
    """Returns `url` marked as leading to PgBouncer. An invalid URL is returned unchanged: connecting reports it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return url
    return parsed.update_query_dict({OPTION: "on"}).render_as_string(hide_password=False)


class DatabaseUrlError(ValueError):
    """The database URL cannot be used. The message is one line for the person who configured it."""


def asyncpg_url(url: str) -> URL:
    """Returns `url` in SQLAlchemy's form for asyncpg. Also accepts `postgres://` and `postgresql://`.

    Keeps the options in `SUPPORTED_OPTIONS`, under the driver's names. Drops those in `IGNORED_OPTIONS`, which the
    server sets itself. Raises `DatabaseUrlError` for other options and for invalid URLs.
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
    options = {
        SUPPORTED_OPTIONS.get(name): value for name, value in parsed.query.items() if name not in IGNORED_OPTIONS
    }
    if None in options:
        known = ", ".join(sorted({*SUPPORTED_OPTIONS} - {OPTION}))
        raise DatabaseUrlError(f"DATABASE_URL has an unsupported option; supported options: {known}.")
    return parsed.set(
        drivername="postgresql+asyncpg", query={name: value for name, value in options.items() if name is not None}
    )


def driver_url(url: str) -> URL:
    """Returns `url` for the driver, without the option that only this server reads."""
    return asyncpg_url(url).difference_update_query([OPTION])


SUPPORTED_OPTIONS = {OPTION: OPTION, "host": "host", "port": "port", "sslmode": "ssl", "ssl": "ssl"}

IGNORED_OPTIONS = frozenset({"application_name", "connect_timeout"})
