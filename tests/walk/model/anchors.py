"""Billing anchors: the calendar days on which periods begin."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.walk.model.shared import Plan, refuse
from tests.walk.model.world import Subscription

YEARS = 20
"""Number of years in which to look for a day. More than the eight years between some leap years."""


@dataclass(frozen=True)
class Anchor:
    """A billing anchor. `weekday` is 1 for Monday to 7, and `second` is counted from midnight."""

    day: int | None = None
    month: int | None = None
    weekday: int | None = None
    second: int = 0


def instant_of(anchor: Anchor, plan: Plan, starts_at: datetime) -> datetime | None:
    """Returns the first boundary from `starts_at` on whose day is not clamped, or None if there is none."""
    unit, count = plan.length
    midnight = starts_at.replace(hour=0, minute=0, second=0)
    if unit == "DAY":
        if count % 7 or not anchor.weekday or anchor.day is not None or anchor.month is not None:
            return None
        days = (midnight + timedelta(days=number, seconds=anchor.second) for number in range(8))
        return next(day for day in days if day >= starts_at and day.isoweekday() == anchor.weekday)
    suits = anchor.day is not None and 1 <= anchor.day <= 31 and anchor.weekday is None
    if not suits or (anchor.month is not None and not 1 <= anchor.month <= 12):
        return None
    # Months from one long before the start, so that whole intervals can be counted back.
    first = (starts_at.year - YEARS) * 12
    boundaries = [in_month(anchor, first + number) for number in range(2 * YEARS * 12)]
    found = next(
        number
        for number, boundary in enumerate(boundaries)
        if boundary >= starts_at
        and anchor.month in (None, boundary.month)
        and (anchor.month is not None or count % 12 or boundary.day == anchor.day)
    )
    if anchor.month is not None:
        found = min(number for number in range(found % count, found + 1, count) if boundaries[number] >= starts_at)
    whole_days = (boundary for boundary in boundaries[found::count] if boundary.day == anchor.day)
    return next(whole_days, None)


def in_month(anchor: Anchor, month: int) -> datetime:
    year, month = month // 12, month % 12 + 1
    day = min(anchor.day or 1, monthrange(year, month)[1])
    return datetime(year, month, day, tzinfo=UTC) + timedelta(seconds=anchor.second)


def set_anchor(
    subscription: Subscription, plan: Plan, anchor: Anchor | None, policy: str | None, starts_at: datetime
) -> None:
    """Sets the anchor for the periods from `starts_at` on."""
    refuse(INVALID_INPUT=anchor is None and policy is not None)
    if anchor is None:
        has_trial_first = subscription.trial and not subscription.periods
        subscription.anchor, subscription.policy = starts_at, None
        subscription.anchored = 1 if has_trial_first else len(subscription.periods)
        return
    found = instant_of(anchor, plan, starts_at)
    refuse(INVALID_INPUT=found is None)
    assert found
    subscription.anchor, subscription.policy = found, policy or "PRORATED"
