"""Where an amount that does not fit becomes a refusal."""

from collections.abc import Iterator
from contextlib import contextmanager

from billing.errors import AmountTooLarge
from billing.money import AmountOverflow


@contextmanager
def amounts_that_fit(*field: str) -> Iterator[None]:
    """Within the block, an amount that does not fit is refused with `AmountTooLarge`, of the input `field`."""
    try:
        yield
    except AmountOverflow:
        raise AmountTooLarge("An amount is more than 2^53 − 1 minor units.", *field) from None
