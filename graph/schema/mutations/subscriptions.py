"""Mutations of subscriptions."""

from dataclasses import replace

import strawberry

from billing.enums import CustomerPermission
from billing.ids import CustomerId, SubscriptionId
from billing.subscribing import SubscriptionRequest
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
from graph.schema.types.common import MetadataEntryInput, metadata_input_field, metadata_of
from graph.schema.types.invoices import Invoice
from graph.schema.types.subscription_inputs import (
    AnchorResetInput,
    CancellationInput,
    NewSubscriptionInput,
    SubscriptionChangeInput,
)
from graph.schema.types.subscriptions import WITHDRAWN_CHANGE, PendingChange, Subscription, WithdrawnChange
from services import subscriptions


@strawberry.input(description="A new subscription. It starts immediately, or at `startAt`.")
class CreateSubscriptionInput(NewSubscriptionInput):
    metadata: list[MetadataEntryInput] | None = metadata_input_field()
    idempotency_key: str | None = idempotency_key_field()

    def request(self) -> SubscriptionRequest:
        return replace(super().request(), metadata=metadata_of(self.metadata))


@strawberry.input(
    description=(
        "A change of a subscription's plan or quantity. Omitted fields stay unchanged, in the current terms and"
        " in a pending change."
    )
)
class ChangeSubscriptionInput(SubscriptionChangeInput):
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The subscription and its new billing anchor.")
class ResetBillingAnchorInput(AnchorResetInput):
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The subscription whose pending change to withdraw.")
class WithdrawSubscriptionChangeInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")


@strawberry.input(description="The subscription to cancel.")
class CancelSubscriptionInput(CancellationInput):
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The subscription whose cancellation to undo.")
class UndoSubscriptionCancellationInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")


@payload
class CreateSubscriptionPayload(Payload):
    subscription: Subscription | None = made_subscription("The new subscription.")
    invoice: Invoice | None = made_invoice(
        "The invoice for the first period or the trial, with a total of 0 for a trial. Null if the subscription"
        " starts later."
    )


@payload
class ChangeSubscriptionPayload(Payload):
    subscription: Subscription | None = made_subscription("The updated subscription.")
    invoice: Invoice | None = made_invoice("The invoice created by the change. Null if there is none.")

    @strawberry.field(description=WITHDRAWN_CHANGE)
    def withdrawn_change(self) -> PendingChange | None:
        found: PendingChange | None = WithdrawnChange.of(self.made.withdrawn_change)
        return found


@payload
class ResetBillingAnchorPayload(Payload):
    subscription: Subscription | None = made_subscription("The updated subscription.")
    invoice: Invoice | None = made_invoice("The invoice of the new period. Null if none starts now.")


@payload
class WithdrawSubscriptionChangePayload(Payload):
    subscription: Subscription | None = made_subscription("The updated subscription.")


@payload
class CancelSubscriptionPayload(Payload):
    subscription: Subscription | None = made_subscription("The updated subscription.")
    invoice: Invoice | None = made_invoice(
        "The final invoice, with the credit and all pending lines. Null if there is none, or if the cancellation is"
        " scheduled."
    )


@payload
class UndoSubscriptionCancellationPayload(Payload):
    subscription: Subscription | None = made_subscription("The updated subscription.")


@strawberry.type
class SubscriptionMutations:
    @mutation(
        "Subscribes a customer to a plan and bills the first period, in one transaction. The invoice is OPEN, or"
        " PAID if nothing is owed. A customer may have only one live subscription."
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
        "Changes the plan or quantity of a subscription, prorated to the second, now or with the next period. A"
        " customer session must not set `mode` or `asOf`.",
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

    @mutation("Moves the day on which a subscription's periods begin, with the next period or immediately.")
    async def reset_billing_anchor(self, info: Info, input: ResetBillingAnchorInput) -> ResetBillingAnchorPayload:
        reset = input.reset()
        made = await info.context.once(
            input,
            lambda session: subscriptions.reset_billing_anchor(
                session, reset, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return ResetBillingAnchorPayload(made=made)

    @mutation("Withdraws the pending change of a subscription.", permission=CustomerPermission.CHANGE_SUBSCRIPTION)
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
        "Cancels a subscription: at the end of the current period, at a given time, or immediately. Open invoices stay"
        " owed. `settlement` defines whether the unused part of the period is credited; a customer session must not"
        " set it.",
        permission=CustomerPermission.CANCEL_SUBSCRIPTION,
    )
    async def cancel_subscription(self, info: Info, input: CancelSubscriptionInput) -> CancelSubscriptionPayload:
        request = input.request(info.context.access)
        made = await info.context.once(
            input,
            lambda session: subscriptions.cancel_subscription(
                session, request, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return CancelSubscriptionPayload(made=made)

    @mutation(
        "Undoes a scheduled cancellation. If the current period was billed only until the given time, the next period"
        " starts at that time, which becomes the billing anchor unless one was set for that period.",
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
