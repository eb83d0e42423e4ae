"""Parts of amounts. Kernel: values in, values out, whole minor units throughout."""

from datetime import datetime

from billing.periods import Period


def share(amount_cents: int, part: int, whole: int) -> int:
    """`amount_cents` × `part` / `whole`, to the nearest cent, ties away from zero."""
    assert whole > 0, whole
    assert 0 <= part <= whole, (part, whole)
    quotient, rest = divmod(abs(amount_cents) * part, whole)
    rounded = quotient + (2 * rest >= whole)
    return rounded if amount_cents >= 0 else -rounded


def prorated(amount_cents: int, span: Period, at: datetime) -> int:
    """What of an amount for `span` falls on the part of it that is left at `at`, to the second."""
    if span.seconds == 0:
        return 0
    return share(amount_cents, span.seconds_left(at), span.seconds)


def credit_due(billed_cents: int, credited_cents: int, span: Period, at: datetime) -> int:
    """What is to be given back of a line at `at`, beyond what was given back of it before; never negative.

    `billed_cents` is the net amount that was billed on the line, `span` the line's own. However often a line is
    credited, what is kept and what was given back add up to what was billed.
    """
    assert 0 <= credited_cents <= billed_cents, (credited_cents, billed_cents)
    return max(0, prorated(billed_cents, span, at) - credited_cents)
