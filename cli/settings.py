"""All settings of the server, each declared once with its name, type, default and description.

The parsing of variables, `billing config`, the help of the options and docs/configuration.md derive from them.
"""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from cli.environment import find, format_value, setting, settings_of
from cli.errors import CommandError
from db.settings import DEFAULTS, DatabaseSettings
from graph.settings import Limits, Settings
from services.settings import RateLimit, RunThrottle, throttle_for

LIMITS = Limits()
SERVER = Settings()
RATE = RateLimit()

HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""A host name without scheme or port. Underscores are allowed because Docker uses them."""

HEADER_NAME = re.compile(r"[A-Za-z0-9_-]+")

Group = TypeVar("Group", DatabaseSettings, Limits, RateLimit)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_local(read: Mapping[str, Any]) -> bool:
    """Returns True if the database is embedded and only this machine can reach the server, so no API key is needed."""
    return read["database_url"] is None and is_loopback(read["host"])


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def is_open(read: Mapping[str, Any]) -> bool:
    return not is_local(read)


def database_url(said: str) -> str:
    """Returns `said` if it is a supported URL. Raises `DatabaseUrlError` otherwise."""
    from db.driver.urls import asyncpg_url

    asyncpg_url(said)
    return said


def origins(said: str) -> tuple[str, ...]:
    """Parses origins such as `https://app.example.com`. Raises `CommandError` if one is not valid."""
    for each in said.split():
        scheme, found, host = each.partition("://")
        if scheme not in ("http", "https") or not found or not host or "/" in host or "*" in host:
            raise CommandError(f"BILLING_CORS_ORIGINS must list origins such as https://app.example.com, not {each!r}.")
    return tuple(said.split())


def header_names(said: str) -> tuple[str, ...]:
    """Parses header names such as `X-Tenant`. Raises `CommandError` if one is not valid."""
    for each in said.split():
        if not HEADER_NAME.fullmatch(each):
            raise CommandError(f"BILLING_CORS_HEADERS must list header names such as X-Tenant, not {each!r}.")
    return tuple(said.split())


def host_names(said: str) -> tuple[str, ...]:
    """Parses host names such as `billing.internal`. Raises `CommandError` if one is not valid."""
    for each in said.split():
        if not HOST_NAME.fullmatch(each):
            raise CommandError(f"BILLING_HOSTS must list host names such as billing.internal, not {each!r}.")
    return tuple(said.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The effective settings. The default variable of a setting is BILLING_ and its name in upper case."""

    database_url: str | None = setting(
        None,
        (
            "`postgresql://user:password@host/database`, PostgreSQL 15 to 18. Supported URL options: `host`, `port`,"
            " `sslmode` and `target_session_attrs`. For several hosts, see docs/scaling.md."
        ),
        variable="DATABASE_URL",
        secret=True,
        otherwise="embedded PostgreSQL",
        parse=database_url,
    )
    pgbouncer: bool = setting(
        False, "`on`: `DATABASE_URL` points to a PgBouncer in transaction mode. See docs/operations.md."
    )
    data_dir: Path = setting(
        Path(".billing"), "Data folder of the embedded PostgreSQL, used if `DATABASE_URL` is not set."
    )
    host: str = setting("127.0.0.1", "Address to listen on.")
    port: int = setting(8000, "Port to listen on; 0 for any free one.", least=0, most=65535)
    workers: int = setting(1, "Number of server processes.", least=1, most=16)
    renew: bool = setting(True, "Bill due subscriptions while serving.")
    renew_every: float = setting(10.0, "Seconds between two checks for due subscriptions.", least=0.1, most=3600)

    renew_parallel: int = setting(
        1,
        "Number of chunks (see `billing renew --chunk`) that a process renews in parallel.",
        least=1,
        most=100,
        otherwise="by cores",
        by=lambda _: throttle_for(cores()).concurrency,
    )
    renew_rest: float = setting(
        0.0,
        "Seconds to pause after each second of renewal work, to leave the machine to requests.",
        least=0,
        most=100,
        otherwise="by cores",
        by=lambda _: throttle_for(cores()).pause_ratio,
    )

    auth: bool = setting(
        True, "`on`: every request needs an API key; `off`: no request does.", otherwise="by address", by=is_open
    )
    hosts: tuple[str, ...] = setting(
        (),
        "Extra host names to accept while no API key is required, separated by spaces. `localhost` and IP"
        " addresses are always accepted.",
        parse=host_names,
    )
    fast_executor: bool = setting(
        True,
        "`off`: graphql-core executes operations object by object instead of from query plans. Responses are the"
        " same, but slower.",
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "Origins whose pages may call the API (CORS), such as `https://app.example.com`, separated by spaces.",
        parse=origins,
    )
    cors_headers: tuple[str, ...] = setting(
        (),
        "Extra request headers that these pages may send, separated by spaces. Headers of client libraries and"
        " tracing are always allowed.",
        parse=header_names,
    )
    suggestions: bool = setting(
        False,
        '`on`: errors suggest similar names ("Did you mean …"), which reveals parts of the schema.',
        otherwise="by address",
        by=is_local,
    )
    hsts_seconds: int = setting(
        0, "`max-age` of the `Strict-Transport-Security` header, in seconds; 0: no header.", least=0
    )
    trusted_documents: Path | None = setting(
        None,
        ("File of trusted documents by hash, as graphql-codegen writes it. Clients send the hash as `documentId`."),
    )
    trusted_only: bool = setting(False, "`on`: only trusted documents are accepted.")

    max_depth: int = setting(LIMITS.depth, "Maximum nesting depth of an operation, not counting introspection.")
    max_aliases: int = setting(LIMITS.aliases, "Maximum number of aliases in an operation, including its fragments.")
    max_root_fields: int = setting(LIMITS.root_fields, "Maximum number of root fields in an operation.")
    max_directives: int = setting(LIMITS.directives, "Maximum number of directives in an operation.")
    max_tokens: int = setting(LIMITS.tokens, "Maximum number of tokens in a document.")
    max_characters: int = setting(LIMITS.characters, "Maximum number of characters in a document.")
    max_body_bytes: int = setting(LIMITS.body_bytes, "Maximum size of a request body, in bytes.")
    max_page: int = setting(
        LIMITS.page,
        "Maximum number of items in a page and of ids in `nodes`. The schema's descriptions state the default of"
        " this setting.",
        least=1,
        most=1000,
    )
    max_nodes: int = setting(
        LIMITS.nodes,
        (
            "Maximum number of objects that an operation could return if every page were full. A list"
            " without paging counts as one."
        ),
    )
    max_values: int = setting(
        LIMITS.values, "Maximum number of values in large arguments, each counted as often as its field is resolved."
    )
    max_response_bytes: int = setting(
        LIMITS.response_bytes, "Maximum size of a response, in bytes. Building a larger one stops with an error."
    )
    max_rows: int = setting(
        LIMITS.rows,
        ("Maximum number of rows that an operation may read, and of rows that it may return in nested lists."),
    )
    max_seconds: float = setting(LIMITS.seconds, "Maximum duration of a query, in seconds.")
    max_list_seconds: float = setting(
        LIMITS.list_seconds,
        "Maximum duration of one filtered list, in seconds. See docs/clients.md for the filters that are always fast.",
    )
    max_read_seconds: float = setting(
        LIMITS.read_seconds,
        "Timeout in seconds for receiving a request's head, for receiving its body, and for a client that reads"
        " nothing of its response.",
    )
    rate_rows_per_second: float = setting(
        RATE.rows_per_second, "Rate limit: rows per second for each key. Each request counts as one extra row."
    )
    rate_burst: float = setting(RATE.burst, "Rate limit: maximum burst of rows for a key after an idle period.")

    pool_size: int = setting(
        DEFAULTS.pool_size,
        ("Size of each of a process's two connection pools: one for answering queries, one for everything else."),
        most=1000,
    )
    pool_timeout_seconds: float = setting(
        DEFAULTS.pool_timeout_seconds,
        "Maximum time in seconds that a request waits for a connection, within its own time limit.",
    )
    statement_timeout_ms: int = setting(
        DEFAULTS.statement_timeout_ms, "PostgreSQL's `statement_timeout`, in milliseconds."
    )
    lock_timeout_ms: int = setting(DEFAULTS.lock_timeout_ms, "PostgreSQL's `lock_timeout`, in milliseconds.")
    idle_in_transaction_timeout_ms: int = setting(
        DEFAULTS.idle_in_transaction_timeout_ms, "PostgreSQL's `idle_in_transaction_session_timeout`, in milliseconds."
    )

    deliver: bool = setting(
        True, "Deliver webhooks while serving. `off`: run `billing deliver` as a process of its own."
    )
    webhook_private_targets: bool = setting(
        False,
        "`on`: webhooks may be sent over `http` and to private addresses, such as a receiver on `localhost`. Anyone"
        " with an ADMIN key can then send requests into your network.",
    )

    metrics: bool = setting(
        False, ("`on`: `/metrics` serves Prometheus metrics. If requests need an API key, so does `/metrics`.")
    )
    slow_ms: int = setting(SERVER.slow_ms, "Operations that take longer than this many milliseconds are logged.")
    log_requests: bool = setting(False, "`on`: every request is logged.")

    def url(self) -> str | None:
        """Returns the URL of the database, marked if it points to a PgBouncer. None for the embedded PostgreSQL."""
        from db.driver.urls import pgbouncer_url

        return pgbouncer_url(self.database_url) if self.database_url and self.pgbouncer else self.database_url

    def throttle(self) -> RunThrottle:
        """Returns the share of the machine that renewals may use."""
        return RunThrottle(self.renew_parallel, self.renew_rest)

    def of_database(self) -> DatabaseSettings:
        return self.group(DatabaseSettings)

    def of_server(self) -> Settings:
        named_otherwise: dict[str, Any] = {
            "requires_key": self.auth,
            "limits": self.group(Limits, "max_"),
            "rate_limit": self.group(RateLimit, "rate_"),
            "hosts": frozenset(name.lower() for name in self.hosts),
        }
        same = {each.name for each in fields(Settings)} - named_otherwise.keys()
        return Settings(**named_otherwise, **{name: getattr(self, name) for name in same})

    def group(self, group: type[Group], prefix: str = "") -> Group:
        """Returns the settings whose names start with `prefix`, as a `group`."""
        return group(**{each.name: getattr(self, prefix + each.name) for each in fields(group)})


def environment_of(configuration: Configuration) -> dict[str, str]:
    """Returns the settings as variables that parse to the same configuration."""
    return {each.variable: format_value(getattr(configuration, each.field)) for each in settings_of(Configuration)}


def read_configuration(environment: Mapping[str, str] = os.environ, **options: object) -> Configuration:
    """Reads the settings from the environment. `options` of a command that are not None override their variables.

    Raises `CommandError` and `DatabaseUrlError` for invalid settings.
    """
    found = find(Configuration, environment, options)
    configuration = Configuration(**{name: each.value for name, each in found.items()})
    if configuration.trusted_only and configuration.trusted_documents is None:
        raise CommandError(
            "BILLING_TRUSTED_ONLY requires trusted documents: set BILLING_TRUSTED_DOCUMENTS to their file."
        )
    if options.get("data_dir") is not None and configuration.database_url is not None:
        raise CommandError("--data-dir and DATABASE_URL both name a database: use only one of them.")
    if configuration.pgbouncer and configuration.database_url is None:
        raise CommandError("BILLING_PGBOUNCER requires DATABASE_URL: set it to the address of the PgBouncer.")
    return configuration
