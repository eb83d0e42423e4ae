"""Limits and defaults, each number once: rules and the CHECKs of tables refuse by them, and the API states them."""

from datetime import timedelta

from billing.words import PlanInterval

MAX_CENTS = 2**53 - 1
"""The largest amount, in minor units: the largest integer that every JSON client reads exactly."""

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
assert list(MAX_INTERVAL_COUNT) == list(PlanInterval), "each interval has a maximum"

MAX_TRIAL_DAYS = 730

MAX_START_DAYS = 3660
"""Maximum number of days between now and the start of a subscription."""

START_GRACE = timedelta(seconds=60)
"""Maximum age of a start that still means now: clocks differ, and requests take time."""

OLDEST_MONEY = timedelta(days=3660)
"""Maximum age of money that is recorded."""

MAX_ALLOCATIONS = 100
"""Maximum number of invoices that a payment names."""

MAX_QUANTITY = 1_000_000_000

MAX_LINES = 100
"""Maximum number of lines on an invoice."""

MAX_PENDING_LINES = 50
"""Maximum number of lines that wait for an invoice: with those of one more change, it still holds them."""

CHUNK = 500
"""Maximum number of subscriptions that are renewed in one transaction, where nobody says otherwise."""

PRUNED_AT_ONCE = 1000
"""Maximum number of idempotency keys, and of customer sessions, that are deleted in one transaction."""

MAX_PERIODS_PER_RUN = 12
"""Maximum number of periods of a subscription that a run bills; the next one bills the rest."""

MAX_PERIODS_AT_ONCE = 400
"""Maximum number of missed periods that are caught up before an operation."""

MAX_UPCOMING_INVOICES = 24

MIN_SESSION_SECONDS, MAX_SESSION_SECONDS = 60, 3600

MAX_SESSION_PLANS = 100
"""Maximum number of plans that a customer session offers."""

MAX_YEARS_AHEAD = 100
"""Maximum number of years between now and the time of a test clock, either way."""

MAX_EXAMPLES = 5
"""Maximum number of rows that a broken invariant is shown with."""

MAX_NAME = 255
"""Maximum number of characters, as all from here on: in the name of a customer, plan, API key or test clock."""

MAX_EMAIL = 320

MAX_EXTERNAL_ID = 255

MAX_TAX_ID = 64

MAX_ADDRESS_LINE = 255

MAX_PLAN_CODE = 64

MAX_PLAN_DESCRIPTION = 2000

MAX_LINE_DESCRIPTION = 500

MIN_INVOICE_PREFIX, MAX_INVOICE_PREFIX = 3, 12

MAX_INVOICE_NUMBER = 32

MAX_REFERENCE = 255
"""Of a payment."""

MAX_IDEMPOTENCY_KEY = 255

MAX_HOLD_REASON = 1000

MAX_ACTOR = 255
"""Of who has caused an event."""

MAX_METADATA_PAIRS = 50

MAX_METADATA_KEY = 64

MAX_METADATA_VALUE = 500


def with_thousands(number: int) -> str:
    """The number with a space between thousands, for people: `1 000 000 000`."""
    return f"{number:,}".replace(",", " ")
