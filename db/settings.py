"""What can be set of the connections to the database."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """What can be set of the connections of a process: `pool_size` of them for answers, and as many for all else.

    A request waits `pool_timeout_seconds` for one that is free, or until its own time is over. The others are
    PostgreSQL's timeouts.
    """

    pool_size: int = 6
    pool_timeout_seconds: float = 10.0
    statement_timeout_ms: int = 10_000
    lock_timeout_ms: int = 5_000
    idle_in_transaction_timeout_ms: int = 10_000


DEFAULTS = DatabaseSettings()
