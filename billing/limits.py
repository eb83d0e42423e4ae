"""Limits and defaults, each number once: rules refuse by them, and the API's descriptions state them."""

NET_DAYS = 14
"""Days between an invoice and its due date, where neither the invoice, the customer nor the plan says otherwise."""

MAX_NET_DAYS = 365

PERIOD_DAYS = 30
"""Days of a period, where a plan says nothing of its interval."""

MAX_TRIAL_DAYS = 730

MAX_QUANTITY = 1_000_000_000

MAX_LINES = 100
"""Maximum number of lines on an invoice."""

MAX_WAITING = 50
"""Maximum number of lines that wait for an invoice: with those of one more change, it still holds them."""

MAX_EMAIL = 320
"""Maximum number of characters, as of all texts here."""

MAX_ADDRESS_LINE = 255

MAX_METADATA_PAIRS = 50

MAX_METADATA_KEY = 64

MAX_METADATA_VALUE = 500


def spaced(number: int) -> str:
    """The number with a space between thousands, for people: `1 000 000 000`."""
    return f"{number:,}".replace(",", " ")
