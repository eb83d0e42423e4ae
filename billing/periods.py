"""Billing periods and intervals. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from billing.enums import PlanInterval


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open time range `[start, end)`. Both instants are in UTC and in whole seconds."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        assert self.start.tzinfo is UTC, self.start
        assert self.end.tzinfo is UTC, self.end
        assert self.start <= self.end, self

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end

    @property
    def seconds(self) -> int:
        """The length of the period."""
        return int((self.end - self.start).total_seconds())

    def seconds_left(self, at: datetime) -> int:
        """Returns the number of seconds from `at` to the end: the full length before the start, 0 after the end."""
        return max(0, int((self.end - max(at, self.start)).total_seconds()))


NOMINAL_MONTH = 2_629_746
"""Seconds in 365.2425 / 12 days, the average month of the Gregorian calendar."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The length of a period, in days of 86 400 s or in calendar months. Exactly one of the two is above 0."""

    days: int = 0
    months: int = 0

    def __post_init__(self) -> None:
        assert (self.days > 0) != (self.months > 0), self
        assert self.days >= 0, self
        assert self.months >= 0, self

    @property
    def nominal_seconds(self) -> int:
        """The average length, for comparing intervals. A month counts as 365.2425 / 12 days."""
        return self.days * 86_400 + self.months * NOMINAL_MONTH


def nth_boundary(anchor: datetime, interval: Interval, n: int) -> datetime:
    """Returns the instant `n` intervals after `anchor`, or before it if `n` is negative.

    Counts from the anchor, never from the previous boundary. A day that a short month does not have is therefore used
    again in the next long month: Jan 31 → Feb 28 → Mar 31.
    """
    assert anchor.tzinfo is UTC, anchor
    if interval.days:
        return anchor + timedelta(days=interval.days * n)
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + interval.months * n, 12)
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def next_boundary_number(anchor: datetime, interval: Interval, at: datetime) -> int:
    """Returns the smallest `n` for which `nth_boundary` is later than `at`."""
    n = int((at - anchor).total_seconds() // interval.nominal_seconds)
    while nth_boundary(anchor, interval, n) > at:
        n -= 1
    while nth_boundary(anchor, interval, n) <= at:
        n += 1
    return n


def is_same_unit(one: Interval, other: Interval) -> bool:
    """Returns True if both intervals are months or years, or both are whole weeks. Then they share billing anchors."""
    return (one.months > 0 and other.months > 0) or (
        one.days > 0 and other.days > 0 and one.days % 7 == other.days % 7 == 0
    )


def billing_interval(interval: PlanInterval, count: int) -> Interval:
    """Returns the length of one period of a plan."""
    match interval:
        case PlanInterval.DAY:
            return Interval(days=count)
        case PlanInterval.WEEK:
            return Interval(days=7 * count)
        case PlanInterval.MONTH:
            return Interval(months=count)
        case PlanInterval.YEAR:
            return Interval(months=12 * count)
