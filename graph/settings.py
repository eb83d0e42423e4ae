"""What can be set of the server, beside its database."""

from dataclasses import dataclass, field
from pathlib import Path

from graph.limits import Limits
from services.rate_limits import RateLimit


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server behaves. By default as on a developer's own machine: whoever reaches it may do everything.

    `requires_key`: each request needs an API key. `suggestions`: errors say which name was perhaps meant, which tells
    the schema to those who may not read it. `trusted_documents`: a file of documents by their hash, as graphql-codegen
    writes it; `trusted_only`: no other is taken. `cors_origins`: pages of these origins may read answers. `hosts`:
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
    hosts: frozenset[str] = frozenset()
    plans: bool = True
    hsts_seconds: int = 0
    metrics: bool = False
    slow_ms: int = 1000
    log_requests: bool = False
