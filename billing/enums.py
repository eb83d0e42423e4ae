"""Enums that are stored in columns."""

from enum import StrEnum


class ApiKeyScope(StrEnum):
    READ = "READ"
    WRITE = "WRITE"
    ADMIN = "ADMIN"
    CUSTOMER = "CUSTOMER"


KEY_SCOPES = tuple(scope for scope in ApiKeyScope if scope is not ApiKeyScope.CUSTOMER)
"""Scopes of API keys. CUSTOMER is only for customer sessions."""


class CustomerPermission(StrEnum):
    CANCEL_SUBSCRIPTION = "CANCEL_SUBSCRIPTION"
    CHANGE_SUBSCRIPTION = "CHANGE_SUBSCRIPTION"
    VIEW_CREDIT_NOTES = "VIEW_CREDIT_NOTES"


class PlanInterval(StrEnum):
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    YEAR = "YEAR"


class SubscriptionStatus(StrEnum):
    PENDING = "PENDING"
    TRIALING = "TRIALING"
    ACTIVE = "ACTIVE"
    PAST_DUE = "PAST_DUE"
    CANCELED = "CANCELED"


class PeriodKind(StrEnum):
    TRIAL = "TRIAL"
    BILLING = "BILLING"


class FirstPeriod(StrEnum):
    """Policy for billing a period that is shorter than a whole one because it ends at a new billing anchor."""

    PRORATED = "PRORATED"
    FREE = "FREE"
    FULL = "FULL"


class Settlement(StrEnum):
    """Policy for the unused part of the period when a subscription ends within it."""

    NONE = "NONE"
    CREDIT = "CREDIT"


class InvoiceStatus(StrEnum):
    DRAFT = "DRAFT"
    OPEN = "OPEN"
    PAID = "PAID"
    VOID = "VOID"
    UNCOLLECTIBLE = "UNCOLLECTIBLE"


UNPAID = (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)
"""Statuses of invoices on which money is due."""


class InvoiceKind(StrEnum):
    RECURRING = "RECURRING"
    PRORATION = "PRORATION"
    ONE_OFF = "ONE_OFF"


class LineKind(StrEnum):
    RECURRING = "RECURRING"
    TRIAL = "TRIAL"
    PRORATION_CREDIT = "PRORATION_CREDIT"
    PRORATION_CHARGE = "PRORATION_CHARGE"
    ONE_OFF = "ONE_OFF"


CHARGES = (LineKind.RECURRING, LineKind.PRORATION_CHARGE)
"""Kinds of lines that charge a plan's price. Only these can be credited."""


class PaymentMethod(StrEnum):
    BANK_TRANSFER = "BANK_TRANSFER"
    CARD = "CARD"
    DIRECT_DEBIT = "DIRECT_DEBIT"
    CASH = "CASH"
    CHECK = "CHECK"
    OTHER = "OTHER"


class AllocationKind(StrEnum):
    PAYMENT = "PAYMENT"
    BALANCE = "BALANCE"
    CREDIT = "CREDIT"
    CREDIT_NOTE = "CREDIT_NOTE"


class LedgerEntryKind(StrEnum):
    OVERPAYMENT = "OVERPAYMENT"
    INVOICE_CREDIT = "INVOICE_CREDIT"
    APPLIED = "APPLIED"
    GIVEN_BACK = "GIVEN_BACK"
    CREDIT_NOTE = "CREDIT_NOTE"
    CREDIT_NOTE_VOIDED = "CREDIT_NOTE_VOIDED"
    REVERSAL = "REVERSAL"
    REFUND = "REFUND"
    ADJUSTMENT = "ADJUSTMENT"


class CreditNoteStatus(StrEnum):
    ISSUED = "ISSUED"
    VOID = "VOID"


class TaxKind(StrEnum):
    VAT = "VAT"
    SALES = "SALES"


class TaxCategory(StrEnum):
    """The category of a VAT, by its code in EN 16931 (UNCL5305)."""

    S = "S"
    Z = "Z"
    E = "E"
    AE = "AE"
    G = "G"
    O = "O"  # noqa: E741 - the code of the standard


ZERO_RATED = tuple(each for each in TaxCategory if each is not TaxCategory.S)
"""Categories whose rate is always 0 %."""


class TaxStatus(StrEnum):
    TAXABLE = "TAXABLE"
    EXEMPT = "EXEMPT"
    REVERSE_CHARGE = "REVERSE_CHARGE"


class TaxBehavior(StrEnum):
    EXCLUSIVE = "EXCLUSIVE"
    INCLUSIVE = "INCLUSIVE"


class TestClockStatus(StrEnum):
    __test__ = False  # pytest must not collect it as a test class

    READY = "READY"
    ADVANCING = "ADVANCING"


class RunTrigger(StrEnum):
    SERVER = "SERVER"
    COMMAND = "COMMAND"
    TEST_CLOCK = "TEST_CLOCK"


