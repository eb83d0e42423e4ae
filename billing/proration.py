"""Proration of amounts, in whole minor units. Pure."""

from collections.abc import Sequence
from datetime import datetime

from billing.periods import Period
from billing.rounding import add_remainders, divide


def share(amount_cents: int, part: int, whole: int) -> int:
    """Returns `amount_cents` × `part` / `whole`, rounded half away from zero."""
    assert whole > 0, whole
    assert 0 <= part <= whole, (part, whole)
    return divide(amount_cents * part, whole)


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Splits `total` in proportion to `weights`, by largest remainder. The parts add up to it.

    No part exceeds its weight if `total` does not exceed their sum.
    """
    whole = sum(weights)
    assert whole > 0, whole
    parts, remainders = zip(*(divmod(total * weight, whole) for weight in weights), strict=True)
    return add_remainders(parts, remainders, total)


def prorated(amount_cents: int, span: Period, at: datetime) -> int:
    """Returns the part of an amount that falls on the time left in `span` at `at`, to the second."""
    if span.seconds == 0:
        return 0
    return share(amount_cents, span.seconds_left(at), span.seconds)


def credit_due(billed_cents: int, credited_cents: int, span: Period, at: datetime) -> int:
    """Returns the credit for the unused time of a line at `at`, minus `credited_cents`. Never negative.

    `billed_cents` is the amount billed on the line, less its credit notes, and `span` its period. The total of all
    credits of a line never exceeds `billed_cents`, unless an older server credited more: it does not know credit notes.
    """
    assert billed_cents >= 0, billed_cents
    assert credited_cents >= 0, credited_cents
    return max(0, prorated(billed_cents, span, at) - credited_cents)
