"""What the values of resolvers are: regular, to be awaited, or an error; and which type an object is of."""

from collections.abc import AsyncIterable, Awaitable, Generator, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    Undefined,
    default_type_resolver,
    is_object_type,
)
from graphql.pyutils import inspect, is_iterable

from graph.execution.plan import Field


@lru_cache(maxsize=4096)
def is_regular(kind: "type[Any]") -> bool:
    """Whether an instance is a value, and not an error, or what has yet to give one."""
    return not issubclass(kind, Exception | Awaitable | AsyncIterable | Generator) and kind is not type(Undefined)


@lru_cache(maxsize=4096)
def may_wait(kind: "type[Any]") -> bool:
    """Whether an instance may have to be awaited."""
    return issubclass(kind, Awaitable | AsyncIterable | Generator)


@lru_cache(maxsize=4096)
def is_async_iterable(kind: "type[Any]") -> bool:
    return issubclass(kind, AsyncIterable)


async def collect_items(items: AsyncIterable[Any]) -> Iterable[Any]:
    found: list[Any] = []
    try:
        async for item in items:
            found.append(item)  # noqa: PERF401 - what came before an error is kept
    except Exception as error:
        return break_off_iteration(found, error)
    return found


def break_off_iteration(items: list[Any], error: Exception) -> Iterator[Any]:
    yield from items
    raise error


def checked_type(field: Field, info: GraphQLResolveInfo[Any], value: Any, name: Any) -> GraphQLObjectType:
    """The object type that the type of an abstract field was resolved to. Raises `GraphQLError` where it is none."""
    abstract, nodes = field.named_type, field.nodes
    place = f"for field '{info.parent_type}.{info.field_name}'"
    if name is None:
        raise GraphQLError(
            f"Abstract type '{abstract}' must resolve to an Object type at runtime {place}. Either the '{abstract}' "
            "type should provide a 'resolve_type' function or each possible type should provide an 'is_type_of' "
            "function.",
            nodes,
        )
    if not isinstance(name, str):
        raise GraphQLError(
            f"Abstract type '{abstract}' must resolve to an Object type at runtime {place} with value "
            f"{inspect(value)}, received '{inspect(name)}', which is not a valid Object type name.",
            nodes,
        )
    type_ = info.schema.get_type(name)
    if type_ is None:
        raise GraphQLError(
            f"Abstract type '{abstract}' was resolved to a type '{name}' that does not exist inside the schema.", nodes
        )
    if not is_object_type(type_):
        raise GraphQLError(f"Abstract type '{abstract}' was resolved to a non-object type '{name}'.", nodes)
    if not info.schema.is_sub_type(abstract, type_):
        raise GraphQLError(f"Runtime Object type '{type_}' is not a possible type for '{abstract}'.", nodes)
    return type_


def resolved_type(abstract: GraphQLAbstractType, info: GraphQLResolveInfo[Any], value: Any) -> Any:
    """The name of the type of an object, or what gives it when it is awaited."""
    return (abstract.resolve_type or default_type_resolver)(value, info, abstract)


def require_type(fits: object, type_: GraphQLObjectType, field: Field, value: Any) -> None:
    """Raises `GraphQLError` where an object is not of the type that it should be."""
    if not fits:
        raise GraphQLError(f"Expected value of type '{type_}' but got: {inspect(value)}.", field.nodes)


def iterated(value: Any, field: Field) -> Iterable[Any]:
    """A value that can be iterated. Raises `GraphQLError` for another."""
    if is_iterable(value):
        return value
    raise GraphQLError(f"Expected Iterable, but did not find one for field '{field.parent_type}.{field.name}'.")


def attribute_values(sources: Sequence[Any], field: Field) -> list[Any]:
    """The attribute of all objects that a field is; an error where one does not give it."""
    value_of = field.value_of
    assert value_of is not None, field.name
    values: list[Any] = []
    left = iter(sources)
    while True:
        try:
            # What came before an error is kept: each object is asked once.
            values.extend(map(value_of, left))
        except Exception as error:
            values.append(error)
        else:
            return values


async def all_of(values: Awaitable[Sequence[Any]], size: int) -> list[Any]:
    """The values that were asked for together; for each the error, where that failed."""
    try:
        found = list(await values)
    except Exception as error:
        return [error] * size
    assert len(found) == size, "a value for each object"
    return found
