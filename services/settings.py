"""Settings of the services."""

from dataclasses import dataclass

BLOCKS = 100
"""Number of blocks in a full bucket. With 100, the unspent blocks of eight workers are less than a tenth of it."""

CONCURRENCY_LIMIT = 6
"""Maximum number of chunks that run concurrently by default."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The size of a bucket, in rows, and its refill rate. A request costs the rows that it reads plus one."""

    rows_per_second: float = 5_000.0
    burst: float = 200_000.0

    @property
    def block(self) -> float:
        return max(1.0, self.burst / BLOCKS)


@dataclass(frozen=True, slots=True)
class RunThrottle:
    """Limits on the machine's resources that runs use.

    `concurrency` is the number of concurrent chunks, `pause_ratio` the seconds of pause per second of work.
    """

    concurrency: int = 1
    pause_ratio: float = 0.0


NO_THROTTLE = RunThrottle()


def throttle_for(cores: int) -> RunThrottle:
    """Returns the throttle for a machine with this number of cores. It leaves capacity for requests."""
    concurrency = min(CONCURRENCY_LIMIT, max(1, cores // 2))
    return RunThrottle(concurrency, pause_ratio=1.0 if cores <= 2 else 0.5 if cores <= 4 else 0.0)
