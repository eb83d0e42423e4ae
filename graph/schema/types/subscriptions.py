"""Subscriptions, with their pending changes, pending lines and billing holds."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

import strawberry

from billing import changes, limits
from billing.enums import LineKind, SubscriptionStatus
from billing.ids import PlanId
from db import models
from db.queries.conditions import Condition
from db.queries.lookups import (
    billing_holds_by_subscription,
    customers_by_id,
    latest_invoices_by_subscription,
    lines_by_id,
    pending_lines_by_subscription,
    plans_by_id,
    test_clocks_by_id,
)
from graph.execution import READS
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents
from graph.schema.types.common import (
    DateTimeRange,
    MetadataEntry,
    MetadataEntryInput,
    Node,
    any_of,
    describe,
    field,
    field_of,
    has_metadata,
    id_is,
    is_held,
    metadata_field,
    metadata_filter_field,
    within,
)
from graph.schema.types.discounts import Discount, DiscountFilter, DiscountOrder
from graph.schema.types.invoices import InvoiceFilter, InvoiceLine, InvoiceOrder
from graph.schema.types.lazy import LazyCustomer, LazyInvoice, LazyPlan, LazyTestClock
from graph.schema.types.previews import InvoicePreview, upcoming_invoices_field

describe(
    SubscriptionStatus,
    "The status of a subscription. All statuses except CANCELED are live. A customer has at most one live"
    " subscription.",
    PENDING="It starts in the future. Nothing has been billed yet.",
    TRIALING="It is in its trial. The first billing period is billed when the trial ends.",
    ACTIVE="It is running and is billed for each period.",
    PAST_DUE=(
        "It is running and is billed, but has an overdue open invoice: the day of the invoice's `dueAt`, in"
        " UTC, has ended."
    ),
    CANCELED="It has ended permanently. Its open invoices are still owed.",
)


@strawberry.type(
    description=(
        "A change of plan or quantity that takes effect with the next period. It can be withdrawn until then. If"
        " the subscription ends with its current period, the change never takes effect."
    )
)
class PendingChange:
    quantity: int = field_of("pending_quantity", "Number of units after the change.")
    requested_at: datetime = field_of("pending_since", "When the change was requested.")
    effective_at: datetime = field_of(
        "current_period_end", "When the change takes effect: at the start of the next period."
    )

    plan: LazyPlan = edge(plans_by_id, "pending_plan_id", "The plan after the change. It may be the current plan.")


WITHDRAWN_CHANGE = "The pending change that this change replaced or withdrew. Null if there was none."


@dataclass(frozen=True, slots=True)
class WithdrawnChange:
    """The source of a `PendingChange` that was withdrawn. Its attributes have the names of a subscription's columns."""

    pending_plan_id: PlanId
    pending_quantity: int
    pending_since: datetime
    current_period_end: datetime

    @classmethod
    def of(cls, change: changes.PendingChange | None) -> Any:
        return change and cls(change.plan_id, change.quantity, change.requested_at, change.effective_at)


@strawberry.type(
    description=(
        "The reason why a due subscription is not billed: the last attempt failed. It is retried with increasing"
        " delays. A successful attempt removes the hold."
    )
)
class BillingHold:
    reason: str = field("Why the last attempt failed, for people.")
    since: datetime = field("When the first attempt failed.")
    retry_at: datetime = field("The earliest time of the next attempt.")
    attempts: int = field("Number of failed attempts so far, at least 1.")


@strawberry.type(
    description="A line that will be added to the subscription's next invoice. Its id stays the same on the invoice."
)
class PendingLine:
    id: strawberry.ID = field("The line's id: a UUID.")
    kind: LineKind = field("The kind of the line.")
    description: str = field("Description of the line, for people.")
    quantity: int = field("Number of units.")
    unit_amount_cents: Cents = field("The price of one unit for a whole period, in minor units of the plan's currency.")
    amount_cents: Cents = field("Amount of the line, in minor units of the plan's currency. Negative for a credit.")
    period_ordinal: int | None = field(
        "The number of the subscription's period that the line belongs to, counted from 0. Null if it belongs to none."
    )
    period_start: datetime = field("Start of the time range that the line covers.")
    period_end: datetime = field("End of the time range that the line covers, exclusive.")
    created_at: datetime = field("When the line became pending.")

    plan: LazyPlan | None = edge(plans_by_id, "plan_id", "The plan that is billed. Null if the line is for no plan.")
    reverses: InvoiceLine | None = edge(
        lines_by_id,
        "reverses_line_id",
        "The invoice line that this one credits, in whole or in part. Null if it is not a credit, or if it"
        " credits a line that is itself pending.",
    )


