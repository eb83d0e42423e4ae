"""Inputs of subscriptions that a mutation and its preview share."""

from datetime import datetime

import strawberry

from billing import limits
from billing.changes import ChangeMode, ChangeRequest
from billing.ids import PlanId
from billing.subscribing import SubscriptionRequest
from graph.schema.fields.scalars import parse_id


@strawberry.input
class NewSubscriptionInput:
    customer_id: strawberry.ID = strawberry.field(description="Who is billed: a customer in use.")
    plan_id: strawberry.ID = strawberry.field(
        description="What is billed: a plan that is not archived, in the currency the customer is billed in."
    )
    quantity: int = strawberry.field(
        default=1, description=f"How many units of the plan: 1 to {limits.spaced(limits.MAX_QUANTITY)}."
    )
    start_at: datetime | None = strawberry.field(
        default=None,
        description="When it begins: not in the past, and within ten years; until then it is PENDING. By default now.",
    )
    trial_days: int | None = strawberry.field(
        default=None,
        description=(
            f"Days of trial, 0 to {limits.MAX_TRIAL_DAYS}, in place of the plan's; 0 for none. By default the plan's "
            "own, unless the customer was on trial of this plan before."
        ),
    )
    trial_end: datetime | None = strawberry.field(
        default=None,
        description=(
            f"When the trial ends, in place of its days: after `startAt`, and at most {limits.MAX_TRIAL_DAYS} days "
            "after it. The first full period begins there. Not together with `trialDays`."
        ),
    )

    def request(self) -> SubscriptionRequest:
        return SubscriptionRequest(
            PlanId(parse_id(self.plan_id)), self.quantity, self.start_at, self.trial_days, self.trial_end
        )


@strawberry.input
class SubscriptionChangeInput:
    id: strawberry.ID = strawberry.field(description="The subscription: one that has begun.")
    plan_id: strawberry.ID | None = strawberry.field(
        default=None, description="The new plan: one that is not archived, in the same currency."
    )
    quantity: int | None = strawberry.field(
        default=None, description=f"How many units of the plan: 1 to {limits.spaced(limits.MAX_QUANTITY)}."
    )
    mode: ChangeMode | None = strawberry.field(
        default=None,
        description=(
            "When it comes into force. By default IMMEDIATE where the price for each second of a period stays the same "
            "or goes up, and PERIOD_END where it goes down. Another interval is IMMEDIATE or PERIOD_END only: the "
            "former begins a new period at once."
        ),
    )
    as_of: datetime | None = strawberry.field(
        default=None,
        description=(
            "The instant in the current period from which it counts: not before the latest change in it, and not "
            "after now, which is the default."
        ),
    )

    def request(self) -> ChangeRequest:
        plan_id = None if self.plan_id is None else PlanId(parse_id(self.plan_id))
        return ChangeRequest(plan_id, self.quantity, self.mode, self.as_of)
