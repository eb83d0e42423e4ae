"""Mutations that update subscriptions: metadata and dates."""

from datetime import datetime

import strawberry
from strawberry import Maybe

from billing import limits
from billing.ids import SubscriptionId
from billing.validation import UNCHANGED
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import (
    Payload,
    given,
    idempotency_key_field,
    made_invoice,
    made_subscription,
    mutation,
    payload,
)
from graph.schema.fields.scalars import parse_id
from graph.schema.types.common import MetadataEntryInput, metadata_of
from graph.schema.types.invoices import Invoice
from graph.schema.types.subscription_inputs import MOVED_START, PeriodExtensionInput, TrialUpdateInput
from graph.schema.types.subscriptions import Subscription
from services import moving


@strawberry.input(description="An update of a subscription. Omitted fields stay unchanged.")
class UpdateSubscriptionInput:
    id: strawberry.ID = strawberry.field(description="The subscription, in any status.")
    start_at: datetime | None = strawberry.field(
        default=None,
        description=f"{MOVED_START} Its trial moves with it, and the billing anchor unless one was set.",
    )
    metadata: Maybe[list[MetadataEntryInput] | None] = strawberry.field(
        description=(
            f"The new metadata, at most {limits.MAX_METADATA_PAIRS} pairs. It replaces all existing pairs. Null"
            " removes all."
        )
    )
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The subscription whose trial to move, and the new end. Give `trialEnd` or `endNow`.")
class UpdateTrialInput(TrialUpdateInput):
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The subscription whose current period to extend, and its new end.")
class ExtendPeriodInput(PeriodExtensionInput):
    idempotency_key: str | None = idempotency_key_field()


@payload
class UpdateSubscriptionPayload(Payload):
    subscription: Subscription | None = made_subscription("The updated subscription.")
    invoice: Invoice | None = made_invoice(
        "The invoice for the first period or the trial if the subscription started now. Null if it did not."
    )


@payload
class UpdateTrialPayload(Payload):
    subscription: Subscription | None = made_subscription("The updated subscription.")
    invoice: Invoice | None = made_invoice(
        "The invoice for the first billing period if the trial ended now. Null if its end was moved."
    )


@payload
class ExtendPeriodPayload(Payload):
    subscription: Subscription | None = made_subscription("The updated subscription.")


@strawberry.type
class MovingMutations:
    @mutation(
        "Updates a subscription: moves its start while it is PENDING, or replaces its metadata. A subscription that is"
        " moved to now starts at once, and its first period is billed."
    )
    async def update_subscription(self, info: Info, input: UpdateSubscriptionInput) -> UpdateSubscriptionPayload:
        metadata = given(input.metadata)
        made = await info.context.once(
            input,
            lambda session: moving.update_subscription(
                session,
                subscription_id=SubscriptionId(parse_id(input.id)),
                start_at=input.start_at,
                metadata=UNCHANGED if metadata is UNCHANGED else metadata_of(metadata),
                now=info.context.now(),
            ),
        )
        return UpdateSubscriptionPayload(made=made)

    @mutation(
        "Moves the end of a trial, in either direction, or ends the trial now. The first billing period and the"
        " billing anchor move with it, unless an anchor was set. A cancellation at the end of the trial moves too."
    )
    async def update_trial(self, info: Info, input: UpdateTrialInput) -> UpdateTrialPayload:
        made = await info.context.once(
            input,
            lambda session: moving.update_subscription_trial(
                session,
                input.request(),
                subscription_id=SubscriptionId(parse_id(input.id)),
                now=info.context.now(),
            ),
        )
        return UpdateTrialPayload(made=made)

    @mutation(
        "Extends the current period without a charge, as goodwill. The next period starts at its new end, which becomes"
        " the billing anchor unless one was set for that period. The added time is never billed or credited, even if"
        " the subscription changes or is canceled during it, except that a change which starts a new period ends it."
        " A cancellation at the end of the period moves with it."
    )
    async def extend_period(self, info: Info, input: ExtendPeriodInput) -> ExtendPeriodPayload:
        made = await info.context.once(
            input,
            lambda session: moving.extend_subscription_period(
                session,
                input.until,
                subscription_id=SubscriptionId(parse_id(input.id)),
                now=info.context.now(),
            ),
        )
        return ExtendPeriodPayload(made=made)
