"""Figures of the business: sums by month, and the age of overdue invoices. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

OVERDUE_DAYS = ((1, 30), (31, 60), (61, 90), (91, None))
"""Buckets for the age of overdue invoices, in days: the first and the last day of each, None for no end."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Changes of figures in one currency, added up. `mrr_cents` is the sum of the five kinds of movements."""

    mrr_cents: int = 0
    new_cents: int = 0
    expansion_cents: int = 0
    contraction_cents: int = 0
    churned_cents: int = 0
    reactivated_cents: int = 0
    active: int = 0
    trialing: int = 0
    past_due: int = 0
    invoiced_cents: int = 0
    collected_cents: int = 0


@dataclass(frozen=True, slots=True)
class Month:
    """The changes in a calendar month (UTC) that begins at `start`, and the MRR before and after them."""

    start: datetime
    sums: Sums
    start_mrr_cents: int

    @property
    def end_mrr_cents(self) -> int:
        return self.start_mrr_cents + self.sums.mrr_cents


@dataclass(frozen=True, slots=True)
class Overdue:
    """Invoices that are overdue for `min_days` to `max_days` days. `max_days` is None if there is no end."""

    min_days: int
    max_days: int | None
    amount_cents: int
    invoices: int


@dataclass(frozen=True, slots=True)
class Outstanding:
    """The amount due on OPEN invoices in one currency, and the part of it that is overdue, by age."""

    amount_cents: int = 0
    overdue: Sequence[Overdue] = tuple(Overdue(least, most, 0, 0) for least, most in OVERDUE_DAYS)


def month_of(at: datetime) -> datetime:
    """Returns the first instant of the calendar month."""
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_before(month: datetime) -> datetime:
    return month.replace(year=month.year - 1, month=12) if month.month == 1 else month.replace(month=month.month - 1)


def latest_months(by_month: dict[datetime, Sums], now: datetime, count: int) -> list[Month]:
    """Returns the last `count` months up to that of `now`, oldest first, also those without changes."""
    starts = [month_of(now)]
    while len(starts) < count:
        starts.append(month_before(starts[-1]))
    starts.reverse()
    before = sum(sums.mrr_cents for month, sums in by_month.items() if month < starts[0])
    return list(with_start(starts, by_month, before))


def with_start(starts: Sequence[datetime], by_month: dict[datetime, Sums], mrr_cents: int) -> Iterator[Month]:
    """Yields the months that begin at `starts`. `mrr_cents` is the MRR before the first one."""
    for start in starts:
        month = Month(start, by_month.get(start, Sums()), mrr_cents)
        yield month
        mrr_cents = month.end_mrr_cents
