"""The schema and its SDL."""

from functools import cache

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
)
from strawberry import Schema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter

from graph.schema.declarations import declare
from graph.schema.fields.scalars import SCALARS
from graph.schema.mutations.access import AccessMutations
from graph.schema.mutations.corrections import CorrectionMutations
from graph.schema.mutations.customers import CustomerMutations
from graph.schema.mutations.demo import DemoMutations
from graph.schema.mutations.discounts import DiscountMutations
from graph.schema.mutations.invoices import InvoiceMutations
from graph.schema.mutations.moving import MovingMutations
from graph.schema.mutations.payments import PaymentMutations
from graph.schema.mutations.plans import PlanMutations
from graph.schema.mutations.subscriptions import SubscriptionMutations
from graph.schema.mutations.taxes import TaxMutations
from graph.schema.mutations.test_clocks import TestClockMutations
from graph.schema.mutations.webhooks import WebhookMutations
from graph.schema.queries.root import Query
from graph.schema.types.events import EventStream


@strawberry.type(
    description=(
        "All mutations. Each one is a transaction: it is applied completely, or not at all if it is rejected. Only"
        " `advanceTestClock` may continue in the background."
    )
)
class Mutation(
    CustomerMutations,
    PlanMutations,
    SubscriptionMutations,
    MovingMutations,
    InvoiceMutations,
    PaymentMutations,
    CorrectionMutations,
    TaxMutations,
    DiscountMutations,
    TestClockMutations,
    AccessMutations,
    WebhookMutations,
    DemoMutations,
):
    pass


def drop_null_defaults(schema: GraphQLSchema) -> None:
    """Removes `= null` defaults from the schema: an input that is nullable can be omitted anyway."""
    for type_ in schema.type_map.values():
        inputs: list[GraphQLArgument | GraphQLInputField] = []
        if isinstance(type_, GraphQLInputObjectType):
            inputs.extend(type_.fields.values())
        elif isinstance(type_, GraphQLObjectType):
            inputs.extend(argument for field in type_.fields.values() for argument in field.args.values())
        for input_ in inputs:
            if input_.default_value is None:
                input_.default_value = Undefined


class CachedNameConverter(NameConverter):
    """Caches the names: Strawberry converts the names of all fields of an input in every request."""

    @cache  # noqa: B019 - a single instance, and only the names of one schema
    def apply_naming_config(self, name: str) -> str:
        return super().apply_naming_config(name)


config = StrawberryConfig(scalar_map=SCALARS, name_converter=CachedNameConverter())
schema = Schema(query=Query, mutation=Mutation, subscription=EventStream, config=config)
core_schema: GraphQLSchema = schema._schema  # noqa: SLF001 - the graphql-core schema
core_schema.description = (
    "Subscription billing: customers, plans, subscriptions, invoices, payments and balances.\n\n"
    "Amounts are integers in minor units: `amountCents: 2900` in EUR is 29.00 EUR. Times are in UTC. Lists are"
    " connections: page through them with `first` and `after`.\n\n"
    "A rejected mutation stores nothing and returns the reasons in `userErrors`. A retry with the same"
    " `idempotencyKey` does not repeat a mutation."
)
drop_null_defaults(core_schema)
declare(schema)


def sdl() -> str:
    """Returns the schema in the schema definition language, as stored in `schema.graphql`.

    It always lists the root types. Otherwise, tools would take the domain type `Subscription` for the root type of
    GraphQL subscriptions, which is `EventStream`.
    """
    text = schema.as_str().strip()
    assert text.startswith("schema {"), "a root type has not its usual name"
    return f'"""\n{core_schema.description}\n"""\n{text}\n'
