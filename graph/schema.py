"""The schema, and how it is written down."""

from collections.abc import Iterator
from typing import Any

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLError,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema import Schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from graph.documents import Document
from graph.limits import limit_error
from graph.mutations.access import AccessMutations
from graph.mutations.customers import CustomerMutations
from graph.mutations.invoices import InvoiceMutations
from graph.mutations.payments import PaymentMutations
from graph.mutations.plans import PlanMutations
from graph.mutations.subscriptions import SubscriptionMutations
from graph.mutations.test_clocks import TestClockMutations
from graph.query import Query
from graph.scalars import SCALARS


@strawberry.type(description="All changes. Each is one transaction: it happens as a whole or, refused, not at all.")
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


class ReadDocuments(SchemaExtension):
    """Takes documents, and what is wrong with them, from where each is read once; and refuses what is too large."""

    _document: Document

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        self._document = context.context.documents.of(context.query)
        if self._document.node is None:
            raise self._document.errors[0]
        context.graphql_document = self._document.node
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        context.pre_execution_errors = [*self._document.errors] or self._operation_errors()
        yield

    def _operation_errors(self) -> list[GraphQLError]:
        """What is wrong with the operation that is asked for, of a document that is valid."""
        context = self.execution_context
        name = context._provided_operation_name  # noqa: SLF001
        # Strawberry would run the first one: https://spec.graphql.org/draft/#GetOperation()
        if self._document.operations > 1 and name is None:
            return [GraphQLError("The document has several operations: name one in `operationName`.")]
        assert self._document.measured is not None, "what was parsed is measured"
        nodes, values = self._document.measured.asked_by(name, context.variables or {})
        limits = context.context.documents.limits
        context.context.nodes = nodes
        return [
            limit_error(
                f"The operation {does} {asked} {what}; at most {limit} are allowed. Ask for less at once.",
                None,
                code="COST_LIMIT",
                asked=asked,
                limit=limit,
            )
            for does, what, asked, limit in (
                ("could give", "objects", nodes, limits.nodes),
                ("would read", "values of large arguments", values, limits.values),
            )
            if asked > limit
        ]


class BillingSchema(Schema):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        drop_null_defaults(self._schema)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Logs nothing here: `graph.errors.formatted` logs what is not the client's own mistake."""


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


schema = BillingSchema(
    query=Query,
    mutation=Mutation,
    config=StrawberryConfig(scalar_map=SCALARS),
    extensions=[ReadDocuments],
)


def sdl() -> str:
    """The schema in the schema definition language, as `schema.graphql` has it.

    It names its root types always: a reader of a document that does not would take the domain's `Subscription` for
    the root of GraphQL subscriptions, of which there are none.
    """
    return f"schema {{\n  query: Query\n  mutation: Mutation\n}}\n\n{schema.as_str().strip()}\n"
