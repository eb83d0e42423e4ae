"""Previews: what an invoice would say, without making one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry

from billing.changes import ChangeMode
from billing.ids import CustomerId, PlanId, SubscriptionId
from billing.records import PlannedInvoice
from billing.words import InvoiceKind, LineKind
from db.access.reads import Reads
from db.queries.lookups import plans_by_id
from graph.context import Info
from graph.edges import edge
from graph.errors import UserError, bad_user_input
from graph.execution import READS
from graph.mutations.common import preview, user_errors_field
from graph.scalars import Cents, Currency, parse_id
from graph.types.common import LazyPlan, describe, field
from services import previews

describe(
    ChangeMode,
    "When a change of plan or quantity comes into force, and when what it costs is billed.",
    IMMEDIATE="Now, and billed now: one invoice gives the unused rest of what was billed back, and charges the new.",
    NEXT_INVOICE="Now; what it costs and gives back waits for the next invoice.",
    PERIOD_END="With the next period. Nothing is prorated, and it can be withdrawn until then.",
    NONE="Now; nothing is billed or given back until the next period.",
    CHARGE_NOW_CREDIT_LATER="Now; the new rest is charged now, and the unused one given back with the next invoice.",
)


@strawberry.type(description="A line of an invoice that is not made.")
class InvoicePreviewLine:
    kind: LineKind = field("What the line is for.")
    description: str = field("What the line is for, in words.")
    quantity: int = field("How many units.")
    unit_amount_cents: Cents = field(
        "The price of one unit for a whole period, in minor units of the invoice's currency."
    )
    amount_cents: Cents = field("What the line adds to the invoice, in minor units; negative for a credit.")
    period_start: datetime | None = field("When the span that the line is for begins; null for what has none.")
    period_end: datetime | None = field("When the span that the line is for ends (not in it).")

    plan: LazyPlan | None = edge(plans_by_id, "plan_id", "The plan that is billed; null for what is outside any plan.")


@strawberry.type(
    description=(
        "An invoice as it would be made at the instant `asOf`, to the cent, if nothing happened before. Nothing is "
        "stored: it has no id and no number."
    )
)
class InvoicePreview:
    kind: InvoiceKind = field("What the invoice is for.")
    currency: Currency = field("The currency of all amounts.")
    subtotal_cents: Cents = field("The sum of the lines, in minor units.")
    tax_cents: Cents = field("The tax on top, in minor units.")
    amount_cents: Cents = field("The total, in minor units. Negative where more is given back than billed.")
    amount_due_cents: Cents = field("What would be left to pay, after the customer's balance, in minor units.")
    period_start: datetime = field("When the span that the invoice is for begins.")
    period_end: datetime = field("When the span that the invoice is for ends (not in it).")
    due_at: datetime | None = field("When it would be due.")
    lines: list[InvoicePreviewLine] = field("What would be billed, in order; at most 100 lines.")

    @strawberry.field(description="The instant at which it would be made.")
    def as_of(self) -> datetime:
        instant: datetime = self.issued_at  # type: ignore[attr-defined]
        return instant


@strawberry.input(description="A subscription to preview.")
class PreviewSubscriptionInput:
    customer_id: strawberry.ID = strawberry.field(description="Who would be billed: a customer in use.")
    plan_id: strawberry.ID = strawberry.field(
        description="What would be billed: a plan that is not archived, in the currency the customer is billed in."
    )
    quantity: int = strawberry.field(default=1, description="How many units of the plan: 1 to 1 000 000 000.")
    start_at: datetime | None = strawberry.field(
        default=None, description="When it would begin: not in the past, and within ten years. By default now."
    )
    trial_days: int | None = strawberry.field(
        default=None,
        description="Days of trial, 0 to 730, in place of the plan's; 0 for none. As for `createSubscription`.",
    )
    trial_end: datetime | None = strawberry.field(
        default=None, description="When the trial would end, in place of its days: at most 730 days after it begins."
    )


@strawberry.input(description="A change of a subscription to preview. What is left out stays as it is.")
class PreviewSubscriptionChangeInput:
    id: strawberry.ID = strawberry.field(description="The subscription: one that has begun.")
    plan_id: strawberry.ID | None = strawberry.field(
        default=None, description="The new plan: one that is not archived, in the same currency."
    )
    quantity: int | None = strawberry.field(default=None, description="How many units of the plan: 1 to 1 000 000 000.")
    mode: ChangeMode | None = strawberry.field(
        default=None, description="When it would come into force; by default as for `changeSubscription`."
    )
    as_of: datetime | None = strawberry.field(
        default=None,
        description=(
            "The instant in the current period from which it would count: not before the latest change in it, and not "
            "after now, which is the default."
        ),
    )


@strawberry.type(description="Answer of `previewSubscription`.")
class PreviewSubscriptionPayload:
    invoice: InvoicePreview | None = strawberry.field(
        default=None, description="The first invoice, as it would be made when the subscription begins."
    )
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="Answer of `previewSubscriptionChange`.")
class PreviewSubscriptionChangePayload:
    mode: ChangeMode | None = strawberry.field(default=None, description="The mode, which may be the default one.")
    effective_at: datetime | None = strawberry.field(default=None, description="When it would come into force.")
    invoice: InvoicePreview | None = strawberry.field(
        default=None, description="The invoice that the change would make; null where it would make none."
    )
    next_invoice: InvoicePreview | None = strawberry.field(
        default=None,
        description="The invoice of the next period after the change; null where the subscription ends before.",
    )
    user_errors: list[UserError] = user_errors_field()


@strawberry.type
class PreviewQueries:
    @preview("What `createSubscription` would bill first, with the same input. Stores nothing.")
    async def preview_subscription(self, info: Info, input: PreviewSubscriptionInput) -> PreviewSubscriptionPayload:
        async with info.context.reads() as session:
            invoice = await previews.preview_subscription(
                session,
                customer_id=CustomerId(parse_id(input.customer_id)),
                plan_id=PlanId(parse_id(input.plan_id)),
                quantity=input.quantity,
                start_at=input.start_at,
                trial_days=input.trial_days,
                trial_end=input.trial_end,
                now=info.context.now(),
            )
        return PreviewSubscriptionPayload(invoice=invoice)  # type: ignore[arg-type]

    @preview("What `changeSubscription` would do, with the same input. Stores nothing.")
    async def preview_subscription_change(
        self, info: Info, input: PreviewSubscriptionChangeInput
    ) -> PreviewSubscriptionChangePayload:
        async with info.context.reads() as session:
            change = await previews.preview_subscription_change(
                session,
                subscription_id=SubscriptionId(parse_id(input.id)),
                plan_id=None if input.plan_id is None else PlanId(parse_id(input.plan_id)),
                quantity=input.quantity,
                mode=input.mode,
                as_of=input.as_of,
                now=info.context.now(),
            )
        return PreviewSubscriptionChangePayload(
            mode=change.mode,
            effective_at=change.effective_at,
            invoice=change.invoice,  # type: ignore[arg-type]
            next_invoice=change.next_invoice,  # type: ignore[arg-type]
        )


@dataclass(frozen=True, slots=True)
class UpcomingInvoices:
    """The batched read of the next invoices of many subscriptions."""

    count: int

    async def __call__(self, reads: Reads, ids: Sequence[SubscriptionId]) -> list[list[PlannedInvoice]]:
        async with reads.session() as session:
            return await previews.upcoming_invoices(session, ids, count=self.count)


def upcoming_invoices_field() -> Any:
    """The field of a subscription that says what comes next."""

    async def resolve(
        self: Any,
        info: Info,
        count: Annotated[int, strawberry.argument(description=f"How many at most: 1 to {previews.MAX_UPCOMING}.")] = 1,
    ) -> Any:
        if not 1 <= count <= previews.MAX_UPCOMING:
            raise bad_user_input(f"`count` must be between 1 and {previews.MAX_UPCOMING}.")
        found = await info.context.loaders.of(UpcomingInvoices(count)).load(SubscriptionId(parse_id(self.id)))
        info.context.rows.give(len(found))
        return found

    return strawberry.field(
        resolver=resolve,
        description=(
            "The next invoices, as they would be made if nothing happened before; fewer where the subscription ends. "
            "Three statements, however many subscriptions."
        ),
        metadata={READS: {"id"}},
    )
