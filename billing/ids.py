"""New keys: UUIDv7 (RFC 9562), made in the program, so that rows can refer to each other before they are stored."""

from collections.abc import Callable
from typing import NewType
from uuid import UUID

from uuid_utils.compat import uuid7

NewId = Callable[[], UUID]


def new_id() -> UUID:
    """A fresh UUIDv7: later ones sort after earlier ones."""
    return uuid7()


CustomerId = NewType("CustomerId", UUID)

PlanId = NewType("PlanId", UUID)

SubscriptionId = NewType("SubscriptionId", UUID)

InvoiceId = NewType("InvoiceId", UUID)

InvoiceLineId = NewType("InvoiceLineId", UUID)

PaymentId = NewType("PaymentId", UUID)

TestClockId = NewType("TestClockId", UUID)

ApiKeyId = NewType("ApiKeyId", UUID)

ChangeId = NewType("ChangeId", UUID)

ID_TYPES = tuple(each for each in list(globals().values()) if isinstance(each, NewType))
"""The types of all keys."""
