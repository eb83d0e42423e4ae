"""Mutations of plans."""

import strawberry
from strawberry import Maybe

from billing import limits
from billing.enums import PlanInterval, TaxBehavior
from billing.ids import PlanId
from billing.validation import UNCHANGED
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, given, idempotency_key_field, made_plan, mutation, payload
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.common import MetadataEntryInput, metadata_input_field, metadata_of
from graph.schema.types.plans import Plan
from graph.schema.types.taxes import (
    given_tax_rate_ids,
    tax_behavior_input_field,
    tax_rate_ids_input_field,
    tax_rate_ids_of,
)
from services import plans

*SHORTER, LONGEST = (f"{most} of {interval}" for interval, most in limits.MAX_INTERVAL_COUNT.items())


@strawberry.input(description=f"A new plan. By default it bills every {limits.PLAN_DAYS} days.")
class CreatePlanInput:
    code: str = strawberry.field(
        description=(
            f"The plan's unique code: 1 to {limits.MAX_PLAN_CODE} letters, digits, dots, dashes and underscores,"
            " starting with a letter or digit. Case-sensitive."
        )
    )
    name: str = strawberry.field(description=f"The name on invoices: 1 to {limits.MAX_NAME} characters.")
    description: str | None = strawberry.field(
        default=None, description=f"Description of the plan: at most {limits.MAX_PLAN_DESCRIPTION} characters."
    )
    amount_cents: Cents = strawberry.field(
        description="Price of one unit per interval, in minor units of `currency`: 0 (free) or more."
    )
    currency: Currency = strawberry.field(description="The currency of the price.")
    interval: PlanInterval = strawberry.field(
        default=PlanInterval.DAY,
        description=(
            "The unit of the billing interval. If this and `intervalCount` are omitted, the interval is"
            f" {limits.PLAN_DAYS} days."
        ),
    )
    interval_count: int | None = strawberry.field(
        default=None,
        description=(
            f"Number of units in the billing interval, at least 1 and at most {', '.join(SHORTER)} or {LONGEST}."
            f" Defaults to {limits.PLAN_DAYS} for DAY and to 1 for the other units."
        ),
    )
    trial_days: int = strawberry.field(
        default=0,
        description=(
            f"Length of the trial of new subscriptions in days, 0 to {limits.MAX_TRIAL_DAYS}; 0 for no trial."
            " Each customer gets one trial of the plan."
        ),
    )
    net_days: int | None = strawberry.field(
        default=None,
        description=(
            f"Payment terms: days from issue to due date of the plan's invoices, 0 to {limits.MAX_NET_DAYS}, if"
            f" the customer has no value. Defaults to {limits.NET_DAYS}."
        ),
    )
    tax_behavior: TaxBehavior = tax_behavior_input_field("The tax treatment of the price. It never changes.")
    tax_rate_ids: list[strawberry.ID] = tax_rate_ids_input_field("for the lines of this plan")
    metadata: list[MetadataEntryInput] | None = metadata_input_field()
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(
    description="Changes to a plan. Omitted fields stay unchanged. Price, currency and interval can never change."
)
class UpdatePlanInput:
    id: strawberry.ID = strawberry.field(description="The plan.")
    name: Maybe[str | None] = strawberry.field(
        description=f"The new name, for future invoices: 1 to {limits.MAX_NAME} characters. Null is rejected."
    )
    description: Maybe[str | None] = strawberry.field(
        description=f"The new description: at most {limits.MAX_PLAN_DESCRIPTION} characters. Null removes it."
    )
    trial_days: Maybe[int | None] = strawberry.field(
        description=(
            f"Length of the trial of new subscriptions in days, 0 to {limits.MAX_TRIAL_DAYS}. 0 or null for no trial."
        )
    )
    net_days: Maybe[int | None] = strawberry.field(
        description=(
            f"Payment terms of new invoices: days from issue to due date, 0 to {limits.MAX_NET_DAYS}. With null,"
            f" {limits.NET_DAYS} applies."
        )
    )
    tax_rate_ids: Maybe[list[strawberry.ID] | None] = strawberry.field(
        description=(
            f"Tax rates for future lines of this plan: at most {limits.MAX_TAX_RATES_OF_A_LINE}, at most one of them a"
            " VAT. They replace all others. Null removes all."
        )
    )
    metadata: Maybe[list[MetadataEntryInput] | None] = strawberry.field(
        description=(
            f"The new metadata, at most {limits.MAX_METADATA_PAIRS} pairs. It replaces all existing pairs. Null"
            " removes all."
        )
    )


@strawberry.input(description="The plan to archive.")
class ArchivePlanInput:
    id: strawberry.ID = strawberry.field(description="The plan.")


@strawberry.input(description="The plan to unarchive.")
class UnarchivePlanInput:
    id: strawberry.ID = strawberry.field(description="The plan.")


@payload
class CreatePlanPayload(Payload):
    plan: Plan | None = made_plan("The new plan.")


@payload
class UpdatePlanPayload(Payload):
    plan: Plan | None = made_plan("The updated plan.")


@payload
class ArchivePlanPayload(Payload):
    plan: Plan | None = made_plan("The updated plan.")


@payload
class UnarchivePlanPayload(Payload):
    plan: Plan | None = made_plan("The updated plan.")


@strawberry.type
class PlanMutations:
    @mutation("Creates a plan.")
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
                tax_behavior=input.tax_behavior,
                tax_rate_ids=tax_rate_ids_of(input.tax_rate_ids),
                metadata=metadata,
                now=info.context.now(),
            ),
        )
        return CreatePlanPayload(made=made)

    @mutation(
        "Updates a plan's name, description, trial, payment terms, tax rates and metadata. Its price, currency and"
        " interval never change: create a new plan instead."
    )
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
                tax_rate_ids=given_tax_rate_ids(input.tax_rate_ids),
                metadata=UNCHANGED if metadata is UNCHANGED else metadata_of(metadata),
                now=info.context.now(),
            )
        )
        return UpdatePlanPayload(made=made)

    @mutation(
        "Archives a plan, so that it accepts no new subscriptions. Existing subscriptions continue and are billed."
    )
    async def archive_plan(self, info: Info, input: ArchivePlanInput) -> ArchivePlanPayload:
        made = await info.context.change(
            lambda session: plans.archive_plan(session, plan_id=PlanId(parse_id(input.id)), now=info.context.now())
        )
        return ArchivePlanPayload(made=made)

    @mutation("Unarchives a plan, so that it accepts new subscriptions again.")
    async def unarchive_plan(self, info: Info, input: UnarchivePlanInput) -> UnarchivePlanPayload:
        made = await info.context.change(
            lambda session: plans.unarchive_plan(session, plan_id=PlanId(parse_id(input.id)), now=info.context.now())
        )
        return UnarchivePlanPayload(made=made)