@strawberry.type(
    description=("A customer's subscription to a plan. It is billed in advance, with one invoice per period.")
)
class Subscription(Node):
    row: ClassVar = models.Subscription

    status: SubscriptionStatus = field("The status of the subscription.")
    quantity: int = field("Number of units billed. Each unit costs the plan's `amountCents`.")
    started_at: datetime | None = field(
        "When the subscription started, with its trial or its first period. Null if it has not started."
    )
    anchor_at: datetime = field(
        "The billing anchor. Periods begin a whole number of intervals before or after it, except a first period that"
        " is shorter than a whole one."
    )
    current_period_start: datetime | None = field(
        "Start of the latest billed period or trial. Null before the first one."
    )
    current_period_end: datetime | None = field(
        "End of the latest billed period or trial, which is the start of the next period. Null before the first one."
    )
    trial_start: datetime | None = field("Start of the trial. Null if the subscription has no trial.")
    trial_end: datetime | None = field(
        "End of the trial and start of the first billing period. Null if the subscription has no trial."
    )
    next_billing_at: datetime | None = field(
        "When the next action is due: the subscription starts, its next period is billed, or it ends. Null if it"
        " has ended."
    )
    cancel_at_period_end: bool = field("True if the subscription ends with its current period.")
    cancel_at: datetime | None = field(
        "The time given by `cancelSubscription(at:)`, at which the subscription ends or ended. Null otherwise."
    )
    canceled_at: datetime | None = field("When the cancellation was requested. Null if there is none.")
    ended_at: datetime | None = field("When the subscription ended. Null if it is live.")
    version: int = field("Version of the subscription. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the subscription was created.")
    updated_at: datetime = field("When the subscription was last changed.")
    metadata: list[MetadataEntry] = metadata_field()

    @strawberry.field(
        description="The change that takes effect with the next period. Null if there is none.",
        metadata={READS: {"pending_plan_id", "pending_quantity", "pending_since", "current_period_end"}},
    )
    def pending_change(self: Any) -> PendingChange | None:
        return None if self.pending_plan_id is None else self

    customer: LazyCustomer = edge(customers_by_id, "customer_id", "The customer who is billed.")
    plan: LazyPlan = edge(plans_by_id, "plan_id", "The plan that is billed.")
    latest_invoice: LazyInvoice | None = edge(
        latest_invoices_by_subscription, "id", "The most recent invoice. Null before the first one."
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
        f"The lines that will be added to the next invoice, oldest first. At most {limits.MAX_PENDING_LINES}.",
    )
    discounts: Connection[Discount] = connection(
        models.Discount,
        parent="subscription_id",
        filter_by=DiscountFilter,
        order_by=DiscountOrder,
        description=(
            "The discounts of this subscription, including used-up and removed ones. Those of the customer apply too:"
            " see `Customer.discounts`."
        ),
    )
    billing_hold: BillingHold | None = edge(
        billing_holds_by_subscription,
        "id",
        "The reason why the subscription is due but not billed. Null if there is none.",
    )
    test_clock: LazyTestClock | None = edge(
        test_clocks_by_id,
        "test_clock_id",
        "The customer's test clock. Null if the customer is in real time.",
    )


@strawberry.input(description=("Filter for subscriptions. Omitted fields do not filter; an unknown id matches none."))
class SubscriptionFilter:
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only subscriptions of this customer."
    )
    plan_id: strawberry.ID | None = strawberry.field(default=None, description="Only subscriptions to this plan.")
    status: list[SubscriptionStatus] | None = strawberry.field(
        default=None, description="Only subscriptions with one of these statuses."
    )
    created_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only subscriptions created in this range."
    )
    current_period_end: DateTimeRange | None = strawberry.field(
        default=None,
        description=(
            "Only subscriptions whose `currentPeriodEnd` is in this range. Omits PENDING subscriptions. For a CANCELED"
            " subscription, this is the end of its last period."
        ),
    )
    canceled_at: DateTimeRange | None = strawberry.field(
        default=None,
        description=(
            "Only subscriptions whose cancellation was requested in this range, whether it has taken effect or not."
        ),
    )
    trial_end: DateTimeRange | None = strawberry.field(
        default=None,
        description="Only subscriptions whose `trialEnd` is in this range. Omits subscriptions without a trial.",
    )
    on_hold: bool | None = strawberry.field(
        default=None,
        description="If true, only subscriptions with a `billingHold`. If false, only those without one.",
    )
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only subscriptions of customers on this test clock."
    )
    metadata: list[MetadataEntryInput] | None = metadata_filter_field("subscriptions")

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *id_is("customer_id", self.customer_id),
            *id_is("plan_id", self.plan_id),
            *any_of("status", self.status),
            *within("created_at", self.created_at),
            *within("current_period_end", self.current_period_end),
            *within("canceled_at", self.canceled_at),
            *within("trial_end", self.trial_end),
            *is_held(self.on_hold),
            *id_is("test_clock_id", self.test_clock_id),
            *has_metadata(self.metadata),
        )


@strawberry.enum(description="The field to sort subscriptions by.")
class SubscriptionOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the subscription was created.")


@strawberry.input(description="Sort order of subscriptions.")
class SubscriptionOrder:
    field: SubscriptionOrderField = strawberry.field(
        default=SubscriptionOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")
