"""Previews of invoices that are not stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry

from billing import limits
from billing.changes import ChangeMode
from billing.enums import InvoiceKind, LineKind, TaxBehavior
from billing.ids import SubscriptionId
from billing.new_records import NewInvoice
from db.access.reads import Reads
from db.queries.lookups import plans_by_id
from graph.execution import READS
from graph.schema.fields.context import Info
from graph.schema.fields.edges import edge
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.common import describe, field
from graph.schema.types.discounts import AppliedDiscount, applied_discounts_field
from graph.schema.types.lazy import LazyPlan
from graph.schema.types.taxes import AppliedTax, behavior_field, line_net_field, line_taxes_field, read_taxes
from services import previews

describe(
    ChangeMode,
    "When a change of plan or quantity takes effect, and when it is billed.",
    IMMEDIATE=(
        "Takes effect and is billed now: one invoice credits the unused part of the period and charges the"
        " remaining part on the new terms."
    ),
    NEXT_INVOICE="Takes effect now. Its charges and credits are pending until the next invoice.",
    PERIOD_END=("Takes effect with the next period. Nothing is prorated, and the change can be withdrawn until then."),
    NONE=(
        "Takes effect now, but nothing is billed or credited for the current period. The new terms are billed"
        " from the next period."
    ),
    CHARGE_NOW_CREDIT_LATER=(
        "Takes effect now. The remaining part of the period is charged now on the new terms,"
        " and the unused part is credited on the next invoice."
    ),
)


@strawberry.type(description="A line of a previewed invoice.")
class InvoicePreviewLine:
    kind: LineKind = field("The kind of the line.")
    description: str = field("Description of the line.")
    quantity: int = field("Number of units.")
    unit_amount_cents: Cents = field(
        "The price of one unit for a whole period, in minor units of the invoice's currency."
    )
    amount_cents: Cents = field("Amount of the line before discounts, in minor units. Negative for a credit.")
    discount_cents: Cents = field("The discount on the amount, in minor units.")
    net_cents: Cents = line_net_field()
    tax_behavior: TaxBehavior = behavior_field("The tax treatment of `amountCents`.")
    taxes: list[AppliedTax] = line_taxes_field()
    period_start: datetime | None = field("Start of the time range that the line covers. Null if it covers none.")
    period_end: datetime | None = field(
        "End of the time range that the line covers, exclusive. Null if it covers none."
    )

    plan: LazyPlan | None = edge(plans_by_id, "plan_id", "The plan that is billed. Null if the line is for no plan.")


@strawberry.type(
    description=(
        "An invoice exactly as it would be issued at `asOf`, if nothing changes before then. It is not stored"
        " and has no id or number."
    )
)
class InvoicePreview:
    kind: InvoiceKind = field("The kind of the invoice.")
    currency: Currency = field("The currency of all amounts.")
    subtotal_cents: Cents = field("The sum of the `netCents` of the lines, in minor units.")
    discount_cents: Cents = field("The sum of the discounts of the lines, in minor units.")
    discounts: list[AppliedDiscount] = applied_discounts_field(
        "The discounts that would lower the invoice, in the order applied. Their amounts add up to `discountCents`."
    )
    tax_cents: Cents = field("The sum of the taxes, in minor units.")
    rounding_cents: Cents = field("The amount that rounds the total to the seller's increment, in minor units.")
    taxes: list[AppliedTax] = read_taxes("The taxes, each for a group of lines.")
    amount_cents: Cents = field("The total, in minor units. Negative if the credits exceed the charges.")
    amount_due_cents: Cents = field(
        "The amount that would be due after the customer's balance is applied, in minor units."
    )
    period_start: datetime = field("Start of the time range that the invoice covers.")
    period_end: datetime = field("End of the time range that the invoice covers, exclusive.")
    due_at: datetime | None = field("When the invoice would be due.")
    po_number: str | None = field("The customer's purchase order number. Null if not set.")
    memo: str | None = field("Text shown on the invoice. Null if not set.")
    lines: list[InvoicePreviewLine] = field(f"The lines that would be billed, in order. At most {limits.MAX_LINES}.")

    @strawberry.field(description="When the invoice would be issued.")
    def as_of(self) -> datetime:
        instant: datetime = self.issued_at  # type: ignore[attr-defined]
        return instant


ROWS_PER_INVOICE = 10
"""Number of rows that a previewed invoice is charged as. Computing one takes as long as reading about so many."""


@dataclass(frozen=True, slots=True)
class UpcomingInvoices:
    """Batched read of the next `count` invoices of many subscriptions."""

    count: int

    async def __call__(self, reads: Reads, ids: Sequence[SubscriptionId]) -> list[list[NewInvoice]]:
        async with reads.session() as session:
            return await previews.upcoming_invoices(session, ids, count=self.count)


def upcoming_invoices_field(*, deprecation_reason: str | None = None) -> Any:
    """Declares the field of a subscription that previews its next invoices."""

    async def resolve(
        self: Any,
        info: Info,
        count: Annotated[
            int, strawberry.argument(description=f"Maximum number of invoices, 1 to {limits.MAX_UPCOMING_INVOICES}.")
        ] = 1,
    ) -> Any:
        if not 1 <= count <= limits.MAX_UPCOMING_INVOICES:
            raise bad_user_input(f"`count` must be between 1 and {limits.MAX_UPCOMING_INVOICES}.")
        # Before the invoices are computed: many of them take seconds.
        info.context.rows.spend(count * ROWS_PER_INVOICE)
        found = await info.context.loaders.of(UpcomingInvoices(count)).load(SubscriptionId(parse_id(self.id)))
        info.context.rows.give(len(found))
        return found

    return strawberry.field(
        resolver=resolve,
        description=(
            "The next invoices, as they would be issued if nothing changes before then. Fewer than `count` if"
            f" the subscription ends. Each of `count` costs {ROWS_PER_INVOICE} rows."
        ),
        deprecation_reason=deprecation_reason,
        metadata={READS: {"id"}},
    )
