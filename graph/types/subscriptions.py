"""Subscriptions."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from db import models
from db.queries.lookups import customers_by_id, latest_invoices_by_subscription, plans_by_id
from db.queries.pages import Condition
from db.values import SubscriptionStatus
from graph.connections import Connection, OrderDirection, connection
from graph.edges import edge
from graph.types.common import (
    DateTimeRange,
    LazyCustomer,
    LazyInvoice,
    LazyPlan,
    MetadataEntry,
    Node,
    any_of,
    describe,
    field,
    id_is,
    metadata_field,
    within,
)
from graph.types.invoices import InvoiceFilter, InvoiceOrder

describe(
    SubscriptionStatus,
    "Where a subscription stands. All but CANCELED are live; a customer has at most one live subscription.",
    PENDING="It starts in the future; nothing is billed yet.",
    TRIALING="It is in its trial; the first full period is billed when the trial ends.",
    ACTIVE="It runs and is billed for each period.",
    PAST_DUE="It runs and is billed, and an open invoice of it is past its due date.",
    CANCELED="It has ended, for good. Its open invoices are still owed.",
)


@strawberry.type(description="A customer on a plan. It is billed in advance, one invoice for each period.")
class Subscription(Node):
    row: ClassVar = models.Subscription

    status: SubscriptionStatus = field("Where the subscription stands.")
    quantity: int = field("How many units of the plan are billed: each costs the plan's `amountCents`.")
    started_at: datetime | None = field("When the first period began; null before it does.")
    anchor_at: datetime = field("The instant that periods are counted from: each begins so many intervals after it.")
    current_period_start: datetime | None = field("When the latest billed period begins; null before the first one.")
    current_period_end: datetime | None = field(
        "When the latest billed period ends, which is when the next one begins; null before the first one."
    )
    next_billing_at: datetime | None = field("When the next period is to be billed; null for what has ended.")
    cancel_at_period_end: bool = field("Whether the subscription ends with its current period.")
    canceled_at: datetime | None = field("When the cancellation was asked for; null when none was.")
    ended_at: datetime | None = field("When the subscription ended; null for a live one.")
    version: int = field("Goes up by one with each change of the subscription, from 1.")
    created_at: datetime = field("When the subscription was created.")
    updated_at: datetime = field("When the subscription was last changed.")
    metadata: list[MetadataEntry] = metadata_field()

    customer: LazyCustomer = edge(customers_by_id, "customer_id", "Who is billed.")
    plan: LazyPlan = edge(plans_by_id, "plan_id", "What is billed.")
    latest_invoice: LazyInvoice | None = edge(
        latest_invoices_by_subscription, "id", "The invoice that was made last; null before the first one."
    )
    invoices: Connection[LazyInvoice] = connection(
        models.Invoice,
        parent="subscription_id",
        filter_by=InvoiceFilter,
        order_by=InvoiceOrder,
        description="The invoices of this subscription.",
    )


@strawberry.input(description="Which subscriptions. What is left out is no condition; an unknown id matches none.")
class SubscriptionFilter:
    customer_id: strawberry.ID | None = strawberry.field(default=None, description="Only those of this customer.")
    plan_id: strawberry.ID | None = strawberry.field(default=None, description="Only those to this plan.")
    status: list[SubscriptionStatus] | None = strawberry.field(
        default=None, description="Only those in one of these states."
    )
    created_at: DateTimeRange | None = strawberry.field(default=None, description="Only those created in this span.")

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *id_is("customer_id", self.customer_id),
            *id_is("plan_id", self.plan_id),
            *any_of("status", self.status),
            *within("created_at", self.created_at),
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
