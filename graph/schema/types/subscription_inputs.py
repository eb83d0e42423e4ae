"""Inputs of subscriptions that a mutation and its preview share."""

from datetime import datetime

import strawberry

from billing import limits
from billing.changes import ChangeMode, ChangeRequest
from billing.ids import PlanId
from billing.periods import NOMINAL_MONTH
from billing.subscribing import SubscriptionRequest
from billing.words import ApiKeyScope
from graph.schema.fields.access import Access
from graph.schema.fields.scalars import parse_id

MONTH_DAYS = f"{NOMINAL_MONTH / 86_400:.6f}"


START_NOW = f"Up to {limits.START_GRACE.seconds} seconds in the past count as now, which is the default."


@strawberry.input
class NewSubscriptionInput:
    customer_id: strawberry.ID = strawberry.field(description="Who is billed: a customer in use.")
    plan_id: strawberry.ID = strawberry.field(
        description="What is billed: a plan that is not archived, in the currency the customer is billed in."
    )
    quantity: int = strawberry.field(
        default=1, description=f"How many units of the plan: 1 to {limits.with_thousands(limits.MAX_QUANTITY)}."
    )
    start_at: datetime | None = strawberry.field(
        default=None,
        description=(f"When it begins, within {limits.MAX_START_DAYS} days; until then it is PENDING. {START_NOW}"),
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
        default=None, description=f"How many units of the plan: 1 to {limits.with_thousands(limits.MAX_QUANTITY)}."
    )
    mode: ChangeMode | None = strawberry.field(
        default=None,
        description=(
            "When the change comes into force. By default, a longer interval is IMMEDIATE and a shorter one "
            "PERIOD_END; if the interval stays as long, the same or a higher price × quantity is IMMEDIATE and a "
            f"lower one PERIOD_END. Intervals compare by their average length: a month has {MONTH_DAYS} days. "
            "Another interval is IMMEDIATE or PERIOD_END only: IMMEDIATE begins a new period at once."
        ),
    )
    as_of: datetime | None = strawberry.field(
        default=None,
        description=(
            "The instant in the current period from which it counts: not before the latest change in it, and not "
            "after now, which is the default."
        ),
    )

    def request(self, access: Access) -> ChangeRequest:
        """The change that is asked for. Raises a `FORBIDDEN` error for what a customer session may not ask for."""
        access.leave_out(mode=self.mode, asOf=self.as_of)
        plan_id = None if self.plan_id is None else PlanId(parse_id(self.plan_id))
        access.require_plan(plan_id)
        return ChangeRequest(
            plan_id, self.quantity, self.mode, self.as_of, may_credit=access.scope is not ApiKeyScope.CUSTOMER
        )
