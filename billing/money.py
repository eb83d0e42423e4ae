"""Amounts of money: whole minor units of an ISO 4217 currency. Kernel: values in, values out."""

from iso4217 import Currency

MAX_CENTS = 2**53 - 1
"""The largest amount, in minor units: the largest integer that every JSON client reads exactly."""

CURRENCIES = frozenset(currency.code for currency in Currency if currency.exponent is not None)
"""The codes of ISO 4217's active list that have a minor unit: gold, funds and test codes have none."""


class AmountOverflow(ValueError):
    """An amount does not fit: it is beyond ±(2^53 − 1) minor units."""


def checked(cents: int) -> int:
    """`cents` itself. Raises `AmountOverflow` when it is too large, either way."""
    if abs(cents) > MAX_CENTS:
        raise AmountOverflow(cents)
    return cents


def times(unit_cents: int, quantity: int) -> int:
    """The price of `quantity` units. Raises `AmountOverflow`."""
    return checked(unit_cents * quantity)
