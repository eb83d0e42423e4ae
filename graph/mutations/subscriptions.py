"""Mutations of subscriptions."""

import strawberry

from billing import subscriptions
from db.values import CustomerId, PlanId, SubscriptionId
from graph.context import Info
from graph.errors import UserError
from graph.mutations.common import mutation, user_errors_field
from graph.scalars import parse_id
from graph.types.common import MetadataEntryInput, metadata_of
from graph.types.invoices import Invoice
from graph.types.subscriptions import Subscription


@strawberry.input(description="A new subscription. It starts at once.")
class CreateSubscriptionInput:
    customer_id: strawberry.ID = strawberry.field(description="Who is billed: a customer in use.")
    plan_id: strawberry.ID = strawberry.field(
        description="What is billed: a plan that is not archived, in the currency the customer is billed in."
    )
    quantity: int = strawberry.field(default=1, description="How many units of the plan: 1 to 1 000 000 000.")
    metadata: list[MetadataEntryInput] | None = strawberry.field(
        default=None, description="Your own data, at most 50 pairs."
    )


@strawberry.input(description="A subscription to cancel.")
class CancelSubscriptionInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")
    at_period_end: bool = strawberry.field(
        default=True,
        description="True: at the end of the current period, which can be undone until then. False: at once.",
    )


@strawberry.input(description="A cancellation to take back.")
class UndoSubscriptionCancellationInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")


@strawberry.type(description="Answer of `createSubscription`.")
class CreateSubscriptionPayload:
    subscription: Subscription | None = strawberry.field(default=None, description="The new subscription.")
    invoice: Invoice | None = strawberry.field(default=None, description="The invoice of its first period.")
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="Answer of `cancelSubscription`.")
class CancelSubscriptionPayload:
    subscription: Subscription | None = strawberry.field(default=None, description="The subscription as it is now.")
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="Answer of `undoSubscriptionCancellation`.")
class UndoSubscriptionCancellationPayload:
    subscription: Subscription | None = strawberry.field(default=None, description="The subscription as it is now.")
    user_errors: list[UserError] = user_errors_field()


@strawberry.type
class SubscriptionMutations:
    @mutation(
        "Puts a customer on a plan and bills the first period, both or neither. The invoice is OPEN, or PAID where "
        "nothing is owed. A customer may have one live subscription."
    )
    async def create_subscription(self, info: Info, input: CreateSubscriptionInput) -> CreateSubscriptionPayload:
        async with info.context.transaction() as session:
            row, invoice = await subscriptions.create_subscription(
                session,
                customer_id=CustomerId(parse_id(input.customer_id)),
                plan_id=PlanId(parse_id(input.plan_id)),
                quantity=input.quantity,
                metadata=metadata_of(input.metadata),
                now=info.context.now(),
            )
        return CreateSubscriptionPayload(subscription=Subscription.of(row), invoice=Invoice.of(invoice))

    @mutation(
        "Ends a subscription, with its current period or at once. Nothing is given back; open invoices stay owed."
    )
    async def cancel_subscription(self, info: Info, input: CancelSubscriptionInput) -> CancelSubscriptionPayload:
        async with info.context.transaction() as session:
            row = await subscriptions.cancel_subscription(
                session,
                subscription_id=SubscriptionId(parse_id(input.id)),
                at_period_end=input.at_period_end,
                now=info.context.now(),
            )
        return CancelSubscriptionPayload(subscription=Subscription.of(row))

    @mutation("Takes back a cancellation that waits for the end of the period.")
    async def undo_subscription_cancellation(
        self, info: Info, input: UndoSubscriptionCancellationInput
    ) -> UndoSubscriptionCancellationPayload:
        async with info.context.transaction() as session:
            row = await subscriptions.undo_subscription_cancellation(
                session, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            )
        return UndoSubscriptionCancellationPayload(subscription=Subscription.of(row))
