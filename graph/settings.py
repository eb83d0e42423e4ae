"""Settings of the server, except those of its database."""

from dataclasses import dataclass, field
from pathlib import Path

from services.settings import RateLimit


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for one request.

    `depth`, `aliases`, `root_fields` and `directives` limit an operation; `tokens` and `characters` a document.
    `page` is the maximum number of items in a page. `nodes` are the objects that an operation could return if every
    page were full, `rows` the rows that it reads, `response_bytes` the size of its response. `values` are those of
    large arguments, each counted as often as its field is resolved.

    `seconds` is the maximum duration of a query, `list_seconds` that of one list in it. `read_seconds` is the timeout
    for the head of a request, for its body, and for a client that reads nothing of its response.
    """

    depth: int = 20
    aliases: int = 30
    root_fields: int = 20
    directives: int = 8
    tokens: int = 2_000
    characters: int = 15_000
    body_bytes: int = 256 * 1024
    page: int = 100
    nodes: int = 500_000
    values: int = 10_000
    rows: int = 20_000
    response_bytes: int = 8_000_000
    seconds: float = 10.0
    list_seconds: float = 2.0
    read_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the HTTP server. The defaults suit a developer's machine: anyone who can reach it has full access.

    - `requires_key`: every request needs an API key.
    - `suggestions`: errors suggest similar names, which reveals parts of the schema.
    - `trusted_documents`: file of documents by hash, as graphql-codegen writes it. `trusted_only`: reject all others.
    - `cors_origins`: origins whose pages may read responses. `cors_headers`: headers that they may send in addition to
      those of client libraries.
    - `hosts`: host names, in addition to `localhost`, to accept while no API key is required.
    - `fast_executor`: execute query plans. If False, graphql-core executes operations object by object.
    - `webhook_private_targets`: webhooks may be sent over `http` and to private addresses.
    - `hsts_seconds`: `max-age` of the `Strict-Transport-Security` header. 0: no header.
    - `metrics`: serve `/metrics`.
    - `slow_ms`: log operations that take longer. `log_requests`: log every request.
    """

    requires_key: bool = False
    suggestions: bool = True
    limits: Limits = field(default_factory=Limits)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    trusted_documents: Path | None = None
    trusted_only: bool = False
    cors_origins: tuple[str, ...] = ()
    cors_headers: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    fast_executor: bool = True
    webhook_private_targets: bool = False
    hsts_seconds: int = 0
    metrics: bool = False
    slow_ms: int = 1000
    log_requests: bool = False
