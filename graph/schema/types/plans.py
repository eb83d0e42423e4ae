"""Plans."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing import limits
from billing.enums import PlanInterval, TaxBehavior
from db import models
from db.queries.conditions import Condition
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
from graph.schema.types.taxes import TaxRate, behavior_field, plan_rates_field

describe(
    PlanInterval,
    "The unit of a plan's interval.",
    DAY="Days of exactly 24 hours.",
    WEEK="Weeks of exactly 7 × 24 hours.",
    MONTH="Calendar months: a period that begins on the 31st ends on the last day of a shorter month.",
    YEAR="Calendar years: a period that begins on Feb 29 ends on Feb 28 in a year that is not a leap year.",
)


@strawberry.type(
    description=(
        "A product that customers subscribe to, with a price per interval. Price, currency and interval never"
        " change: create a new plan for a new price."
    )
)
class Plan(Node):
    row: ClassVar = models.Plan

    code: str = field("The plan's unique code, for use in programs and URLs, such as `pro-monthly`.")
    name: str = field("The name on invoices.")
    description: str | None = field("Description of the plan, for people. Null if not set.")
    amount_cents: Cents = field("Price of one unit per interval, in minor units of `currency`. 0 if the plan is free.")
    currency: Currency = field("The currency of the price, and of every invoice of this plan.")
    interval: PlanInterval = field("The unit of the billing interval.")
    interval_count: int = field(
        "Number of units in the billing interval. For example, 30 with DAY bills every 30 days."
    )
    trial_days: int = field(
        "Length of the free trial in days, for customers who have not had a trial of this plan before. 0 if"
        " there is no trial."
    )
    net_days: int | None = field(
        "Payment terms: days from issue to due date of this plan's invoices, if the customer has no value. If"
        f" null, {limits.NET_DAYS} applies."
    )
    tax_behavior: TaxBehavior = behavior_field("The tax treatment of the price.")
    tax_rates: list[TaxRate] = plan_rates_field()
    archived_at: datetime | None = field(
        "When the plan was archived. Null if not archived. An archived plan accepts no new subscriptions;"
        " existing ones continue."
    )
    version: int = field("Version of the plan. Starts at 1 and increases by one with each change.")
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
            "The subscriptions to this plan, including canceled ones. Subscriptions on a test clock are omitted"
            " unless the filter names the test clock or the customer."
        ),
    )


@strawberry.input(description="Filter for plans. Omitted fields do not filter.")
class PlanFilter:
    archived: bool | None = strawberry.field(
        default=None, description="True for archived plans only, false for plans that are not archived."
    )
    currency: Currency | None = strawberry.field(default=None, description="Only plans in this currency.")
    interval: list[PlanInterval] | None = strawberry.field(
        default=None, description="Only plans with one of these interval units."
    )
    created_at: DateTimeRange | None = strawberry.field(default=None, description="Only plans created in this range.")

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *is_set("archived_at", self.archived),
            *in_currency(self.currency),
            *any_of("interval", self.interval),
            *within("created_at", self.created_at),
        )


@strawberry.enum(description="The field to sort plans by. Strings are compared by code point.")
class PlanOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the plan was created.")
    NAME = strawberry.enum_value("name", description="The name.")
    CODE = strawberry.enum_value("code", description="The code.")


@strawberry.input(description="Sort order of plans.")
class PlanOrder:
    field: PlanOrderField = strawberry.field(default=PlanOrderField.CREATED_AT, description="The field to sort by.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")
