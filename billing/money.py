"""Amounts of money: whole minor units of an ISO 4217 currency. Kernel: values in, values out."""

from collections.abc import Iterator
from contextlib import contextmanager

from billing.errors import AmountTooLarge
from billing.limits import MAX_CENTS

TOO_LARGE = f"An amount is more than {MAX_CENTS} minor units."


class AmountOverflow(ValueError):
    """An amount does not fit: it is beyond ±`MAX_CENTS`."""


def checked_cents(cents: int) -> int:
    """`cents` itself. Raises `AmountOverflow` when it is too large, either way."""
    if abs(cents) > MAX_CENTS:
        raise AmountOverflow(cents)
    return cents


def multiply_cents(unit_cents: int, quantity: int) -> int:
    """The price of `quantity` units. Raises `AmountOverflow`."""
    return checked_cents(unit_cents * quantity)


@contextmanager
def refusing_overflow(*field: str) -> Iterator[None]:
    """Within the block, an amount that does not fit is refused with `AmountTooLarge`, of the input `field`."""
    try:
        yield
    except AmountOverflow:
        raise AmountTooLarge(TOO_LARGE, *field) from None
