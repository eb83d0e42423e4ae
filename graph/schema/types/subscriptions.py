"""Subscriptions, and what waits in them."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

import strawberry

from billing import changes, limits
from billing.ids import PlanId
from billing.words import LineKind, SubscriptionStatus
from db import models
from db.queries.lookups import (
    billing_holds_by_subscription,
    customers_by_id,
    latest_invoices_by_subscription,
    lines_by_id,
    pending_lines_by_subscription,
    plans_by_id,
    test_clocks_by_id,
)
from db.queries.pages import Condition
from graph.execution import READS
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents
from graph.schema.types.common import (
    DateTimeRange,
    MetadataEntry,
    Node,
    any_of,
    describe,
    field,
    field_of,
    id_is,
    metadata_field,
    within,
)
from graph.schema.types.invoices import InvoiceFilter, InvoiceLine, InvoiceOrder
from graph.schema.types.lazy import LazyCustomer, LazyInvoice, LazyPlan, LazyTestClock
from graph.schema.types.previews import InvoicePreview, upcoming_invoices_field

describe(
    SubscriptionStatus,
    "Where a subscription stands. All but CANCELED are live; a customer has at most one live subscription.",
    PENDING="It starts in the future; nothing is billed yet.",
    TRIALING="It is in its trial; the first full period is billed when the trial ends.",
    ACTIVE="It runs and is billed for each period.",
    PAST_DUE="It runs and is billed, and an open invoice of it is overdue: the day of its `dueAt`, in UTC, is over.",
    CANCELED="It has ended, for good. Its open invoices are still owed.",
)


@strawberry.type(
    description=(
        "A change of plan or quantity that comes with the next period. It can be withdrawn until then; where the "
        "subscription ends with its period, it does not come."
    )
)
class PendingChange:
    quantity: int = field_of("pending_quantity", "How many units will be billed.")
    requested_at: datetime = field_of("pending_since", "When the change was asked for.")
    effective_at: datetime = field_of("current_period_end", "When it comes into force: with the next period.")

    plan: LazyPlan = edge(plans_by_id, "pending_plan_id", "What will be billed: the same plan where it stays.")


WITHDRAWN_CHANGE = "The change that waited for the next period and was replaced or withdrawn; null if none was."


@dataclass(frozen=True, slots=True)
class WithdrawnChange:
    """The source of a `PendingChange` that is gone, under the names of the columns of a subscription."""

    pending_plan_id: PlanId
    pending_quantity: int
    pending_since: datetime
    current_period_end: datetime

    @classmethod
    def of(cls, change: changes.PendingChange | None) -> Any:
        return change and cls(change.plan_id, change.quantity, change.requested_at, change.effective_at)


@strawberry.type(
    description=(
        "Why a subscription that is due is not billed: the last try failed. It is tried again, less and less often, "
        "and the hold goes when it succeeds."
    )
)
class BillingHold:
    reason: str = field("What went wrong with the last try, in words for people.")
    since: datetime = field("When it went wrong first.")
    retry_at: datetime = field("When it is tried again, at the earliest.")
    attempts: int = field("How many tries went wrong so far, at least 1.")


@strawberry.type(description="A line that waits for the subscription's next invoice, on which it keeps its id.")
class PendingLine:
    id: strawberry.ID = field("The line's id: a UUID.")
    kind: LineKind = field("What the line is for.")
    description: str = field("What the line is for, in words for people.")
    quantity: int = field("How many units.")
    unit_amount_cents: Cents = field("The price of one unit for a whole period, in minor units of the plan's currency.")
    amount_cents: Cents = field("What it will add to the invoice, in minor units; negative for a credit.")
    period_ordinal: int | None = field(
        "Which of the subscription's periods the line belongs to, counted from 0; null for none."
    )
    period_start: datetime = field("When the span that the line is for begins.")
    period_end: datetime = field("When the span that the line is for ends (not in it).")
    created_at: datetime = field("When it began to wait.")

    plan: LazyPlan | None = edge(plans_by_id, "plan_id", "The plan that is billed; null for what is outside any plan.")
    reverses: InvoiceLine | None = edge(
        lines_by_id,
        "reverses_line_id",
        "The line that this one gives back, in whole or in part; null for what is no credit, and for the credit of a "
        "line that waits as well.",
    )


@strawberry.type(description="A customer on a plan. It is billed in advance, one invoice for each period.")
class Subscription(Node):
    row: ClassVar = models.Subscription

    status: SubscriptionStatus = field("Where the subscription stands.")
    quantity: int = field("How many units of the plan are billed: each costs the plan's `amountCents`.")
    started_at: datetime | None = field("When the first period, or the trial, began; null before it does.")
    anchor_at: datetime = field("The instant that periods are counted from: each begins so many intervals after it.")
    current_period_start: datetime | None = field(
        "When the latest billed period, or the trial, begins; null before the first one."
    )
    current_period_end: datetime | None = field(
        "When the latest billed period, or the trial, ends, which is when the next one begins; null before the first "
        "one."
    )
    trial_start: datetime | None = field("When the trial begins; null for a subscription without one.")
    trial_end: datetime | None = field(
        "When the trial ends and the first full period begins; null for a subscription without one."
    )
    next_billing_at: datetime | None = field(
        "When something is to be done next: the next period billed, or the subscription started or ended. Null for "
        "what has ended."
    )
    cancel_at_period_end: bool = field("Whether the subscription ends with its current period.")
    canceled_at: datetime | None = field("When the cancellation was asked for; null when none was.")
    ended_at: datetime | None = field("When the subscription ended; null for a live one.")
    version: int = field("Goes up by one with each change of the subscription, from 1.")
    created_at: datetime = field("When the subscription was created.")
    updated_at: datetime = field("When the subscription was last changed.")
    metadata: list[MetadataEntry] = metadata_field()

    @strawberry.field(
        description="The change that comes with the next period; null where none was asked for.",
        metadata={READS: {"pending_plan_id", "pending_quantity", "pending_since", "current_period_end"}},
    )
    def pending_change(self: Any) -> PendingChange | None:
        return None if self.pending_plan_id is None else self

    customer: LazyCustomer = edge(customers_by_id, "customer_id", "Who is billed.")
    plan: LazyPlan = edge(plans_by_id, "plan_id", "What is billed.")
    latest_invoice: LazyInvoice | None = edge(
        latest_invoices_by_subscription, "id", "The invoice that was made last; null before the first one."
    )
    upcoming_invoices: list[InvoicePreview] = upcoming_invoices_field()
    invoices: Connection[LazyInvoice] = connection(
        models.Invoice,
        parent="subscription_id",
        filter_by=InvoiceFilter,
        order_by=InvoiceOrder,
        description="The invoices of this subscription.",
    )
    pending_lines: list[PendingLine] = edge(
        pending_lines_by_subscription,
        "id",
        f"What waits for the next invoice, in the order it came; at most {limits.MAX_PENDING_LINES} lines.",
    )
    billing_hold: BillingHold | None = edge(
        billing_holds_by_subscription, "id", "Why it is not billed though it is due; null where nothing is wrong."
    )
    test_clock: LazyTestClock | None = edge(
        test_clocks_by_id,
        "test_clock_id",
        "The test clock in whose time it lives: the customer's. Null for one in the time of the world.",
    )


@strawberry.input(description="Which subscriptions. What is left out is no condition; an unknown id matches none.")
class SubscriptionFilter:
    customer_id: strawberry.ID | None = strawberry.field(default=None, description="Only those of this customer.")
    plan_id: strawberry.ID | None = strawberry.field(default=None, description="Only those to this plan.")
    status: list[SubscriptionStatus] | None = strawberry.field(
        default=None, description="Only those in one of these states."
    )
    created_at: DateTimeRange | None = strawberry.field(default=None, description="Only those created in this span.")
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only those in the time of this test clock."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *id_is("customer_id", self.customer_id),
            *id_is("plan_id", self.plan_id),
            *any_of("status", self.status),
            *within("created_at", self.created_at),
            *id_is("test_clock_id", self.test_clock_id),
        )


@strawberry.enum(description="What subscriptions are ordered by.")
class SubscriptionOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the subscription was created.")


@strawberry.input(description="An order of subscriptions.")
class SubscriptionOrder:
    field: SubscriptionOrderField = strawberry.field(
        default=SubscriptionOrderField.CREATED_AT, description="What to order by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")
