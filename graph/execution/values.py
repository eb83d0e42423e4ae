"""Classification of resolver results (regular, awaitable or error), and resolution of abstract types."""

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
    """Returns True if instances are final values: not errors, not awaitable, not generators and not `Undefined`."""
    return not issubclass(kind, Exception | Awaitable | AsyncIterable | Generator) and kind is not type(Undefined)


@lru_cache(maxsize=4096)
def may_wait(kind: "type[Any]") -> bool:
    """Returns True if instances may have to be awaited."""
    return issubclass(kind, Awaitable | AsyncIterable | Generator)


@lru_cache(maxsize=4096)
def is_async_iterable(kind: "type[Any]") -> bool:
    return issubclass(kind, AsyncIterable)


async def collect_items(items: AsyncIterable[Any]) -> Iterable[Any]:
    found: list[Any] = []
    try:
        async for item in items:
            found.append(item)  # noqa: PERF401 - keeps the items before an error
    except Exception as error:
        return break_off_iteration(found, error)
    return found


def break_off_iteration(items: list[Any], error: Exception) -> Iterator[Any]:
    yield from items
    raise error


def checked_type(field: Field, info: GraphQLResolveInfo[Any], value: Any, name: Any) -> GraphQLObjectType:
    """Returns the object type with the resolved `name` for an abstract field.

    Raises `GraphQLError` if `name` is not an object type that the abstract type allows.
    """
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
    """Returns the type name of an object, or an awaitable of it."""
    return (abstract.resolve_type or default_type_resolver)(value, info, abstract)


def require_type(fits: object, type_: GraphQLObjectType, field: Field, value: Any) -> None:
    """Raises `GraphQLError` unless `fits`, the result of the type's `is_type_of`, is true."""
    if not fits:
        raise GraphQLError(f"Expected value of type '{type_}' but got: {inspect(value)}.", field.nodes)


def require_iterable(value: Any, field: Field) -> Iterable[Any]:
    """Returns `value` if it can be iterated. Raises `GraphQLError` if not."""
    if is_iterable(value):
        return value
    raise GraphQLError(f"Expected Iterable, but did not find one for field '{field.parent_type}.{field.name}'.")


def attribute_values(sources: Sequence[Any], field: Field) -> list[Any]:
    """Returns the attribute of a field for all objects. A failed read is represented by its exception."""
    value_of = field.value_of
    assert value_of is not None, field.name
    values: list[Any] = []
    left = iter(sources)
    while True:
        try:
            # `extend` keeps the values before an error, and `left` continues behind it: each object is read once.
            values.extend(map(value_of, left))
        except Exception as error:
            values.append(error)
        else:
            return values


async def await_batch(values: Awaitable[Sequence[Any]], size: int) -> list[Any]:
    """Awaits the values of a batch and returns them. If the batch fails, returns its error for each of them."""
    try:
        found = list(await values)
    except Exception as error:
        return [error] * size
    assert len(found) == size, "a value for each object"
    return found
