"""Mutations of plans."""

import strawberry
from strawberry import Maybe

from billing import limits
from billing.ids import PlanId
from billing.validation import UNCHANGED
from billing.words import PlanInterval
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, given, idempotency_key_field, made_plan, mutation, payload
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.common import MetadataEntryInput, metadata_input_field, metadata_of
from graph.schema.types.plans import Plan
from services import plans

*SHORTER, LONGEST = (f"{most} of {interval}" for interval, most in limits.MAX_INTERVAL_COUNT.items())


@strawberry.input(description=f"A new plan. By default it bills every {limits.PLAN_DAYS} days.")
class CreatePlanInput:
    code: str = strawberry.field(
        description=(
            f"The plan's unique code: 1 to {limits.MAX_PLAN_CODE} letters, digits, dots, dashes and underscores, a "
            "letter or digit first. Upper and lower case differ."
        )
    )
    name: str = strawberry.field(description=f"The name on invoices: 1 to {limits.MAX_NAME} characters.")
    description: str | None = strawberry.field(
        default=None, description=f"What the plan offers: at most {limits.MAX_PLAN_DESCRIPTION} characters."
    )
    amount_cents: Cents = strawberry.field(
        description="The price of one unit for one interval, in minor units of `currency`: 0, which is free, or more."
    )
    currency: Currency = strawberry.field(description="The currency of the price.")
    interval: PlanInterval = strawberry.field(
        default=PlanInterval.DAY,
        description=(
            "The unit of the interval that the price is for. Without this and `intervalCount`, a period is "
            f"{limits.PLAN_DAYS} days."
        ),
    )
    interval_count: int | None = strawberry.field(
        default=None,
        description=(
            f"How many of the unit make the interval: 1 to {', '.join(SHORTER)} or {LONGEST}. By default "
            f"{limits.PLAN_DAYS} of DAY, 1 of the others."
        ),
    )
    trial_days: int = strawberry.field(
        default=0,
        description=(
            f"Days of trial of a new subscription, 0 to {limits.MAX_TRIAL_DAYS}, once for each customer; 0 for none."
        ),
    )
    net_days: int | None = strawberry.field(
        default=None,
        description=(
            f"Days from the issue of an invoice to its due date, 0 to {limits.MAX_NET_DAYS}, where the customer has "
            f"none of their own: by default {limits.NET_DAYS}."
        ),
    )
    metadata: list[MetadataEntryInput] | None = metadata_input_field()
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(
    description="Changes of a plan. What is left out stays as it is; price, currency and interval do always."
)
class UpdatePlanInput:
    id: strawberry.ID = strawberry.field(description="The plan.")
    name: Maybe[str | None] = strawberry.field(
        description=f"The new name, for invoices from now on: 1 to {limits.MAX_NAME} characters; null is refused."
    )
    description: Maybe[str | None] = strawberry.field(
        description=f"The new description: at most {limits.MAX_PLAN_DESCRIPTION} characters; null for none."
    )
    trial_days: Maybe[int | None] = strawberry.field(
        description=f"Days of trial of new subscriptions, 0 to {limits.MAX_TRIAL_DAYS}; null for none."
    )
    net_days: Maybe[int | None] = strawberry.field(
        description=(
            f"Days from the issue of a new invoice to its due date, 0 to {limits.MAX_NET_DAYS}; null for "
            f"{limits.NET_DAYS}."
        )
    )
    metadata: Maybe[list[MetadataEntryInput] | None] = strawberry.field(
        description=(
            f"The new pairs, at most {limits.MAX_METADATA_PAIRS}, which take the place of all old ones; null for none."
        )
    )


@strawberry.input(description="A plan to archive.")
class ArchivePlanInput:
    id: strawberry.ID = strawberry.field(description="The plan.")


@strawberry.input(description="A plan to open again.")
class UnarchivePlanInput:
    id: strawberry.ID = strawberry.field(description="The plan.")


@payload
class CreatePlanPayload(Payload):
    plan: Plan | None = made_plan("The new plan.")


@payload
class UpdatePlanPayload(Payload):
    plan: Plan | None = made_plan("The plan as it is now.")


@payload
class ArchivePlanPayload(Payload):
    plan: Plan | None = made_plan("The plan as it is now.")


@payload
class UnarchivePlanPayload(Payload):
    plan: Plan | None = made_plan("The plan as it is now.")


@strawberry.type
class PlanMutations:
    @mutation("Stores a new plan.")
    async def create_plan(self, info: Info, input: CreatePlanInput) -> CreatePlanPayload:
        metadata = metadata_of(input.metadata)
        made = await info.context.once(
            input,
            lambda session: plans.create_plan(
                session,
                code=input.code,
                name=input.name,
                description=input.description,
                amount_cents=input.amount_cents,
                currency=input.currency,
                interval=input.interval,
                interval_count=input.interval_count,
                trial_days=input.trial_days,
                net_days=input.net_days,
                metadata=metadata,
                now=info.context.now(),
            ),
        )
        return CreatePlanPayload(made=made)

    @mutation("Changes what a plan is called, its trial and days to pay. What it costs never changes: make a new plan.")
    async def update_plan(self, info: Info, input: UpdatePlanInput) -> UpdatePlanPayload:
        metadata = given(input.metadata)
        made = await info.context.change(
            lambda session: plans.update_plan(
                session,
                plan_id=PlanId(parse_id(input.id)),
                name=given(input.name),
                description=given(input.description),
                trial_days=given(input.trial_days),
                net_days=given(input.net_days),
                metadata=UNCHANGED if metadata is UNCHANGED else metadata_of(metadata),
                now=info.context.now(),
            )
        )
        return UpdatePlanPayload(made=made)

    @mutation("Closes a plan to new subscriptions. The ones it has go on and are billed.")
    async def archive_plan(self, info: Info, input: ArchivePlanInput) -> ArchivePlanPayload:
        made = await info.context.change(
            lambda session: plans.archive_plan(session, plan_id=PlanId(parse_id(input.id)), now=info.context.now())
        )
        return ArchivePlanPayload(made=made)

    @mutation("Opens an archived plan to new subscriptions again.")
    async def unarchive_plan(self, info: Info, input: UnarchivePlanInput) -> UnarchivePlanPayload:
        made = await info.context.change(
            lambda session: plans.unarchive_plan(session, plan_id=PlanId(parse_id(input.id)), now=info.context.now())
        )
        return UnarchivePlanPayload(made=made)
