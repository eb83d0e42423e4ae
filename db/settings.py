"""Settings of the database connections."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Settings of a process's database connections: `pool_size` for responses, and as many for everything else.

    A request waits up to `pool_timeout_seconds` for a free connection, or until its own timeout. The other timeouts are
    those of PostgreSQL.
    """

    pool_size: int = 6
    pool_timeout_seconds: float = 10.0
    statement_timeout_ms: int = 10_000
    lock_timeout_ms: int = 5_000
    idle_in_transaction_timeout_ms: int = 10_000


DEFAULTS = DatabaseSettings()
