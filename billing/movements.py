"""The records of MRR movements: a customer's latest one, the next one to insert, and the change that it counts."""

from dataclasses import dataclass
from datetime import datetime

from billing.enums import SubscriptionStatus
from billing.ids import CustomerId, SubscriptionId


@dataclass(frozen=True, slots=True)
class CountedChange:
    """A change of what the figures count a subscription as: the difference in MRR, and the statuses."""

    at: datetime
    mrr_cents: int
    before: str | None
    status: SubscriptionStatus


@dataclass(slots=True)
class MovementState:
    """The columns of a customer's latest MRR movement that the next one depends on.

    The customer's MRR is `after_cents`, and was `month_start_cents` at the start of the month of `at`. `first_at` is
    when the customer first had MRR. `sequence` counts the customer's movements from 1.
    """

    customer_id: CustomerId
    sequence: int
    at: datetime
    after_cents: int
    month_start_cents: int
    first_at: datetime | None


@dataclass(slots=True)
class NewMovement(MovementState):
    """An MRR movement to insert. All amounts and the three counts of subscriptions are differences."""

    subscription_id: SubscriptionId
    currency: str
    mrr_cents: int
    new_cents: int
    expansion_cents: int
    contraction_cents: int
    churned_cents: int
    reactivated_cents: int
    active: int
    trialing: int
    past_due: int
