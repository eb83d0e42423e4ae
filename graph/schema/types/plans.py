"""Plans."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing import limits
from billing.words import PlanInterval
from db import models
from db.queries.pages import Condition
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import (
    DateTimeRange,
    MetadataEntry,
    Node,
    any_of,
    describe,
    field,
    in_currency,
    is_set,
    metadata_field,
    within,
)
from graph.schema.types.lazy import LazySubscription
from graph.schema.types.subscriptions import SubscriptionFilter, SubscriptionOrder

describe(
    PlanInterval,
    "The unit of a plan's interval.",
    DAY="Days of exactly 24 hours.",
    WEEK="Weeks of exactly 7 × 24 hours.",
    MONTH="Calendar months: a period that begins on the 31st ends on the last day of a shorter month.",
    YEAR="Calendar years: one that begins on Feb 29 ends on Feb 28 of a common year.",
)


@strawberry.type(
    description=(
        "What can be subscribed to: a price for each interval. Price, currency and interval never change; a new price "
        "is a new plan."
    )
)
class Plan(Node):
    row: ClassVar = models.Plan

    code: str = field("The plan's unique code, for programs and addresses, such as `pro-monthly`.")
    name: str = field("The name on invoices.")
    description: str | None = field("What the plan offers, for people; null for nothing said.")
    amount_cents: Cents = field("The price of one unit for one interval, in minor units of `currency`. 0 is free.")
    currency: Currency = field("The currency of the price, and of every invoice of this plan.")
    interval: PlanInterval = field("The unit of the interval that the price is for.")
    interval_count: int = field("How many of the unit make the interval: 30 of DAY are a period of 30 days.")
    trial_days: int = field(
        "Days of trial, which cost nothing, before the first period of a customer who never had one of this plan; 0 "
        "for none."
    )
    net_days: int | None = field(
        "Days from the issue of an invoice of this plan to its due date, where the customer has none of their own. "
        f"Null: {limits.NET_DAYS}."
    )
    archived_at: datetime | None = field(
        "When the plan was closed to new subscriptions; null for an open one. The subscriptions it has go on."
    )
    version: int = field("Goes up by one with each change of the plan, from 1.")
    created_at: datetime = field("When the plan was created.")
    updated_at: datetime = field("When the plan was last changed.")
    metadata: list[MetadataEntry] = metadata_field()

    subscriptions: Connection[LazySubscription] = connection(
        models.Subscription,
        parent="plan_id",
        filter_by=SubscriptionFilter,
        order_by=SubscriptionOrder,
        without_test_clocks=True,
        description=(
            "The subscriptions to this plan, past ones too. Those in the time of a test clock are left out, unless the "
            "filter names the test clock or the customer."
        ),
    )


@strawberry.input(description="Which plans. What is left out is no condition.")
class PlanFilter:
    archived: bool | None = strawberry.field(
        default=None, description="True: only archived plans; false: only open ones."
    )
    currency: Currency | None = strawberry.field(default=None, description="Only plans in this currency.")
    interval: list[PlanInterval] | None = strawberry.field(
        default=None, description="Only plans with one of these units."
    )
    created_at: DateTimeRange | None = strawberry.field(default=None, description="Only plans created in this span.")

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *is_set("archived_at", self.archived),
            *in_currency(self.currency),
            *any_of("interval", self.interval),
            *within("created_at", self.created_at),
        )


@strawberry.enum(description="What plans are ordered by. Texts go by code point.")
class PlanOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the plan was created.")
    NAME = strawberry.enum_value("name", description="The name.")
    CODE = strawberry.enum_value("code", description="The code.")


@strawberry.input(description="An order of plans.")
class PlanOrder:
    field: PlanOrderField = strawberry.field(default=PlanOrderField.CREATED_AT, description="What to order by.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")
