"""Rounding to whole minor units. Pure."""

from collections.abc import Sequence


def divide(cents: int, whole: int) -> int:
    """Returns `cents` / `whole`, rounded half away from zero. `whole` must be more than 0."""
    rounded = (2 * abs(cents) + whole) // (2 * whole)
    return rounded if cents >= 0 else -rounded


def add_remainders(parts: Sequence[int], remainders: Sequence[int], total: int) -> list[int]:
    """Returns parts that were rounded down, raised so that they add up to `total`: the largest remainder method.

    What is left is given in units of 1 to the largest remainders, ties to the earlier part.
    """
    raised = list(parts)
    largest = sorted(range(len(raised)), key=lambda place: -remainders[place])
    for place in largest[: total - sum(raised)]:
        raised[place] += 1
    return raised


def rounded_once(numerators: Sequence[int], whole: int) -> list[int]:
    """Divides the sum by `whole`, rounds it half away from zero, and splits the result by largest remainder."""
    if len(numerators) == 1:
        return [divide(numerators[0], whole)]
    parts = [each // whole for each in numerators]
    return add_remainders(parts, [each % whole for each in numerators], divide(sum(numerators), whole))
