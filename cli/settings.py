"""Every setting of the server, declared once: its name, type and default, and what it is for.

What reads and refuses variables, `billing config`, the help of the options and docs/configuration.md follow from it.
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
from services.settings import Brake, RateLimit, brake_for

LIMITS = Limits()
SERVER = Settings()
RATE = RateLimit()

HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
"""Without a scheme or a port, as it is compared; with what stands in names that Docker gives."""

HEADER_NAME = re.compile(r"[A-Za-z0-9_-]+")

Group = TypeVar("Group", DatabaseSettings, Limits, RateLimit)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_local(read: Mapping[str, Any]) -> bool:
    """Whether only this machine's people reach the server, and only their own data: then it needs no API key."""
    return read["database_url"] is None and is_loopback(read["host"])


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def is_open(read: Mapping[str, Any]) -> bool:
    return not is_local(read)


def database_url(said: str) -> str:
    """A URL that can be used. Raises `DatabaseUrlError`."""
    from db.driver.urls import asyncpg_url

    asyncpg_url(said)
    return said


def origins(said: str) -> tuple[str, ...]:
    """Origins, such as `https://app.example.com`. Raises `CommandError` for what is none."""
    for each in said.split():
        scheme, found, host = each.partition("://")
        if scheme not in ("http", "https") or not found or not host or "/" in host or "*" in host:
            raise CommandError(f"BILLING_CORS_ORIGINS must be origins such as https://app.example.com, not {each!r}.")
    return tuple(said.split())


def header_names(said: str) -> tuple[str, ...]:
    """Names such as `X-Tenant`. Raises `CommandError` for what is none."""
    for each in said.split():
        if not HEADER_NAME.fullmatch(each):
            raise CommandError(f"BILLING_CORS_HEADERS must be names such as X-Tenant, not {each!r}.")
    return tuple(said.split())


