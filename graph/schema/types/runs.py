"""Test clocks and billing runs."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing.enums import RunTrigger, TestClockStatus
from db import models
from db.queries.conditions import Condition
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.paging import OrderDirection
from graph.schema.types.common import DateTimeRange, Node, any_of, describe, field, field_of, within
from graph.schema.types.customers import CustomerFilter, CustomerOrder
from graph.schema.types.lazy import LazyCustomer

describe(
    TestClockStatus,
    "The status of a test clock.",
    READY="It is stopped at `frozenAt`.",
    ADVANCING=(
        "It is advancing to `targetAt`, and everything due on the way is being billed. Until it is READY,"
        " mutations of its customers are rejected with TEST_CLOCK_ADVANCING."
    ),
)
describe(
    RunTrigger,
    "The trigger of a billing run.",
    SERVER="The server's automatic renewals.",
    COMMAND="The command `billing renew`.",
    TEST_CLOCK="A test clock that was advanced.",
)


@strawberry.type(
    description=(
        "A simulated clock for testing billing over time. Its time changes only when you advance it. Customers"
        " that are created on it, and all of their objects, are in its time."
    )
)
class TestClock(Node):
    __test__: ClassVar = False

    row: ClassVar = models.TestClock

    name: str | None = field("Name of the clock. Null if not set.")
    status: TestClockStatus = field("The status of the clock.")
    frozen_at: datetime = field("The current time of the clock. While the clock advances, the time it started from.")
    target_at: datetime | None = field("The time that the clock is advancing to. Null if it is not advancing.")
    version: int = field("Version of the clock. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the clock was created, in real time.")
    updated_at: datetime = field("When the clock was last changed, in real time.")

    customers: Connection[LazyCustomer] = connection(
        models.Customer,
        parent="test_clock_id",
        filter_by=CustomerFilter,
        order_by=CustomerOrder,
        description="The customers on this test clock.",
    )


@strawberry.input(description="Filter for test clocks. Omitted fields do not filter.")
class TestClockFilter:
    __test__: ClassVar = False

    status: list[TestClockStatus] | None = strawberry.field(
        default=None, description="Only test clocks with one of these statuses."
    )
    created_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only test clocks created in this range."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return (*any_of("status", self.status), *within("created_at", self.created_at))


@strawberry.enum(description="The field to sort test clocks by.")
class TestClockOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the clock was created.")


@strawberry.input(description="Sort order of test clocks.")
class TestClockOrder:
    __test__: ClassVar = False

    field: TestClockOrderField = strawberry.field(
        default=TestClockOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")


@strawberry.type(
    description=(
        "A run that bills everything that is due. It is recorded only if there was something to do, or if the"
        " run was requested explicitly."
    )
)
class BillingRun:
    id: strawberry.ID = field("The run's id: a UUID.")
    trigger: RunTrigger = field("The trigger of the run.")
    as_of: datetime = field("The run billed what was due by this time. Its invoices are issued as of this time.")
    started_at: datetime = field_of("created_at", "When it started.")
    finished_at: datetime | None = field("When it finished. Null while it is running, or if it was interrupted.")
    renewed: int = field("Number of subscriptions that started, left their trial, moved to the next period, or ended.")
    failed: int = field("Number of subscriptions that could not be billed. See their `billingHold` for the reason.")
    invoices: int = field("Number of invoices created.")
    past_due: int = field("Number of subscriptions that became PAST_DUE.")
    milliseconds: int | None = field("Duration in milliseconds. Null if it has not finished.")


@strawberry.input(description="Filter for billing runs. Omitted fields do not filter.")
class BillingRunFilter:
    trigger: list[RunTrigger] | None = strawberry.field(
        default=None, description="Only runs with one of these triggers."
    )
    started_at: DateTimeRange | None = strawberry.field(default=None, description="Only runs started in this range.")

    def conditions(self) -> tuple[Condition, ...]:
        return (*any_of("trigger", self.trigger), *within("created_at", self.started_at))


@strawberry.enum(description="The field to sort billing runs by.")
class BillingRunOrderField(Enum):
    STARTED_AT = strawberry.enum_value("created_at", description="When the run started.")


@strawberry.input(description="Sort order of billing runs.")
class BillingRunOrder:
    field: BillingRunOrderField = strawberry.field(
        default=BillingRunOrderField.STARTED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.DESC, description="The sort direction.")
