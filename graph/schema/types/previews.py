"""Invoices that would be made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry

from billing import limits
from billing.changes import ChangeMode
from billing.ids import SubscriptionId
from billing.records import NewInvoice
from billing.words import InvoiceKind, LineKind
from db.access.reads import Reads
from db.queries.lookups import plans_by_id
from graph.execution import READS
from graph.schema.fields.context import Info
from graph.schema.fields.edges import edge
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.common import describe, field
from graph.schema.types.lazy import LazyPlan
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
    lines: list[InvoicePreviewLine] = field(f"What would be billed, in order; at most {limits.MAX_LINES} lines.")

    @strawberry.field(description="The instant at which it would be made.")
    def as_of(self) -> datetime:
        instant: datetime = self.issued_at  # type: ignore[attr-defined]
        return instant


@dataclass(frozen=True, slots=True)
class UpcomingInvoices:
    """The batched read of the next invoices of many subscriptions."""

    count: int

    async def __call__(self, reads: Reads, ids: Sequence[SubscriptionId]) -> list[list[NewInvoice]]:
        async with reads.session() as session:
            return await previews.upcoming_invoices(session, ids, count=self.count)


def upcoming_invoices_field(*, deprecation_reason: str | None = None) -> Any:
    """The field of a subscription that says what comes next."""

    async def resolve(
        self: Any,
        info: Info,
        count: Annotated[
            int, strawberry.argument(description=f"How many at most: 1 to {limits.MAX_UPCOMING_INVOICES}.")
        ] = 1,
    ) -> Any:
        if not 1 <= count <= limits.MAX_UPCOMING_INVOICES:
            raise bad_user_input(f"`count` must be between 1 and {limits.MAX_UPCOMING_INVOICES}.")
        found = await info.context.loaders.of(UpcomingInvoices(count)).load(SubscriptionId(parse_id(self.id)))
        info.context.rows.give(len(found))
        return found

    return strawberry.field(
        resolver=resolve,
        description=(
            "The next invoices, as they would be made if nothing happened before; fewer where the subscription ends. "
            "Three statements, however many subscriptions."
        ),
        deprecation_reason=deprecation_reason,
        metadata={READS: {"id"}},
    )
