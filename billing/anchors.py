"""Billing anchors: the calendar days on which periods begin. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from billing.enums import FirstPeriod
from billing.errors import InvalidInput
from billing.periods import Interval, next_boundary_number, nth_boundary
from billing.records import SubscriptionState

FIELD = "billing_anchor"

PERIODS_TO_SEARCH = 8
"""Number of periods to search for one that has the day. Enough for any interval, even for February 29 around 2100."""


@dataclass(frozen=True, slots=True)
class BillingAnchor:
    """A day of the month, optionally in a given month, or a day of the week, and a time of day in UTC.

    `month` is 1 to 12, `day_of_month` 1 to 31, and `day_of_week` 1 (Monday) to 7. Months that are shorter than
    `day_of_month` use their last day.
    """

    day_of_month: int | None = None
    month: int | None = None
    day_of_week: int | None = None
    time: time = time()


@dataclass(frozen=True, slots=True)
class AnchorRequest:
    """A requested billing anchor, and the policy for the period that ends at it.

    Without an `anchor`, periods are counted from the start of the next one.
    """

    anchor: BillingAnchor | None = None
    first_period: FirstPeriod | None = None


NO_ANCHOR = AnchorRequest()


def set_anchor(
    subscription: SubscriptionState, request: AnchorRequest, interval: Interval, starts_at: datetime
) -> None:
    """Sets the anchor for the periods from `starts_at` on. Raises `InvalidInput`."""
    has_trial_first = subscription.trial_end is not None and subscription.next_ordinal == 0
    ordinal = 1 if has_trial_first else subscription.next_ordinal
    if request.anchor is None:
        if request.first_period is not None:
            raise InvalidInput("`firstPeriod` requires a `billingAnchor`.", "first_period")
        subscription.anchor_at, subscription.anchor_ordinal = starts_at, ordinal
        subscription.first_period = None
    else:
        subscription.anchor_at = anchor_instant(request.anchor, interval, starts_at)
        subscription.anchor_ordinal = ordinal + 1 - next_boundary_number(subscription.anchor_at, interval, starts_at)
        subscription.first_period = request.first_period or FirstPeriod.PRORATED


def anchor_instant(anchor: BillingAnchor, interval: Interval, starts_at: datetime) -> datetime:
    """Returns an instant from which periods are counted, so that one of them ends at the first anchor after a start.

    Its day is never cut to the length of its month. It may be several periods after the start. Raises `InvalidInput`
    if the anchor does not suit the interval or never occurs.
    """
    require_suits(anchor, interval)
    if interval.months:
        return monthly_instant(anchor, interval, starts_at)
    assert anchor.day_of_week is not None, "a weekly anchor has a day of the week"
    days = (anchor.day_of_week - starts_at.isoweekday()) % 7
    first = at_time(starts_at + timedelta(days=days), anchor.time)
    return first if first >= starts_at else first + timedelta(days=7)


def later_anchor(anchor_at: datetime, interval: Interval, number: int) -> datetime:
    """Returns an equivalent anchor, not before boundary `number`: periods counted from it begin at the same instants.

    For a start that moved far beyond its anchor. The day of the anchor is never cut to the length of its month.
    """
    boundaries = (nth_boundary(anchor_at, interval, number + n) for n in range(PERIODS_TO_SEARCH))
    return next(later for later in boundaries if interval.days or later.day == anchor_at.day)


def require_suits(anchor: BillingAnchor, interval: Interval) -> None:
    """Raises `InvalidInput` if plans with this interval cannot have the anchor."""
    if interval.days % 7:
        raise InvalidInput(
            "A billing anchor requires a plan that is billed by weeks, months or years: this plan is billed every"
            f" {interval.days} days.",
            FIELD,
        )
    has_week, has_month = anchor.day_of_week is not None, anchor.day_of_month is not None or anchor.month is not None
    if interval.months and (anchor.day_of_month is None or has_week):
        wrong = ", not `dayOfWeek`" if has_week else ""
        raise InvalidInput(
            f"The billing anchor of a plan that is billed by months or years needs `dayOfMonth`{wrong}.", FIELD
        )
    if interval.days and (anchor.day_of_week is None or has_month):
        wrong = ", not `dayOfMonth` or `month`" if has_month else ""
        raise InvalidInput(f"The billing anchor of a plan that is billed by weeks needs `dayOfWeek`{wrong}.", FIELD)
    if anchor.day_of_month is not None and not 1 <= anchor.day_of_month <= 31:
        raise InvalidInput("`dayOfMonth` must be 1 to 31.", FIELD, "day_of_month")
    if anchor.month is not None and not 1 <= anchor.month <= 12:
        raise InvalidInput("`month` must be 1 to 12.", FIELD, "month")


def monthly_instant(anchor: BillingAnchor, interval: Interval, starts_at: datetime) -> datetime:
    """Returns `anchor_instant` for an interval of months. Raises `InvalidInput` if the day never occurs."""
    assert anchor.day_of_month is not None, "a monthly anchor has a day of the month"
    month = starts_at.year * 12 + starts_at.month - 1
    while in_month(month, anchor) < starts_at or not may_begin_in(month, anchor, interval):
        month += 1
    if anchor.month is not None:
        # The month may be more than one period away: then the first period ends earlier.
        while in_month(month - interval.months, anchor) >= starts_at:
            month -= interval.months
    for number in range(PERIODS_TO_SEARCH):
        later = in_month(month + number * interval.months, anchor)
        if later.day == anchor.day_of_month:
            return later
    raise InvalidInput(f"None of the months in which periods would begin has a day {anchor.day_of_month}.", FIELD)


def may_begin_in(month: int, anchor: BillingAnchor, interval: Interval) -> bool:
    """Returns True for the month of the anchor. Without one, a yearly plan needs a month that has the day."""
    if anchor.month is not None:
        return month % 12 + 1 == anchor.month
    return interval.months % 12 != 0 or in_month(month, anchor).day == anchor.day_of_month


def in_month(month: int, anchor: BillingAnchor) -> datetime:
    """Returns the anchor in a month, numbered from year 0: on its last day if the month is too short."""
    assert anchor.day_of_month is not None, "a monthly anchor has a day of the month"
    year, index = divmod(month, 12)
    day = min(anchor.day_of_month, monthrange(year, index + 1)[1])
    return datetime.combine(datetime(year, index + 1, day), anchor.time, UTC)  # noqa: DTZ001


def at_time(day: datetime, at: time) -> datetime:
    return day.replace(hour=at.hour, minute=at.minute, second=at.second)
