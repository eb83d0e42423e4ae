"""Mutations of test clocks."""

from datetime import datetime

import strawberry

from billing import limits
from billing.ids import TestClockId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, idempotency_key_field, made_test_clock, mutation, payload
from graph.schema.fields.scalars import parse_id
from graph.schema.types.runs import TestClock
from services import test_clocks
from services.clock_runs import try_to_advance

ADVANCE_SECONDS = 5


@strawberry.input(description="A new test clock.")
class CreateTestClockInput:
    name: str | None = strawberry.field(default=None, description=f"Name: at most {limits.MAX_NAME} characters.")
    frozen_at: datetime | None = strawberry.field(
        default=None,
        description=(f"The initial time of the clock, within {limits.MAX_YEARS_AHEAD} years of now. Defaults to now."),
    )
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The test clock to advance.")
class AdvanceTestClockInput:
    id: strawberry.ID = strawberry.field(description="The test clock. Must be READY.")
    to: datetime = strawberry.field(
        description=(
            f"The time to advance to: later than the clock's current time, and within {limits.MAX_YEARS_AHEAD}"
            " years of now."
        )
    )
    idempotency_key: str | None = idempotency_key_field()


@payload
class CreateTestClockPayload(Payload):
    test_clock: TestClock | None = made_test_clock("The new test clock.")


@payload
class AdvanceTestClockPayload(Payload):
    test_clock: TestClock | None = made_test_clock(
        (
            "The test clock. It is READY at the new time, or still ADVANCING if billing takes longer than"
            f" {ADVANCE_SECONDS} seconds. The server then continues in the background: repeat the mutation or poll"
            " the clock."
        ),
    )


@strawberry.type
class TestClockMutations:
    __test__ = False

    @mutation("Creates a test clock. Only customers that are created on the clock are in its time.")
    async def create_test_clock(self, info: Info, input: CreateTestClockInput) -> CreateTestClockPayload:
        made = await info.context.once(
            input,
            lambda session: test_clocks.create_test_clock(
                session, name=input.name, frozen_at=input.frozen_at, now=info.context.now()
            ),
        )
        return CreateTestClockPayload(made=made)

    @mutation("Advances a test clock and processes everything that becomes due for its customers on the way, in order.")
    async def advance_test_clock(self, info: Info, input: AdvanceTestClockInput) -> AdvanceTestClockPayload:
        made = await info.context.once(
            input,
            lambda session: test_clocks.start_advancing(
                session,
                test_clock_id=TestClockId(parse_id(input.id)),
                to=input.to,
                now=info.context.now(),
            ),
        )
        assert made.test_clock_id is not None, "an advancing clock has an id"
        await try_to_advance(info.context.database, made.test_clock_id, now=info.context.now(), seconds=ADVANCE_SECONDS)
        return AdvanceTestClockPayload(made=made)
