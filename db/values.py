"""The words and values that columns hold, and the types of keys."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

CustomerId = NewType("CustomerId", UUID)
PlanId = NewType("PlanId", UUID)
SubscriptionId = NewType("SubscriptionId", UUID)
InvoiceId = NewType("InvoiceId", UUID)
InvoiceLineId = NewType("InvoiceLineId", UUID)
PaymentId = NewType("PaymentId", UUID)
TestClockId = NewType("TestClockId", UUID)
ApiKeyId = NewType("ApiKeyId", UUID)

MAX_CENTS = 2**53 - 1
"""The largest amount a column takes: the largest integer that every JSON client reads exactly."""


class ApiKeyScope(StrEnum):
    READ = "READ"
    WRITE = "WRITE"
    ADMIN = "ADMIN"
    CUSTOMER = "CUSTOMER"


class CustomerPermission(StrEnum):
    CANCEL_SUBSCRIPTION = "CANCEL_SUBSCRIPTION"
    CHANGE_SUBSCRIPTION = "CHANGE_SUBSCRIPTION"


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


class InvoiceStatus(StrEnum):
    DRAFT = "DRAFT"
    OPEN = "OPEN"
    PAID = "PAID"
    VOID = "VOID"
    UNCOLLECTIBLE = "UNCOLLECTIBLE"


UNPAID = (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)
"""The states of an invoice on which money is due."""


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
"""The lines that a plan's price is billed on: what may be given back."""


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


class LedgerEntryKind(StrEnum):
    OVERPAYMENT = "OVERPAYMENT"
    INVOICE_CREDIT = "INVOICE_CREDIT"
    APPLIED = "APPLIED"
    GIVEN_BACK = "GIVEN_BACK"


class TestClockStatus(StrEnum):
    __test__ = False  # pytest would take it for a class of tests

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
    SUBSCRIPTION_STARTED = "SUBSCRIPTION_STARTED"
    SUBSCRIPTION_TRIAL_ENDED = "SUBSCRIPTION_TRIAL_ENDED"
    SUBSCRIPTION_RENEWED = "SUBSCRIPTION_RENEWED"
    SUBSCRIPTION_CHANGED = "SUBSCRIPTION_CHANGED"
    SUBSCRIPTION_CHANGE_SCHEDULED = "SUBSCRIPTION_CHANGE_SCHEDULED"
    SUBSCRIPTION_CHANGE_WITHDRAWN = "SUBSCRIPTION_CHANGE_WITHDRAWN"
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
    INVOICE_VOIDED = "INVOICE_VOIDED"
    INVOICE_MARKED_UNCOLLECTIBLE = "INVOICE_MARKED_UNCOLLECTIBLE"
    PAYMENT_RECORDED = "PAYMENT_RECORDED"
    TEST_CLOCK_CREATED = "TEST_CLOCK_CREATED"
    TEST_CLOCK_ADVANCING = "TEST_CLOCK_ADVANCING"
    TEST_CLOCK_ADVANCED = "TEST_CLOCK_ADVANCED"


class ObjectType(StrEnum):
    """What an event is about."""

    CUSTOMER = "CUSTOMER"
    PLAN = "PLAN"
    SUBSCRIPTION = "SUBSCRIPTION"
    INVOICE = "INVOICE"
    PAYMENT = "PAYMENT"
    TEST_CLOCK = "TEST_CLOCK"


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address. `country` is an ISO 3166-1 alpha-2 code."""

    line1: str | None = None
    line2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class BillTo:
    """Who an invoice is addressed to, as it stood when the invoice was finalized."""

    name: str
    email: str
    address: Address | None
    tax_id: str | None
