"""Previews of subscriptions and subscription changes. They store nothing."""

from datetime import datetime

import strawberry

from billing import limits
from billing.changes import ChangeMode
from billing.enums import ApiKeyScope, CustomerPermission
from billing.ids import CustomerId, SubscriptionId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, payload, preview
from graph.schema.fields.scalars import Cents, parse_id
from graph.schema.types.common import describe_fields
from graph.schema.types.correction_inputs import CreditInput
from graph.schema.types.corrections import CreditNotePreview
from graph.schema.types.discounts import charge_codes
from graph.schema.types.previews import InvoicePreview
from graph.schema.types.subscription_inputs import (
    MOVED_START,
    START_NOW,
    AnchorResetInput,
    CancellationInput,
    NewSubscriptionInput,
    PeriodExtensionInput,
    SubscriptionChangeInput,
    TrialUpdateInput,
)
from graph.schema.types.subscriptions import PendingChange, WithdrawnChange
from services import credit_notes, previews

NO_NEXT_INVOICE = "Null if the subscription ends before that, or if an amount would be too large."


@strawberry.input(description="The subscription to preview.")
class PreviewSubscriptionInput(NewSubscriptionInput):
    pass


describe_fields(
    PreviewSubscriptionInput,
    customer_id="The customer to bill. Must not be archived.",
    plan_id="The plan. It must not be archived, and must be in the customer's currency.",
    coupon_codes=(
        f"Codes of coupons to preview for the subscription, ignoring case, at most {limits.MAX_DISCOUNTS}, each only"
        " once. Nothing is redeemed. Customer sessions need the permission REDEEM_COUPONS."
    ),
    start_at=f"When the subscription would start, within {limits.MAX_START_DAYS} days. {START_NOW}",
    trial_days=(
        f"Length of the trial in days, 0 to {limits.MAX_TRIAL_DAYS}, as for `createSubscription`. 0 for no trial."
    ),
    trial_end=(
        f"When the trial would end, at most {limits.MAX_TRIAL_DAYS} days after the start. Cannot be"
        " combined with `trialDays`."
    ),
)


@strawberry.input(description="The subscription change to preview. Omitted fields stay unchanged.")
class PreviewSubscriptionChangeInput(SubscriptionChangeInput):
    pass


describe_fields(
    PreviewSubscriptionChangeInput,
    mode="When the change would take effect. Same default as for `changeSubscription`.",
    as_of=(
        "The effective time that the change would have, for proration. Must be in the current period, not before the"
        " latest change, and not in the future. Defaults to now."
    ),
)


@strawberry.input(description="The update of a trial to preview. Give `trialEnd` or `endNow`.")
class PreviewTrialUpdateInput(TrialUpdateInput):
    pass


@strawberry.input(description="The extension of a period to preview.")
class PreviewPeriodExtensionInput(PeriodExtensionInput):
    pass


@strawberry.input(description="The cancellation to preview.")
class PreviewCancellationInput(CancellationInput):
    pass


@strawberry.input(description="The subscription whose start to move.")
class PreviewSubscriptionUpdateInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")
    start_at: datetime = strawberry.field(description=MOVED_START)


@payload
class PreviewSubscriptionUpdatePayload(Payload):
    invoice: InvoicePreview | None = strawberry.field(
        default=None, description="The first invoice, as it would be issued when the subscription starts."
    )


@strawberry.input(description="The reset of a billing anchor to preview.")
class PreviewBillingAnchorResetInput(AnchorResetInput):
    pass


@payload
class PreviewSubscriptionPayload(Payload):
    invoice: InvoicePreview | None = strawberry.field(
        default=None, description="The first invoice, as it would be issued when the subscription starts."
    )


@payload
class PreviewSubscriptionChangePayload(Payload):
    mode: ChangeMode | None = strawberry.field(
        default=None, description="The mode that would apply: the requested one, or the default."
    )
    effective_at: datetime | None = strawberry.field(default=None, description="When the change would take effect.")
    invoice: InvoicePreview | None = strawberry.field(
        default=None, description="The invoice that the change would create. Null if there would be none."
    )
    next_invoice: InvoicePreview | None = strawberry.field(
        default=None,
        description=f"The invoice of the next period after the change. {NO_NEXT_INVOICE}",
    )
    withdrawn_change: PendingChange | None = strawberry.field(
        default=None,
        description="The pending change that this change would replace or withdraw. Null if there is none.",
    )


@payload
class PreviewTrialUpdatePayload(Payload):
    invoice: InvoicePreview | None = strawberry.field(
        default=None,
        description="The invoice of the first billing period if `endNow` is true. Null if `trialEnd` is given.",
    )
    next_invoice: InvoicePreview | None = strawberry.field(
        default=None, description=f"The next invoice after the update. {NO_NEXT_INVOICE}"
    )


@payload
class PreviewPeriodExtensionPayload(Payload):
    next_invoice: InvoicePreview | None = strawberry.field(
        default=None, description=f"The next invoice after the extension. {NO_NEXT_INVOICE}"
    )


@payload
class PreviewCancellationPayload(Payload):
    ends_at: datetime | None = strawberry.field(default=None, description="When the subscription would end.")
    invoices: list[InvoicePreview] | None = strawberry.field(
        default=None,
        description=(
            "The invoices until the end of the subscription, oldest first: one for each period, and a final one if"
            f" there is a credit or a pending line. At most {limits.MAX_UPCOMING_INVOICES}, so the final one may be"
            " missing."
        ),
    )


