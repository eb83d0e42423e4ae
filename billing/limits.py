"""Limits and defaults, each number once: rules refuse by them, and the API's descriptions state them."""

from datetime import timedelta

from billing.words import PlanInterval

NET_DAYS = 14
"""Days between an invoice and its due date, where neither the invoice, the customer nor the plan says otherwise."""

MAX_NET_DAYS = 365

PLAN_DAYS = 30
"""Days of the interval of a plan that names none."""

MAX_INTERVAL_COUNT = {
    PlanInterval.DAY: 3660,
    PlanInterval.WEEK: 520,
    PlanInterval.MONTH: 120,
    PlanInterval.YEAR: 10,
}
"""Maximum number of intervals in a period, which is at most ten years long."""

MAX_TRIAL_DAYS = 730

MAX_START_DAYS = 3660
"""Maximum number of days between now and the start of a subscription."""

START_GRACE = timedelta(seconds=60)
"""Maximum age of a start that still means now: clocks differ, and requests take time."""

OLDEST_MONEY = timedelta(days=3660)
"""Maximum age of money that is recorded."""

MAX_ALLOCATIONS = 100
"""Maximum number of invoices that a payment names."""

MAX_CODE = 64
"""Maximum number of characters in the code of a plan."""

MAX_QUANTITY = 1_000_000_000

MAX_LINES = 100
"""Maximum number of lines on an invoice."""

MAX_PENDING_LINES = 50
"""Maximum number of lines that wait for an invoice: with those of one more change, it still holds them."""

RUN_CHUNK = 500
"""Maximum number of subscriptions that are renewed in one transaction, where nobody says otherwise."""

MAX_EMAIL = 320
"""Maximum number of characters, as of all texts here."""

MAX_ADDRESS_LINE = 255

MAX_METADATA_PAIRS = 50

MAX_METADATA_KEY = 64

MAX_METADATA_VALUE = 500


def with_thousands(number: int) -> str:
    """The number with a space between thousands, for people: `1 000 000 000`."""
    return f"{number:,}".replace(",", " ")
