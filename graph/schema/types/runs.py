"""Test clocks, and the runs that bill what is due."""

from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing.words import RunTrigger, TestClockStatus
from db import models
from db.queries.pages import Condition
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.paging import OrderDirection
from graph.schema.types.common import DateTimeRange, Node, any_of, describe, field, field_of, within
from graph.schema.types.customers import CustomerFilter, CustomerOrder
from graph.schema.types.lazy import LazyCustomer

describe(
    TestClockStatus,
    "What a test clock does.",
    READY="It stands still at `frozenAt`.",
    ADVANCING=(
        "It is on its way to `targetAt`: what is due on the way is being billed. Until it is READY, what would change "
        "its customers is refused with TEST_CLOCK_ADVANCING."
    ),
)
describe(
    RunTrigger,
    "What started a run.",
    SERVER="The server, which looks by itself for what is due.",
    COMMAND="The command `billing renew`.",
    TEST_CLOCK="A test clock that was moved forward.",
)


@strawberry.type(
    description=(
        "A time that stands still until it is moved forward, for trying out what happens over months. Customers that "
        "are created on it live in its time, with all that is theirs."
    )
)
class TestClock(Node):
    __test__: ClassVar = False

    row: ClassVar = models.TestClock

    name: str | None = field("What the clock is for; null for nothing said.")
    status: TestClockStatus = field("Whether it stands still or is on its way.")
    frozen_at: datetime = field("The time it stands at; while it advances, the time that it started from.")
    target_at: datetime | None = field("The time it is on its way to; null for one that stands still.")
    version: int = field("Goes up by one with each change of the clock, from 1.")
    created_at: datetime = field("When the clock was created, in the time of the world.")
    updated_at: datetime = field("When the clock was last changed, in the time of the world.")

    customers: Connection[LazyCustomer] = connection(
        models.Customer,
        parent="test_clock_id",
        filter_by=CustomerFilter,
        order_by=CustomerOrder,
        description="The customers that live in its time.",
    )


@strawberry.input(description="Which test clocks. What is left out is no condition.")
class TestClockFilter:
    __test__: ClassVar = False

    status: list[TestClockStatus] | None = strawberry.field(
        default=None, description="Only those in one of these states."
    )
    created_at: DateTimeRange | None = strawberry.field(default=None, description="Only those created in this span.")

    def conditions(self) -> tuple[Condition, ...]:
        return (*any_of("status", self.status), *within("created_at", self.created_at))


@strawberry.enum(description="What test clocks are ordered by.")
class TestClockOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the clock was created.")


@strawberry.input(description="An order of test clocks.")
class TestClockOrder:
    __test__: ClassVar = False

    field: TestClockOrderField = strawberry.field(
        default=TestClockOrderField.CREATED_AT, description="What to order by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Which way.")


@strawberry.type(
    description=(
        "A search for everything that is due, and what was done about it. Kept where something was found to do, or "
        "where the run was asked for."
    )
)
class BillingRun:
    id: strawberry.ID = field("The run's id: a UUID.")
    trigger: RunTrigger = field("What started it.")
    as_of: datetime = field("The instant that it worked for: what was due by then. Its invoices are issued then.")
    started_at: datetime = field_of("created_at", "When it started.")
    finished_at: datetime | None = field("When it ended; null while it is going on, or where it was cut off.")
    renewed: int = field("How many subscriptions it brought forward: periods billed, trials ended, ends reached.")
    failed: int = field("How many subscriptions could not be billed: their `billingHold` says why.")
    invoices: int = field("How many invoices it made.")
    past_due: int = field("How many subscriptions became PAST_DUE.")
    milliseconds: int | None = field("How long it took, in thousandths of a second; null where it has not ended.")


@strawberry.input(description="Which runs. What is left out is no condition.")
class BillingRunFilter:
    trigger: list[RunTrigger] | None = strawberry.field(default=None, description="Only those started by one of these.")
    started_at: DateTimeRange | None = strawberry.field(default=None, description="Only those started in this span.")

    def conditions(self) -> tuple[Condition, ...]:
        return (*any_of("trigger", self.trigger), *within("created_at", self.started_at))


@strawberry.enum(description="What runs are ordered by.")
class BillingRunOrderField(Enum):
    STARTED_AT = strawberry.enum_value("created_at", description="When the run started.")


@strawberry.input(description="An order of runs.")
class BillingRunOrder:
    field: BillingRunOrderField = strawberry.field(
        default=BillingRunOrderField.STARTED_AT, description="What to order by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.DESC, description="Which way.")
