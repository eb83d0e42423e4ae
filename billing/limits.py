"""Limits and defaults. The rules, the CHECK constraints of tables and the API descriptions all use these constants."""

from datetime import timedelta

from billing.enums import PlanInterval

MAX_CENTS = 2**53 - 1
"""Maximum amount, in minor units: the largest integer that every JSON client reads exactly."""

NET_DAYS = 14
"""Default number of days from issue to due date, if neither the invoice, the customer nor the plan sets `net_days`."""

MAX_NET_DAYS = 365

PLAN_DAYS = 30
"""Default number of days in the billing interval of a plan."""

MAX_INTERVAL_COUNT = {
    PlanInterval.DAY: 3660,
    PlanInterval.WEEK: 520,
    PlanInterval.MONTH: 120,
    PlanInterval.YEAR: 10,
}
"""Maximum number of intervals in a period, which is about ten years at most."""
assert list(MAX_INTERVAL_COUNT) == list(PlanInterval), "each interval has a maximum"

MAX_TRIAL_DAYS = 730

MAX_START_DAYS = 3660
"""Maximum number of days between now and the start of a subscription."""

MAX_EXTENSION_DAYS = 366
"""Maximum number of days by which one request extends a period."""

MAX_NOTICE_DAYS = 3660
"""Maximum number of days between now and the instant at which a subscription is set to cancel."""

START_GRACE = timedelta(seconds=60)
"""Maximum age of a start time that still counts as now. Clocks differ, and requests take time."""

MAX_PAYMENT_AGE = timedelta(days=3660)
"""Maximum age of a payment when it is recorded."""

MAX_ALLOCATIONS = 100
"""Maximum number of allocations that a payment request may contain."""

MAX_QUANTITY = 1_000_000_000

MAX_LINES = 100
"""Maximum number of lines on an invoice."""

MAX_PENDING_LINES = 50
"""Maximum number of pending lines of a subscription. Leaves room on the invoice for the lines of one more change."""

RUN_CHUNK = 500
"""Default for the maximum number of subscriptions renewed in one transaction."""

PRUNED_AT_ONCE = 1000
"""Maximum number of idempotency keys, and of customer sessions, that are deleted in one transaction."""

MAX_PERIODS_PER_RUN = 12
"""Maximum number of periods of one subscription that a renewal run bills. The next run bills the others."""

MAX_PERIODS_AT_ONCE = 400
"""Maximum number of missed periods that are billed before an operation on a subscription."""

MAX_UPCOMING_INVOICES = 24

DEMO_CUSTOMERS, MAX_DEMO_CUSTOMERS = 40, 200
"""Default and maximum number of customers in demo data that a request creates."""

MONTHS, MAX_MONTHS = 12, 60
"""Default and maximum number of months of which the figures are read at once."""

MIN_SESSION_SECONDS, MAX_SESSION_SECONDS = 60, 3600

MAX_SESSION_PLANS = 100
"""Maximum number of plans that a customer session may offer."""

MAX_YEARS_AHEAD = 100
"""Maximum number of years between now and the time of a test clock, in either direction."""

MAX_EXAMPLES = 5
"""Maximum number of rows shown for a violated invariant."""

MAX_NAME = 255
"""Maximum number of characters in the name of a customer, plan, API key or test clock.

The limits on texts below are numbers of characters too.
"""

MAX_EMAIL = 320

MAX_EXTERNAL_ID = 255

MAX_TAX_ID = 64

MAX_TAX_IDS = 10
"""Maximum number of tax ids of a customer, and of the seller."""

MAX_TAX_RATES = 500
"""Maximum number of tax rates, archived ones included. Each operation that bills reads all of them."""

MAX_TAX_RATES_OF_A_LINE = 10
"""Maximum number of tax rates of a line, a plan, a customer, or a registration."""

MAX_REGISTRATIONS = 200
"""Maximum number of the seller's tax registrations."""

PERCENT_DECIMALS = 4
"""Maximum number of decimals of a percentage."""

MAX_PERCENT = 100
"""Maximum percentage of a tax or a discount."""

MAX_TAX_REASON = 255
"""Maximum number of characters in the reason why a tax is 0, or a customer exempt."""

MAX_COUPON_CODE = 64

MAX_COUPON_PERIODS = 1200
"""Maximum number of billing periods of a coupon with the duration PERIODS."""

MAX_COUPON_PLANS = 100
"""Maximum number of plans that a coupon is limited to."""

MAX_REDEMPTIONS = 10**9
"""Maximum number of redemptions that a coupon may be limited to."""

MAX_DISCOUNTS = 20
"""Maximum number of discounts of a customer and its live subscription. Used-up ones count, removed ones do not."""

MAX_LEGAL_NAME = 255

MAX_PHONE = 50

MAX_BIC = 11

MAX_ROUNDING_INCREMENT = 100
"""Maximum increment of cash rounding, in minor units."""

MAX_ADDRESS_LINE = 255

MAX_PLAN_CODE = 64

MAX_PLAN_DESCRIPTION = 2000

MAX_LINE_DESCRIPTION = 500

MIN_INVOICE_PREFIX, MAX_INVOICE_PREFIX = 3, 12

MAX_INVOICE_NUMBER = 32

MAX_PO_NUMBER = 140
"""Maximum number of characters in the purchase order number of an invoice."""

MAX_MEMO = 2000
"""Maximum number of characters in the memo of an invoice."""

MAX_SEQUENCE = 2**31 - 1
"""Maximum number of invoices, and of credit notes, of a customer."""

MAX_REFERENCE = 255
"""Maximum number of characters in the reference of a payment."""

MAX_REASON = 500
"""Maximum number of characters in the reason of a correction."""

MAX_IDEMPOTENCY_KEY = 255

MAX_HOLD_REASON = 1000

MAX_ACTOR = 255
"""Maximum number of characters in the actor of an event."""

MAX_SEARCH = 200
"""Maximum number of characters in a search for customers."""

MIN_SEARCHED_PART = 3
"""Minimum number of characters to search for any part of a text. A shorter search is for the beginning."""

MAX_WEBHOOK_ENDPOINTS = 50

MAX_WEBHOOK_URL = 2048

MIN_WEBHOOK_SECRET, MAX_WEBHOOK_SECRET = 24, 64
"""Number of bytes in a secret, as Standard Webhooks allows."""

MAX_WEBHOOK_BYTES = 20_000
"""Maximum size of a webhook's message, in bytes."""

MAX_WEBHOOK_HEAD = 1000
"""Maximum number of characters that are kept of a response to a webhook."""

MAX_WEBHOOK_ERROR = 500
"""Maximum number of characters in the description of a failed attempt."""

MAX_REPLAYED_DELIVERIES = 100
"""Maximum number of deliveries to replay by their ids."""

MAX_METADATA_PAIRS = 50

MAX_METADATA_KEY = 64

MAX_METADATA_VALUE = 500


def with_thousands(number: int) -> str:
    """Returns the number with spaces between thousands, for display: `1 000 000 000`."""
    return f"{number:,}".replace(",", " ")
