"""Previews: what an invoice would say, without making one."""

from datetime import datetime

import strawberry

from billing import limits
from billing.changes import ChangeMode
from billing.ids import CustomerId, SubscriptionId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, payload, preview
from graph.schema.fields.scalars import parse_id
from graph.schema.types.common import describe_fields
from graph.schema.types.previews import InvoicePreview
from graph.schema.types.subscription_inputs import START_NOW, NewSubscriptionInput, SubscriptionChangeInput
from graph.schema.types.subscriptions import WITHDRAWN_CHANGE, PendingChange, WithdrawnChange
from services import previews


@strawberry.input(description="A subscription to preview.")
class PreviewSubscriptionInput(NewSubscriptionInput):
    pass


describe_fields(
    PreviewSubscriptionInput,
    customer_id="Who would be billed: a customer in use.",
    plan_id="What would be billed: a plan that is not archived, in the currency the customer is billed in.",
    start_at=f"When it would begin, within {limits.MAX_START_DAYS} days. {START_NOW}",
    trial_days=(
        f"Days of trial, 0 to {limits.MAX_TRIAL_DAYS}, in place of the plan's; 0 for none. As for `createSubscription`."
    ),
    trial_end=f"When the trial would end, in place of its days: at most {limits.MAX_TRIAL_DAYS} days after it begins.",
)


@strawberry.input(description="A change of a subscription to preview. What is left out stays as it is.")
class PreviewSubscriptionChangeInput(SubscriptionChangeInput):
    pass


describe_fields(
    PreviewSubscriptionChangeInput,
    mode="When it would come into force; by default as for `changeSubscription`.",
    as_of=(
        "The instant in the current period from which it would count: not before the latest change in it, and not "
        "after now, which is the default."
    ),
)


@payload
class PreviewSubscriptionPayload(Payload):
    invoice: InvoicePreview | None = strawberry.field(
        default=None, description="The first invoice, as it would be made when the subscription begins."
    )


@payload
class PreviewSubscriptionChangePayload(Payload):
    mode: ChangeMode | None = strawberry.field(default=None, description="The mode, which may be the default one.")
    effective_at: datetime | None = strawberry.field(default=None, description="When it would come into force.")
    invoice: InvoicePreview | None = strawberry.field(
        default=None, description="The invoice that the change would make; null where it would make none."
    )
    next_invoice: InvoicePreview | None = strawberry.field(
        default=None,
        description="The invoice of the next period after the change; null where the subscription ends before.",
    )
    withdrawn_change: PendingChange | None = strawberry.field(default=None, description=WITHDRAWN_CHANGE)


@strawberry.type
class PreviewQueries:
    @preview("What `createSubscription` would bill first, with the same input. Stores nothing.")
    async def preview_subscription(self, info: Info, input: PreviewSubscriptionInput) -> PreviewSubscriptionPayload:
        request = input.request()
        info.context.access.require_plan(request.plan_id)
        async with info.context.reads() as session:
            invoice = await previews.preview_subscription(
                session,
                request,
                customer_id=CustomerId(parse_id(input.customer_id)),
                now=info.context.now(),
            )
        return PreviewSubscriptionPayload(invoice=invoice)  # type: ignore[arg-type]

    @preview("What `changeSubscription` would do, with the same input. Stores nothing.")
    async def preview_subscription_change(
        self, info: Info, input: PreviewSubscriptionChangeInput
    ) -> PreviewSubscriptionChangePayload:
        request = input.request(info.context.access)
        async with info.context.reads() as session:
            change = await previews.preview_subscription_change(
                session,
                request,
                subscription_id=SubscriptionId(parse_id(input.id)),
                now=info.context.now(),
            )
        return PreviewSubscriptionChangePayload(
            mode=change.mode,
            effective_at=change.effective_at,
            invoice=change.invoice,  # type: ignore[arg-type]
            next_invoice=change.next_invoice,  # type: ignore[arg-type]
            withdrawn_change=WithdrawnChange.of(change.withdrawn),
        )
