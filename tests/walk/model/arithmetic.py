"""Periods and shares of amounts, implemented independently of the server's code, with exact fractions."""

from calendar import monthrange
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor

LARGEST = 2**53 - 1
"""Maximum amount, in minor units."""


def after(anchor: datetime, unit: str, count: int) -> datetime:
    """Returns the instant `count` units after `anchor`. A day has 86,400 s; days are clamped to the length of the
    month.
    """
    if unit in ("DAY", "WEEK"):
        return anchor + timedelta(days=count * (7 if unit == "WEEK" else 1))
    months = anchor.month - 1 + count * (12 if unit == "YEAR" else 1)
    year, month = anchor.year + months // 12, months % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


def length(unit: str, count: int) -> tuple[str, int]:
    """Returns an equal interval in days or months: a week is seven days, a year twelve months."""
    match unit:
        case "WEEK":
            return "DAY", 7 * count
        case "YEAR":
            return "MONTH", 12 * count
        case _:
            return unit, count


def seconds(start: datetime, end: datetime) -> int:
    return (end - start) // timedelta(seconds=1)


def nearest(amount: Fraction) -> int:
    """Returns the nearest integer, rounded half away from zero."""
    sign = -1 if amount < 0 else 1
    return sign * int(abs(amount) + Fraction(1, 2))


def shared(amount: int, weights: list[int]) -> list[int]:
    """Splits an amount in proportion to weights: rounded down, then the missing units go to the largest fractions.

    Of equal fractions, the earlier one gets a unit first.
    """
    return split(amount, [Fraction(amount * weight, sum(weights)) for weight in weights])


def split(amount: int, exact: list[Fraction]) -> list[int]:
    """Rounds exact parts to integers that add up to `amount`, in the same way."""
    parts = [floor(part) for part in exact]
    by_fraction = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in by_fraction[: amount - sum(parts)]:
        parts[place] += 1
    return parts


def rest_of(amount: int, start: datetime, end: datetime, at: datetime) -> int:
    """Returns the share of `amount`, charged for `start` to `end`, that belongs to the time remaining at `at`."""
    whole = seconds(start, end)
    left = min(whole, max(0, seconds(at, end)))
    return nearest(Fraction(amount * left, whole)) if whole else 0
