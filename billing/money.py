"""Amounts of money: whole minor units of an ISO 4217 currency. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from billing.errors import AmountTooLarge
from billing.limits import MAX_CENTS

PERCENT_UNITS = 10**6
"""Number of units in 100%. A unit is 0.0001%, the smallest step of a percentage."""

TOO_LARGE = f"An amount is more than {MAX_CENTS} minor units."


class AmountOverflow(ValueError):
    """An amount beyond ±`MAX_CENTS` minor units."""


def checked_cents(cents: int) -> int:
    """Returns `cents`. Raises `AmountOverflow` if it is beyond ±`MAX_CENTS`."""
    if abs(cents) > MAX_CENTS:
        raise AmountOverflow(cents)
    return cents


def multiply_cents(unit_cents: int, quantity: int) -> int:
    """Returns the price of `quantity` units. Raises `AmountOverflow`."""
    return checked_cents(unit_cents * quantity)


def percent_units(percent: Decimal) -> int:
    """Returns a percentage in units of 0.0001%."""
    return int(percent * 10**4)


@contextmanager
def rejecting_overflow(*field: str) -> Iterator[None]:
    """Turns `AmountOverflow` inside the block into `AmountTooLarge` for the input `field`."""
    try:
        yield
    except AmountOverflow:
        raise AmountTooLarge(TOO_LARGE, *field) from None