def host_names(said: str) -> tuple[str, ...]:
    """Names such as `billing.internal`. Raises `CommandError` for what is none."""
    for each in said.split():
        if not HOST_NAME.fullmatch(each):
            raise CommandError(f"BILLING_HOSTS must be names such as billing.internal, not {each!r}.")
    return tuple(said.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What is in force. The variable of a setting is BILLING_ and its name in upper case, where it has no other."""

    database_url: str | None = setting(
        None,
        "`postgresql://user:password@host/database`, PostgreSQL 15 to 18. Of its options, `sslmode` is taken.",
        variable="DATABASE_URL",
        secret=True,
        otherwise="one of its own",
        parse=database_url,
    )
    pgbouncer: bool = setting(
        False, "`on`: `DATABASE_URL` is that of a PgBouncer in transaction mode. See docs/operations.md."
    )
    data_dir: Path = setting(Path(".billing"), "Folder of the server's own PostgreSQL, where no other is named.")
    host: str = setting("127.0.0.1", "Address to listen on.")
    port: int = setting(8000, "Port to listen on; 0 for any free one.", least=0, most=65535)
    workers: int = setting(1, "Number of server processes.", least=1, most=16)
    renew: bool = setting(True, "Bill what becomes due while serving.")
    renew_every: float = setting(10.0, "Seconds between two looks for what is due.", least=0.1, most=3600)

    renew_parallel: int = setting(
        1,
        "Chunks of renewals that a process does side by side.",
        least=1,
        most=100,
        otherwise="by cores",
        by=lambda _: brake_for(cores()).side_by_side,
    )
    renew_rest: float = setting(
        0.0,
        "Seconds of rest after each second of renewals, in which requests have the machine.",
        least=0,
        most=100,
        otherwise="by cores",
        by=lambda _: brake_for(cores()).rest,
    )

    auth: bool = setting(
        True, "`on`: each request needs an API key; `off`: none does.", otherwise="by address", by=is_open
    )
    hosts: tuple[str, ...] = setting(
        (),
        "Names, beside `localhost` and addresses, by which a server that needs no key may be asked;"
        " a space between two.",
        parse=host_names,
    )
    fast_executor: bool = setting(
        True,
        "`off`: operations are executed object by object, by graphql-core, and not from plans. Slower; the answers are"
        " the same.",
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "Origins, such as `https://app.example.com`, whose pages may read answers; a space between two.",
        parse=origins,
    )
    cors_headers: tuple[str, ...] = setting(
        (),
        "Headers that such pages may send, beside those of client libraries and of tracing; a space between two.",
        parse=header_names,
    )
    suggestions: bool = setting(
        False,
        "`on`: an error says which name was perhaps meant, which tells the schema.",
        otherwise="by address",
        by=is_local,
    )
    hsts_seconds: int = setting(
        0, "Seconds that browsers come by HTTPS only, once they have; 0: they are not told so.", least=0
    )
    trusted_documents: Path | None = setting(
        None, "A file of documents by their hash, as graphql-codegen writes it: a client sends `documentId`."
    )
    trusted_only: bool = setting(False, "`on`: no other document is taken.")

    max_depth: int = setting(LIMITS.depth, "How deep a document may nest, introspection aside.")
    max_aliases: int = setting(LIMITS.aliases, "Aliases in an operation, its fragments included.")
    max_root_fields: int = setting(LIMITS.root_fields, "Fields at its root.")
    max_directives: int = setting(LIMITS.directives, "Directives in it.")
    max_tokens: int = setting(LIMITS.tokens, "Tokens of a document.")
    max_characters: int = setting(LIMITS.characters, "Characters of a document.")
    max_body_bytes: int = setting(LIMITS.body_bytes, "Bytes of a request.")
    max_page: int = setting(
        LIMITS.page,
        "Items of a page, by `first`, by `last` or by default, and ids that `nodes` takes; descriptions in the schema"
        " name the defaults.",
        least=1,
        most=1000,
    )
    max_nodes: int = setting(
        LIMITS.nodes, "Objects that an operation could give, were each page full; lists without pages count as one."
    )
    max_values: int = setting(LIMITS.values, "Values of large arguments, each as often as its field is resolved.")
    max_response_bytes: int = setting(
        LIMITS.response_bytes, "Bytes of its answer: one that is larger is refused while it is built."
    )
    max_rows: int = setting(
        LIMITS.rows, "Rows that the database reads for it, and rows of lists inside others that it gives."
    )
    max_seconds: float = setting(LIMITS.seconds, "Seconds that a query may take.")
    max_list_seconds: float = setting(
        LIMITS.list_seconds,
        "Seconds that one list with a filter may take: see docs/clients.md for what is always fast.",
    )
    max_read_seconds: float = setting(
        LIMITS.read_seconds,
        "Seconds that the head of a request may take to arrive, and as many its body; after as many in which a client"
        " takes nothing of its answer, it is given up.",
    )
    rate_rows_per_second: float = setting(
        RATE.rows_per_second, "Rows that a key may read each second; a request counts as one more."
    )
    rate_burst: float = setting(RATE.burst, "Rows that it may read at once, after a time of rest.")

    pool_size: int = setting(
        DEFAULTS.pool_size, "Connections of a process to the database for answers, and as many for all else.", most=1000
    )
    pool_timeout_seconds: float = setting(
        DEFAULTS.pool_timeout_seconds,
        "Seconds that a request waits for one of them, at most until its own time is over.",
    )
    statement_timeout_ms: int = setting(DEFAULTS.statement_timeout_ms, "Milliseconds that a statement may take.")
    lock_timeout_ms: int = setting(DEFAULTS.lock_timeout_ms, "Milliseconds that it may wait for a lock.")
    idle_in_transaction_timeout_ms: int = setting(
        DEFAULTS.idle_in_transaction_timeout_ms, "Milliseconds that a transaction may stand still."
    )

    metrics: bool = setting(False, "`on`: `/metrics` has figures for Prometheus, for whoever may read by the API.")
    slow_ms: int = setting(SERVER.slow_ms, "An operation that takes longer than so many milliseconds is logged.")
    log_requests: bool = setting(False, "`on`: each request is logged.")

    def url(self) -> str | None:
        """The URL of the database, which says what it leads to; None for one of our own."""
        from db.driver.urls import pgbouncer_url

        return pgbouncer_url(self.database_url) if self.database_url and self.pgbouncer else self.database_url

    def brake(self) -> Brake:
        """How much of the machine renewals may use."""
        return Brake(self.renew_parallel, self.renew_rest)

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
        """The settings whose names have `prefix`, as the dataclass of those names."""
        return group(**{each.name: getattr(self, prefix + each.name) for each in fields(group)})


def environment_of(configuration: Configuration) -> dict[str, str]:
    """What is in force as variables: read again, they give the same configuration."""
    return {each.variable: format_value(getattr(configuration, each.field)) for each in settings_of(Configuration)}


def read_configuration(environment: Mapping[str, str] = os.environ, **options: object) -> Configuration:
    """What the environment and the options of a command say: an option that is not None stands above its variable.

    Raises `CommandError` and `DatabaseUrlError` for what cannot be.
    """
    found = find(Configuration, environment, options)
    configuration = Configuration(**{name: each.value for name, each in found.items()})
    if configuration.trusted_only and configuration.trusted_documents is None:
        raise CommandError("BILLING_TRUSTED_ONLY needs the documents: name their file in BILLING_TRUSTED_DOCUMENTS.")
    if options.get("data_dir") is not None and configuration.database_url is not None:
        raise CommandError("--data-dir and DATABASE_URL each name a database: leave one of them out.")
    if configuration.pgbouncer and configuration.database_url is None:
        raise CommandError("BILLING_PGBOUNCER needs the address of the PgBouncer: give it as DATABASE_URL.")
    return configuration
