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
    OperationDefinitionNode,
    StringValueNode,
    Undefined,
    ValidationRule,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema import Schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from graph.mutations.customers import CustomerMutations
from graph.mutations.invoices import InvoiceMutations
from graph.mutations.payments import PaymentMutations
from graph.mutations.plans import PlanMutations
from graph.mutations.subscriptions import SubscriptionMutations
from graph.mutations.test_clocks import TestClockMutations
from graph.query import Query
from graph.scalars import SCALARS, UNSTORABLE_TEXT, is_storable


@strawberry.type(description="All changes. Each is one transaction: it happens as a whole or, refused, not at all.")
class Mutation(
    CustomerMutations, PlanMutations, SubscriptionMutations, InvoiceMutations, PaymentMutations, TestClockMutations
):
    pass


class StorableTexts(ValidationRule):
    """Refuses a string in the document that PostgreSQL cannot keep: escapes can spell a NUL character."""

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        if not is_storable(node.value):
            self.report_error(GraphQLError(UNSTORABLE_TEXT, node, extensions={"code": "BAD_USER_INPUT"}))


class RequestRules(SchemaExtension):
    """What a request has to keep to beyond the standard rules of validation."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        context.validation_rules = (*context.validation_rules, StorableTexts)
        operations = [
            node
            for node in (context.graphql_document.definitions if context.graphql_document else ())
            if isinstance(node, OperationDefinitionNode)
        ]
        # Strawberry would run the first one: https://spec.graphql.org/draft/#GetOperation()
        if len(operations) > 1 and context._provided_operation_name is None:  # noqa: SLF001
            context.pre_execution_errors = [
                GraphQLError("The document has several operations: name one in `operationName`.")
            ]
        yield


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
    extensions=[RequestRules],
)


def sdl() -> str:
    """The schema in the schema definition language, as `schema.graphql` has it.

    It names its root types always: a reader of a document that does not would take the domain's `Subscription` for
    the root of GraphQL subscriptions, of which there are none.
    """
    return f"schema {{\n  query: Query\n  mutation: Mutation\n}}\n\n{schema.as_str().strip()}\n"