@payload
class PreviewBillingAnchorResetPayload(Payload):
    invoice: InvoicePreview | None = strawberry.field(
        default=None, description="The invoice that the reset would create. Null if there would be none."
    )
    next_invoice: InvoicePreview | None = strawberry.field(
        default=None,
        description="The invoice of the next period after the reset. Null if an amount would be too large.",
    )


@strawberry.input(description="The credit note to preview. Give exactly one of `lines`, `amountCents` and `whole`.")
class PreviewCreditNoteInput(CreditInput):
    pass


@payload
class PreviewCreditNotePayload(Payload):
    credit_note: CreditNotePreview | None = strawberry.field(default=None, description="The credit note.")
    to_distribute_cents: Cents | None = strawberry.field(
        default=None,
        description=(
            "The part that `distribution` distributes, in minor units: `amountCents` less `appliedCents` and"
            " `restoredCents` of the credit note."
        ),
    )


@strawberry.type
class PreviewQueries:
    @preview(
        "Previews the first invoice of `createSubscription` with the same input. Stores nothing.", for_sessions=True
    )
    async def preview_subscription(self, info: Info, input: PreviewSubscriptionInput) -> PreviewSubscriptionPayload:
        request = input.request()
        info.context.access.require_plan(request.plan_id)
        if request.coupon_codes:
            info.context.access.require(ApiKeyScope.READ, CustomerPermission.REDEEM_COUPONS)
            charge_codes(info, len(request.coupon_codes))
        async with info.context.reads() as session:
            invoice = await previews.preview_subscription(
                session,
                request,
                customer_id=CustomerId(parse_id(input.customer_id)),
                now=info.context.now(),
            )
        return PreviewSubscriptionPayload(invoice=invoice)  # type: ignore[arg-type]

    @preview("Previews `changeSubscription` with the same input. Stores nothing.", for_sessions=True)
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

    @preview("Previews `updateTrial` with the same input. Stores nothing.")
    async def preview_trial_update(self, info: Info, input: PreviewTrialUpdateInput) -> PreviewTrialUpdatePayload:
        async with info.context.reads() as session:
            found = await previews.preview_trial_update(
                session, input.request(), subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            )
        return PreviewTrialUpdatePayload(
            invoice=found.invoice,  # type: ignore[arg-type]
            next_invoice=found.next_invoice,  # type: ignore[arg-type]
        )

    @preview("Previews `extendPeriod` with the same input. Stores nothing.")
    async def preview_period_extension(
        self, info: Info, input: PreviewPeriodExtensionInput
    ) -> PreviewPeriodExtensionPayload:
        async with info.context.reads() as session:
            found = await previews.preview_period_extension(
                session, input.until, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            )
        return PreviewPeriodExtensionPayload(next_invoice=found.next_invoice)  # type: ignore[arg-type]

    @preview("Previews `cancelSubscription` with the same input. Stores nothing.", for_sessions=True)
    async def preview_cancellation(self, info: Info, input: PreviewCancellationInput) -> PreviewCancellationPayload:
        request = input.request(info.context.access)
        async with info.context.reads() as session:
            found = await previews.preview_cancellation(
                session, request, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            )
        return PreviewCancellationPayload(
            ends_at=found.ends_at,
            invoices=found.invoices,  # type: ignore[arg-type]
        )

    @preview("Previews the first invoice after `updateSubscription` with the same `startAt`. Stores nothing.")
    async def preview_subscription_update(
        self, info: Info, input: PreviewSubscriptionUpdateInput
    ) -> PreviewSubscriptionUpdatePayload:
        async with info.context.reads() as session:
            invoice = await previews.preview_subscription_update(
                session, input.start_at, subscription_id=SubscriptionId(parse_id(input.id)), now=info.context.now()
            )
        return PreviewSubscriptionUpdatePayload(invoice=invoice)  # type: ignore[arg-type]

    @preview("Previews `resetBillingAnchor` with the same input. Stores nothing.")
    async def preview_billing_anchor_reset(
        self, info: Info, input: PreviewBillingAnchorResetInput
    ) -> PreviewBillingAnchorResetPayload:
        async with info.context.reads() as session:
            found = await previews.preview_anchor_reset(
                session,
                input.reset(),
                subscription_id=SubscriptionId(parse_id(input.id)),
                now=info.context.now(),
            )
        return PreviewBillingAnchorResetPayload(
            invoice=found.invoice,  # type: ignore[arg-type]
            next_invoice=found.next_invoice,  # type: ignore[arg-type]
        )

    @preview("Previews `createCreditNote` with the same input. Stores nothing.")
    async def preview_credit_note(self, info: Info, input: PreviewCreditNoteInput) -> PreviewCreditNotePayload:
        async with info.context.reads() as session:
            _, note = await credit_notes.decide_credit_note(
                session, input.invoice(), input.credit(), input.parts(), now=info.context.now(), lock=False
            )
        return PreviewCreditNotePayload(
            credit_note=note,  # type: ignore[arg-type]
            to_distribute_cents=Cents(note.to_distribute_cents),
        )
