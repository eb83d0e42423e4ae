"""Mutations of subscriptions."""

from dataclasses import replace

import strawberry

from billing.ids import CustomerId, SubscriptionId
from billing.subscribing import CancellationRequest, Settlement, SubscriptionRequest
from billing.words import CustomerPermission
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import (
    Payload,
    idempotency_key_field,
    made_invoice,
    made_subscription,
    mutation,
    payload,
)
from graph.schema.fields.scalars import parse_id
from graph.schema.types.common import MetadataEntryInput, describe, metadata_input_field, metadata_of
from graph.schema.types.invoices import Invoice
from graph.schema.types.subscription_inputs import NewSubscriptionInput, SubscriptionChangeInput
from graph.schema.types.subscriptions import WITHDRAWN_CHANGE, PendingChange, Subscription, WithdrawnChange
from services import subscriptions

describe(
    Settlement,
    "What becomes of the unused rest of what was billed when a subscription is canceled at once.",
    NONE="It is kept.",
    CREDIT="It is given back: on an invoice of its own, to the customer's open invoices and then to the balance.",
)


@strawberry.input(description="A new subscription. It starts at once, or at `startAt`.")
class CreateSubscriptionInput(NewSubscriptionInput):
    metadata: list[MetadataEntryInput] | None = metadata_input_field()
    idempotency_key: str | None = idempotency_key_field()

    def request(self) -> SubscriptionRequest:
        return replace(super().request(), metadata=metadata_of(self.metadata))


@strawberry.input(
    description=(
        "A change of what a subscription bills. What is left out stays as it is, also in a change that waits for the "
        "next period."
    )
)
class ChangeSubscriptionInput(SubscriptionChangeInput):
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="A change to withdraw that waits for the next period.")
class WithdrawSubscriptionChangeInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")


@strawberry.input(description="A subscription to cancel.")
class CancelSubscriptionInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")
    at_period_end: bool = strawberry.field(
        default=True,
        description=(
            "True: at the end of the current period, which can be undone until then. False: at once. One that has not "
            "begun is canceled at once."
        ),
    )
    settlement: Settlement = strawberry.field(
        default=Settlement.NONE,
        description="What becomes of the unused rest of what was billed; CREDIT is for what is canceled at once.",
    )
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="A cancellation to take back.")
class UndoSubscriptionCancellationInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")


@payload
class CreateSubscriptionPayload(Payload):
    subscription: Subscription | None = made_subscription("The new subscription.")
    invoice: Invoice | None = made_invoice(
        "The invoice of its first period, over 0 for a trial; null for a subscription that begins later."
    )


@payload
class ChangeSubscriptionPayload(Payload):
    subscription: Subscription | None = made_subscription("The subscription as it is now.")
    invoice: Invoice | None = made_invoice("The invoice that the change has made; null where it made none.")

    @strawberry.field(description=WITHDRAWN_CHANGE)
    def withdrawn_change(self) -> PendingChange | None:
        found: PendingChange | None = WithdrawnChange.of(self.made.withdrawn_change)
        return found


@payload
class WithdrawSubscriptionChangePayload(Payload):
    subscription: Subscription | None = made_subscription("The subscription as it is now.")


@payload
class CancelSubscriptionPayload(Payload):
    subscription: Subscription | None = made_subscription("The subscription as it is now.")
    invoice: Invoice | None = made_invoice(
        "The last invoice: what was given back, and lines that waited for one; null where there is none."
    )


@payload
class UndoSubscriptionCancellationPayload(Payload):
    subscription: Subscription | None = made_subscription("The subscription as it is now.")


@strawberry.type
class SubscriptionMutations:
    @mutation(
        "Puts a customer on a plan and bills the first period, both or neither. The invoice is OPEN, or PAID where "
        "nothing is owed. A customer may have one live subscription."
    )
    async def create_subscription(self, info: Info, input: CreateSubscriptionInput) -> CreateSubscriptionPayload:
        request = input.request()
        made = await info.context.once(
            input,
            lambda session: subscriptions.create_subscription(
                session, request, customer_id=CustomerId(parse_id(input.customer_id)), now=info.context.now()
            ),
        )
        return CreateSubscriptionPayload(made=made)

    @mutation(
        "Changes the plan or the quantity of a subscription, to the second, now or with the next period. A customer "
        "session leaves `mode` and `asOf` out.",
        permission=CustomerPermission.CHANGE_SUBSCRIPTION,
    )
    async def change_subscription(self, info: Info, input: ChangeSubscriptionInput) -> ChangeSubscriptionPayload:
        request = input.request(info.context.access)
        made = await info.context.once(
            input,
            lambda session: subscriptions.change_subscription(
                session, request, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return ChangeSubscriptionPayload(made=made)

    @mutation("Takes back a change that waits for the next period.", permission=CustomerPermission.CHANGE_SUBSCRIPTION)
    async def withdraw_subscription_change(
        self, info: Info, input: WithdrawSubscriptionChangeInput
    ) -> WithdrawSubscriptionChangePayload:
        made = await info.context.change(
            lambda session: subscriptions.withdraw_subscription_change(
                session, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            )
        )
        return WithdrawSubscriptionChangePayload(made=made)

    @mutation(
        "Ends a subscription, with its current period or at once. Open invoices stay owed; `settlement` says whether "
        "the unused rest is given back, which a customer session cannot ask for.",
        permission=CustomerPermission.CANCEL_SUBSCRIPTION,
    )
    async def cancel_subscription(self, info: Info, input: CancelSubscriptionInput) -> CancelSubscriptionPayload:
        info.context.access.leave_out(settlement=input.settlement is not Settlement.NONE)
        made = await info.context.once(
            input,
            lambda session: subscriptions.cancel_subscription(
                session,
                CancellationRequest(input.at_period_end, input.settlement),
                subscription_id=SubscriptionId(parse_id(input.id)),
                now=info.context.now(),
            ),
        )
        return CancelSubscriptionPayload(made=made)

    @mutation(
        "Takes back a cancellation that waits for the end of the period.",
        permission=CustomerPermission.CANCEL_SUBSCRIPTION,
    )
    async def undo_subscription_cancellation(
        self, info: Info, input: UndoSubscriptionCancellationInput
    ) -> UndoSubscriptionCancellationPayload:
        made = await info.context.change(
            lambda session: subscriptions.undo_subscription_cancellation(
                session, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            )
        )
        return UndoSubscriptionCancellationPayload(made=made)
