"""Runs an operation with both executors, graphql-core's and the server's, and compares the results."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    default_field_resolver,
    get_operation_ast,
    parse,
    validate,
)
from graphql import execute as execute_by_object

from graph.execution import ATTRIBUTE, BATCH, Field, QueryPlanCache, QueryPlans, ResolveMany, execute


@dataclass(frozen=True, slots=True)
class Told:
    """A result in comparable form: `data` as JSON, so that the order of keys counts, and errors in any order."""

    data: str
    errors: tuple[str, ...]

    @classmethod
    def of(cls, result: ExecutionResult) -> "Told":
        return cls(told_data(result.data), tuple(sorted(map(told_error, result.errors or ()))))


def told_data(data: object) -> str:
    return json.dumps(data, default=repr)


def told_error(error: GraphQLError) -> str:
    places = [[place.line, place.column] for place in error.locations or ()]
    return json.dumps([error.path, error.message, places, error.extensions], default=repr)


@lru_cache(maxsize=256)
def schema_of(sdl: str, attributes: str = "") -> GraphQLSchema:
    """Builds a schema. `attributes` lists the fields to declare as attributes, such as `Pet.name Pet.age`."""
    schema = build_schema(sdl)
    for coordinate in attributes.split():
        type_name, field_name = coordinate.split(".")
        type_ = schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        type_.fields[field_name].extensions[ATTRIBUTE] = field_name
    return schema


def valid(schema: GraphQLSchema, source: str) -> DocumentNode:
    document = parse(source)
    assert validate(schema, document) == []
    return document


def operation_of(document: DocumentNode, name: str | None = None) -> OperationDefinitionNode:
    operation = get_operation_ast(document, name)
    assert operation is not None
    return operation


async def by_object(
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    variables: Mapping[str, Any] | None = None,
    root: object = None,
    context: object = None,
) -> ExecutionResult:
    """Executes with graphql-core."""
    result = execute_by_object(
        schema, document, root_value=root, context_value=context, variable_values={**(variables or {})}
    )
    return result if isinstance(result, ExecutionResult) else await result


async def by_level(
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    variables: Mapping[str, Any] | None = None,
    root: object = None,
    context: object = None,
    plans: QueryPlans | None = None,
) -> ExecutionResult:
    """Executes with the server's executor."""
    return await execute(
        schema,
        plans or QueryPlans(schema, document, QueryPlanCache()),
        operation_of(document),
        variables=variables,
        root_value=root,
        context=context,
    )


async def agreed(
    schema: GraphQLSchema | str,
    source: str,
    *,
    root: object = None,
    variables: Mapping[str, Any] | None = None,
    attributes: str = "",
) -> ExecutionResult:
    """Asserts that both executors agree, also if all fields are resolved in batches. Returns the result."""
    schema = schema if isinstance(schema, GraphQLSchema) else schema_of(schema, attributes)
    document = valid(schema, source)
    theirs = await by_object(schema, document, root=root, variables=variables)
    ours = await by_level(schema, document, root=root, variables=variables)
    assert Told.of(ours) == Told.of(theirs), source
    with all_in_batches(schema):
        in_batches = await by_level(schema, document, root=root, variables=variables)
    assert Told.of(in_batches) == Told.of(theirs), source
    # Tasks that graphql-core left behind finish before the next operation.
    await asyncio.sleep(0)
    return ours


class Each:
    """Resolves a field of many objects with its own resolver, one by one. Reads the selection, as
    batch resolvers do.
    """

    def prepare(self, field: Field) -> ResolveMany:
        field.below(field.name)
        resolve = field.definition.resolve or default_field_resolver

        def resolve_many(
            sources: Sequence[Any], info: GraphQLResolveInfo[Any], arguments: dict[str, Any]
        ) -> Sequence[Any]:
            values: list[Any] = []
            for source in sources:
                try:
                    values.append(resolve(source, info, **arguments))
                except Exception as error:  # noqa: BLE001 - it is the answer for this one
                    values.append(error)
            return values

        return resolve_many


@contextmanager
def all_in_batches(schema: GraphQLSchema) -> Iterator[None]:
    """Declares, during the block, that all fields without a declaration are resolved in batches."""
    said_nothing = [
        field
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for field in type_.fields.values()
        if not {ATTRIBUTE, BATCH} & field.extensions.keys()
    ]
    for field in said_nothing:
        field.extensions[BATCH] = Each()
    try:
        yield
    finally:
        for field in said_nothing:
            del field.extensions[BATCH]


def said(result: ExecutionResult) -> list[tuple[str, list[str | int] | None]]:
    """Returns message and path of each error, sorted."""
    return sorted(((error.message, error.path) for error in result.errors or ()), key=repr)


async def later(value: Any, turns: int = 1) -> Any:
    """Returns the value after some iterations of the loop. Raises it if it is an exception."""
    for _ in range(turns):
        await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


def coming(value: Any) -> "asyncio.Future[Any]":
    """Returns a finished future with the value, or with the exception."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if isinstance(value, Exception):
        future.set_exception(value)
    else:
        future.set_result(value)
    return future


def failing(message: str = "broken") -> Any:
    """Returns a resolver that raises."""

    def resolve(*_: object, **__: object) -> Any:
        raise RuntimeError(message)

    return resolve
