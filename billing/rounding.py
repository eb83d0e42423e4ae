"""Rounding to whole minor units. Pure."""

from collections.abc import Sequence
from fractions import Fraction


def divide(cents: int, whole: int) -> int:
    """Returns `cents` / `whole`, rounded half away from zero. `whole` must be more than 0."""
    rounded = (2 * abs(cents) + whole) // (2 * whole)
    return rounded if cents >= 0 else -rounded


def round_half_away(amount: Fraction) -> int:
    """Rounds to a whole number, half away from zero."""
    return divide(amount.numerator, amount.denominator)


def add_remainders(parts: Sequence[int], remainders: Sequence[int | Fraction], total: int) -> list[int]:
    """Returns parts that were rounded down, raised so that they add up to `total`: the largest remainder method.

    What is left is given in units of 1 to the largest remainders, ties to the earlier part.
    """
    raised = list(parts)
    largest = sorted(range(len(raised)), key=lambda place: -remainders[place])
    for place in largest[: total - sum(raised)]:
        raised[place] += 1
    return raised


def rounded_once(exact: Sequence[Fraction]) -> list[int]:
    """Rounds the sum of the amounts, half away from zero, and splits it by largest remainder."""
    if len(exact) == 1:
        return [round_half_away(exact[0])]
    parts = [part.numerator // part.denominator for part in exact]
    remainders = [amount - part for amount, part in zip(exact, parts, strict=True)]
    return add_remainders(parts, remainders, round_half_away(sum(exact, start=Fraction(0))))
