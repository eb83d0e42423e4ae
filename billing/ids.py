"""Types of ids. The server generates UUIDv7 ids (RFC 9562), so that rows can refer to each other before they are
stored.
"""

from collections.abc import Callable
from typing import NewType
from uuid import UUID

from uuid_utils.compat import uuid7

NewId = Callable[[], UUID]


def new_id() -> UUID:
    """Returns a new UUIDv7. Later ids sort after earlier ones."""
    return uuid7()


CustomerId = NewType("CustomerId", UUID)

PlanId = NewType("PlanId", UUID)

SubscriptionId = NewType("SubscriptionId", UUID)

InvoiceId = NewType("InvoiceId", UUID)

InvoiceLineId = NewType("InvoiceLineId", UUID)

PaymentId = NewType("PaymentId", UUID)

CreditNoteId = NewType("CreditNoteId", UUID)

CreditNoteLineId = NewType("CreditNoteLineId", UUID)

SellerId = NewType("SellerId", UUID)

TaxRateId = NewType("TaxRateId", UUID)

CouponId = NewType("CouponId", UUID)

DiscountId = NewType("DiscountId", UUID)

TestClockId = NewType("TestClockId", UUID)

ApiKeyId = NewType("ApiKeyId", UUID)

ChangeId = NewType("ChangeId", UUID)

WebhookEndpointId = NewType("WebhookEndpointId", UUID)

WebhookDeliveryId = NewType("WebhookDeliveryId", UUID)

ID_TYPES = tuple(each for each in list(globals().values()) if isinstance(each, NewType))
"""All id types."""
