"""The schema, and how it is written down."""

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
from graph.schema.mutations.customers import CustomerMutations
from graph.schema.mutations.invoices import InvoiceMutations
from graph.schema.mutations.payments import PaymentMutations
from graph.schema.mutations.plans import PlanMutations
from graph.schema.mutations.subscriptions import SubscriptionMutations
from graph.schema.mutations.test_clocks import TestClockMutations
from graph.schema.queries.root import Query


@strawberry.type(
    description=("All mutations. Each one is a transaction: it is applied completely, or not at all if it is rejected.")
)
class Mutation(
    CustomerMutations,
    PlanMutations,
    SubscriptionMutations,
    InvoiceMutations,
    PaymentMutations,
    TestClockMutations,
    AccessMutations,
):
    pass


def drop_null_defaults(schema: GraphQLSchema) -> None:
    """Leaves `= null` out of the schema: an input that may be left out says so by being nullable."""
    for type_ in schema.type_map.values():
        inputs: list[GraphQLArgument | GraphQLInputField] = []
        if isinstance(type_, GraphQLInputObjectType):
            inputs.extend(type_.fields.values())
        elif isinstance(type_, GraphQLObjectType):
            inputs.extend(argument for field in type_.fields.values() for argument in field.args.values())
        for input_ in inputs:
            if input_.default_value is None:
                input_.default_value = Undefined


class KeptNames(NameConverter):
    """Makes each name once: it is asked for those of all members of an input, in each request."""

    @cache  # noqa: B019 - one for the whole program, and the names of a schema
    def apply_naming_config(self, name: str) -> str:
        return super().apply_naming_config(name)


config = StrawberryConfig(scalar_map=SCALARS, name_converter=KeptNames())
schema = Schema(query=Query, mutation=Mutation, config=config)
core_schema: GraphQLSchema = schema._schema  # noqa: SLF001 - the schema as graphql-core has it
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
    """The schema in the schema definition language, as `schema.graphql` has it.

    It names its root types always: a reader of a document that does not would take the domain's `Subscription` for
    the root of GraphQL subscriptions, of which there are none.
    """
    roots = f'"""\n{core_schema.description}\n"""\nschema {{\n  query: Query\n  mutation: Mutation\n}}'
    return f"{roots}\n\n{schema.as_str().strip()}\n"
