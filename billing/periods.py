"""Spans of time that are billed. Kernel: values in, values out."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from billing.words import PlanInterval


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of time, ``[start, end)``, both instants in UTC and in whole seconds."""

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
        """How long the span is."""
        return int((self.end - self.start).total_seconds())

    def seconds_left(self, at: datetime) -> int:
        """Seconds from `at` to the end: all of them before the start, 0 once the span is over."""
        return max(0, int((self.end - max(at, self.start)).total_seconds()))


NOMINAL_MONTH = 2_629_746
"""Seconds in 365.2425 / 12 days, the average month of the Gregorian calendar."""


@dataclass(frozen=True, slots=True)
class Interval:
    """How long a period is: whole days of 86 400 s, or calendar months. Exactly one of the two is not zero."""

    days: int = 0
    months: int = 0

    def __post_init__(self) -> None:
        assert (self.days > 0) != (self.months > 0), self
        assert self.days >= 0, self
        assert self.months >= 0, self

    @property
    def nominal_seconds(self) -> int:
        """How long an average period is, by which intervals compare: a month has 365.2425 / 12 days."""
        return self.days * 86_400 + self.months * NOMINAL_MONTH


def nth_boundary(anchor: datetime, interval: Interval, n: int) -> datetime:
    """The instant `n` intervals after `anchor` (before it, where `n` is negative).

    Counted from the anchor, never from the previous boundary, so that a day clamped to the length of a short month
    comes back in the next long one: Jan 31 → Feb 28 → Mar 31.
    """
    assert anchor.tzinfo is UTC, anchor
    if interval.days:
        return anchor + timedelta(days=interval.days * n)
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + interval.months * n, 12)
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def billing_interval(interval: PlanInterval, count: int) -> Interval:
    """How long one period of a plan is."""
    match interval:
        case PlanInterval.DAY:
            return Interval(days=count)
        case PlanInterval.WEEK:
            return Interval(days=7 * count)
        case PlanInterval.MONTH:
            return Interval(months=count)
        case PlanInterval.YEAR:
            return Interval(months=12 * count)
