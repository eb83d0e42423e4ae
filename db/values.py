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

MAX_CENTS = 2**53 - 1
"""The largest amount a column takes: the largest integer that every JSON client reads exactly."""


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
