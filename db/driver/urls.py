"""Database URLs, and the options in them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

OPTION = "pgbouncer"
"""Option of a database URL, `on` if the URL leads to PgBouncer."""


TARGET = "target_session_attrs"
"""Option of a database URL: which of its hosts to use, as in libpq."""

DEFAULT_PORT = 5432
MAX_HOSTS = 10
READ_WRITE = "read-write"

SEVERAL_HOSTS = re.compile(
    r"(?P<start>[^:/?#]+://(?>(?:[^:/]*(?::[^@]*)?@)?))(?P<hosts>[^@/?#]*,[^@/?#]*)(?P<rest>([/?#].*)?)"
)
"""A URL with several hosts. As for SQLAlchemy, a password ends at the next @ and may contain anything else."""

HOST = re.compile(r"/.*|[^][,%/@?#\s]+")
"""A host name, an address, or the folder of a Unix socket."""


class Place(NamedTuple):
    """An address at which a server of the database may listen. `host` may be the folder of a Unix socket."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_pgbouncer(url: URL) -> bool:
    return url.query.get(OPTION) == "on"


def pgbouncer_url(url: str) -> str:
    """Returns `url` marked as leading to PgBouncer. An invalid URL is returned unchanged: connecting reports it."""
    try:
        parsed = asyncpg_url(url)
    except DatabaseUrlError:
        return url
    return parsed.update_query_dict({OPTION: "on"}).render_as_string(hide_password=False)


class DatabaseUrlError(ValueError):
    """The database URL cannot be used. The message is one line for the person who configured it."""


def asyncpg_url(url: str) -> URL:
    """Returns `url` in SQLAlchemy's form for asyncpg. Also accepts `postgres://` and `postgresql://`.

    Keeps the options in `SUPPORTED_OPTIONS`, under the driver's names. Drops those in `IGNORED_OPTIONS`, which the
    server sets itself. Several hosts, in any form that libpq or SQLAlchemy accept, become several options `host`.
    Raises `DatabaseUrlError` for other options and for invalid URLs.
    """
    several = SEVERAL_HOSTS.fullmatch(url)
    try:
        parsed = make_url(several["start"] + several["rest"] if several else url)
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
    if options.get(TARGET, READ_WRITE) not in TARGETS:
        raise DatabaseUrlError(f"{TARGET} in DATABASE_URL must be one of {', '.join(TARGETS)}.")
    if several and "host" in options:
        raise DatabaseUrlError("DATABASE_URL names its hosts twice.")
    ports = split(options.get("port", "" if parsed.port is None else str(parsed.port)))
    hosts = several["hosts"].split(",") if several else split(options.get("host", parsed.host or ""))
    found = places(hosts, ports)
    if options.get(OPTION) == "on" and (len(found) > 1 or TARGET in options):
        # PgBouncer tells clients what it once learned from its server.
        raise DatabaseUrlError(f"A DATABASE_URL of a PgBouncer must have one host and no {TARGET}.")
    host, port = parsed.host, parsed.port
    if len(found) > 1:
        host = port = None
        options |= {"host": tuple(map(str, found))}
        options.pop("port", None)
    elif found and options.get("host", found[0].host) != found[0].host:
        options |= {"host": found[0].host, "port": str(found[0].port)}
    query = {name: value for name, value in options.items() if name is not None}
    return URL.create("postgresql+asyncpg", parsed.username, parsed.password, host, port, parsed.database, query)


def split(said: str | Sequence[str]) -> list[str]:
    return [part for each in ([said] if isinstance(said, str) else said) for part in each.split(",") if each]


def places(hosts: Sequence[str], ports: Sequence[str]) -> list[Place]:
    """Returns the place of each host. A host may include its port. For others, `ports` has a port for each, or for all.

    Raises `DatabaseUrlError`.
    """
    if len(hosts) > MAX_HOSTS:
        raise DatabaseUrlError(f"DATABASE_URL names {len(hosts)} hosts; at most {MAX_HOSTS} are supported.")
    if len(ports) not in (0, 1, len(hosts)):
        raise DatabaseUrlError(f"DATABASE_URL names {len(hosts)} hosts and {len(ports)} ports.")
    others = [*ports] * len(hosts) if len(ports) == 1 else [*ports] or [""] * len(hosts)
    found = []
    for said, other in zip(hosts, others, strict=True):
        both = PLACE.fullmatch(said)
        host, port = both.groups() if both else (said, "")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        port = port or other or str(DEFAULT_PORT)
        # One colon without a port that is a number. An IPv6 address has at least two.
        strange = host.count(":") == 1 and not host.startswith("/")
        if (
            not HOST.fullmatch(host)
            or strange
            or not is_encodable(host)
            or not port.isdecimal()
            or not 0 < int(port) < 65536
        ):
            raise DatabaseUrlError("A host in DATABASE_URL is not of the form db.example.com:5432.")
        found.append(Place(host, int(port)))
    return found


def is_encodable(host: str) -> bool:
    """Returns False for a host name with an empty label, or one of over 63 characters."""
    try:
        host.encode("idna")
    except UnicodeError:
        return host.startswith("/")
    return True


def places_of(url: URL) -> Sequence[Place]:
    """Returns the places of a URL from `asyncpg_url` that names several hosts. Empty if it names one."""
    hosts = url.query.get("host", ())
    if isinstance(hosts, str):
        return ()
    return [Place(host.strip("[]"), int(port)) for host, _, port in (each.rpartition(":") for each in hosts)]


def target_of(url: URL) -> str | None:
    """Returns the target of a URL from `asyncpg_url`: by default None for one host, and `read-write` for several."""
    target = url.query.get(TARGET)
    return str(target) if target else READ_WRITE if places_of(url) else None


def expects_writes(url: str) -> bool:
    """Returns False if the URL allows a read-only server."""
    return asyncpg_url(url).query.get(TARGET, READ_WRITE) in (READ_WRITE, "primary")


def driver_url(url: str) -> URL:
    """Returns `url` for the driver, without the options that only this server reads."""
    parsed = asyncpg_url(url)
    return parsed.difference_update_query([OPTION, TARGET, *(["host"] if places_of(parsed) else [])])


PLACE = re.compile(r"(\[[^\]]*\]|[^:]*):(\d*)")
"""A host with its port. An IPv6 address in it is in brackets."""

TARGETS = (READ_WRITE, "primary", "any", "prefer-standby", "standby", "read-only")

SUPPORTED_OPTIONS = {
    OPTION: OPTION,
    TARGET: TARGET,
    "host": "host",
    "port": "port",
    "sslmode": "ssl",
    "ssl": "ssl",
}

IGNORED_OPTIONS = frozenset({"application_name", "connect_timeout"})
