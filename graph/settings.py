"""What can be set of the server, beside its database."""

from dataclasses import dataclass, field
from pathlib import Path

from services.settings import RateLimit


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for at most.

    A page has `page` items. `nodes` are the objects that a document could give, were each page full; `rows` those that
    the database reads for it, `response_bytes` those of its answer. `characters` and `tokens` are a document's,
    `seconds` the time that a query may take, `list_seconds` that of one list in it. `values` are those of large
    arguments, each as often as its field is resolved. `read_seconds` the head of a request may take to arrive, and as
    many its body.
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
    values: int = 50_000
    rows: int = 20_000
    response_bytes: int = 8_000_000
    seconds: float = 10.0
    list_seconds: float = 2.0
    read_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server behaves. By default as on a developer's own machine: whoever reaches it may do everything.

    `requires_key`: each request needs an API key. `suggestions`: errors say which name was perhaps meant, which tells
    the schema to those who may not read it. `trusted_documents`: a file of documents by their hash, as graphql-codegen
    writes it; `trusted_only`: no other is taken. `cors_origins`: pages of these origins may read answers, and send
    `cors_headers` beside those that client libraries send. `hosts`:
    names, beside `localhost`, by which a server that needs no key may be asked. Without `plans`, operations are
    executed by graphql-core, object by object. For `hsts_seconds` a browser comes by HTTPS only; 0: it is not told so.
    `metrics`: the server has `/metrics`. An operation that takes longer than `slow_ms` is logged; with `log_requests`
    each request is.
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
    hsts_seconds: int = 0
    metrics: bool = False
    slow_ms: int = 1000
    log_requests: bool = False
