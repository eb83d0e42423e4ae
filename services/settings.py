"""What can be set of the services."""

from dataclasses import dataclass

BLOCKS = 100
"""A block is so small a part of a bucket that what eight processes hold of it unspent is less than a tenth."""

MOST_SIDE_BY_SIDE = 6
"""Maximum of chunks that are done side by side by default."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A bucket holds `burst` rows at most, and fills by `rows_per_second`. Each request costs the rows that it reads,
    and one more.
    """

    rows_per_second: float = 5_000.0
    burst: float = 200_000.0

    @property
    def block(self) -> float:
        return max(1.0, self.burst / BLOCKS)


@dataclass(frozen=True, slots=True)
class Brake:
    """How much of the machine runs may use: chunks done `side_by_side`, and so many seconds of `rest` for each second
    of work.
    """

    side_by_side: int = 1
    rest: float = 0.0


NO_BRAKE = Brake()


def brake_for(cores: int) -> Brake:
    """The brake that leaves room for requests, on a machine with so many cores."""
    side_by_side = min(MOST_SIDE_BY_SIDE, max(1, cores // 2))
    return Brake(side_by_side, rest=1.0 if cores <= 2 else 0.5 if cores <= 4 else 0.0)