class EventType(StrEnum):
    CUSTOMER_CREATED = "CUSTOMER_CREATED"
    CUSTOMER_UPDATED = "CUSTOMER_UPDATED"
    CUSTOMER_ARCHIVED = "CUSTOMER_ARCHIVED"
    CUSTOMER_UNARCHIVED = "CUSTOMER_UNARCHIVED"
    CUSTOMER_BALANCE_CHANGED = "CUSTOMER_BALANCE_CHANGED"
    PLAN_CREATED = "PLAN_CREATED"
    PLAN_UPDATED = "PLAN_UPDATED"
    PLAN_ARCHIVED = "PLAN_ARCHIVED"
    PLAN_UNARCHIVED = "PLAN_UNARCHIVED"
    SUBSCRIPTION_CREATED = "SUBSCRIPTION_CREATED"
    SUBSCRIPTION_UPDATED = "SUBSCRIPTION_UPDATED"
    SUBSCRIPTION_STARTED = "SUBSCRIPTION_STARTED"
    SUBSCRIPTION_TRIAL_UPDATED = "SUBSCRIPTION_TRIAL_UPDATED"
    SUBSCRIPTION_TRIAL_ENDED = "SUBSCRIPTION_TRIAL_ENDED"
    SUBSCRIPTION_RENEWED = "SUBSCRIPTION_RENEWED"
    SUBSCRIPTION_PERIOD_EXTENDED = "SUBSCRIPTION_PERIOD_EXTENDED"
    SUBSCRIPTION_CHANGED = "SUBSCRIPTION_CHANGED"
    SUBSCRIPTION_CHANGE_SCHEDULED = "SUBSCRIPTION_CHANGE_SCHEDULED"
    SUBSCRIPTION_CHANGE_WITHDRAWN = "SUBSCRIPTION_CHANGE_WITHDRAWN"
    SUBSCRIPTION_ANCHOR_RESET = "SUBSCRIPTION_ANCHOR_RESET"
    SUBSCRIPTION_CANCELLATION_SCHEDULED = "SUBSCRIPTION_CANCELLATION_SCHEDULED"
    SUBSCRIPTION_CANCELLATION_UNDONE = "SUBSCRIPTION_CANCELLATION_UNDONE"
    SUBSCRIPTION_CANCELED = "SUBSCRIPTION_CANCELED"
    SUBSCRIPTION_PAST_DUE = "SUBSCRIPTION_PAST_DUE"
    SUBSCRIPTION_RECOVERED = "SUBSCRIPTION_RECOVERED"
    INVOICE_CREATED = "INVOICE_CREATED"
    INVOICE_UPDATED = "INVOICE_UPDATED"
    INVOICE_DELETED = "INVOICE_DELETED"
    INVOICE_FINALIZED = "INVOICE_FINALIZED"
    INVOICE_PARTIALLY_PAID = "INVOICE_PARTIALLY_PAID"
    INVOICE_PAID = "INVOICE_PAID"
    INVOICE_AMOUNT_DUE_INCREASED = "INVOICE_AMOUNT_DUE_INCREASED"
    INVOICE_REOPENED = "INVOICE_REOPENED"
    INVOICE_VOIDED = "INVOICE_VOIDED"
    INVOICE_MARKED_UNCOLLECTIBLE = "INVOICE_MARKED_UNCOLLECTIBLE"
    PAYMENT_RECORDED = "PAYMENT_RECORDED"
    PAYMENT_UPDATED = "PAYMENT_UPDATED"
    PAYMENT_REVERSED = "PAYMENT_REVERSED"
    PAYMENT_REFUNDED = "PAYMENT_REFUNDED"
    CREDIT_NOTE_ISSUED = "CREDIT_NOTE_ISSUED"
    CREDIT_NOTE_REFUNDED = "CREDIT_NOTE_REFUNDED"
    CREDIT_NOTE_VOIDED = "CREDIT_NOTE_VOIDED"
    SELLER_UPDATED = "SELLER_UPDATED"
    TAX_RATE_CREATED = "TAX_RATE_CREATED"
    TAX_RATE_ARCHIVED = "TAX_RATE_ARCHIVED"
    TEST_CLOCK_CREATED = "TEST_CLOCK_CREATED"
    TEST_CLOCK_ADVANCING = "TEST_CLOCK_ADVANCING"
    TEST_CLOCK_ADVANCED = "TEST_CLOCK_ADVANCED"


class ObjectType(StrEnum):
    """The type of the object that an event is about."""

    CUSTOMER = "CUSTOMER"
    PLAN = "PLAN"
    SUBSCRIPTION = "SUBSCRIPTION"
    INVOICE = "INVOICE"
    PAYMENT = "PAYMENT"
    CREDIT_NOTE = "CREDIT_NOTE"
    SELLER = "SELLER"
    TAX_RATE = "TAX_RATE"
    TEST_CLOCK = "TEST_CLOCK"


API_ACTOR = "api"
"""Actor of an event that was caused by a request without an API key."""

KEY_ACTOR, CUSTOMER_ACTOR = "key:", "customer:"
"""Prefixes of actors with a token: the id of the API key, or of the session's customer, follows."""

ENUMS = tuple(each for each in list(globals().values()) if isinstance(each, type) and issubclass(each, StrEnum))
"""All of these enums."""
