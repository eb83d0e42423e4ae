"""Completion of leaf values: one field of many objects at once, as a column."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.pyutils import inspect

from graph.execution.fields import AS_IS, COLUMN

STANDARD: Mapping[str, frozenset[type]] = {
    GraphQLString.name: frozenset({str}),
    GraphQLID.name: frozenset({str}),
    GraphQLBoolean.name: frozenset({bool}),
    GraphQLInt.name: frozenset({int}),
}
NULL = type(None)
PLAIN = frozenset({int, float, bool, NULL})


class Leaf:
    """Completes values of a leaf type.

    `column` is the fast path for regular values. If it returns None, call `value` for each value instead.
    """

    def __init__(self, type_: GraphQLLeafType) -> None:
        self._type = type_
        self._coerce: Callable[[Any], Any] = type_.coerce_output_value
        self._as_is = STANDARD.get(type_.name) or frozenset(type_.extensions.get(AS_IS, ()))
        self._convert: Callable[[list[Any]], list[Any]] | None = type_.extensions.get(COLUMN)
        self._is_int = type_.name == GraphQLInt.name
        self._words = enum_names(type_) if isinstance(type_, GraphQLEnumType) else None
        self._words_or_null = None if self._words is None else {**self._words, None: None}

    def column(self, values: list[Any], *, nullable: bool) -> list[Any] | None:
        """Returns all values completed, or None if any of them is not regular."""
        words = self._words_or_null if nullable else self._words
        if words is not None:
            try:
                return [words[value] for value in values]
            except (KeyError, TypeError):
                return None
        kinds = {*map(type, values)}
        if nullable:
            kinds.discard(NULL)
        if not kinds <= self._as_is:
            return None
        if self._is_int and not all(value is None or GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT for value in values):
            return None
        return values if self._convert is None else self._convert(values)

    def value(self, value: Any) -> Any:
        """Returns one value completed. `value` must not be None or an exception.

        Raises whatever the type's `coerce_output_value` raises, and `TypeError` if it returns None or `Undefined`.
        """
        coerced = self._coerce(value)
        if coerced is None or coerced is Undefined:
            name = f"{inspect(self._type)}.coerce_output_value({inspect(value)})"
            raise TypeError(f"Expected `{name}` to return non-nullable value, returned: {inspect(coerced)}")
        return coerced


def bytes_of(values: Sequence[Any]) -> int:
    """Returns a lower bound for the JSON size of completed values in bytes. Strings count one byte per character."""
    kinds = {*map(type, values)}
    if kinds == {str}:
        return sum(map(len, values)) + 2 * len(values)
    if kinds <= PLAIN:
        return len(values)
    return sum(len(value) + 2 if value.__class__ is str else json_bytes(value) for value in values)


def json_bytes(value: object) -> int:
    if type(value) in PLAIN:
        return 1
    try:
        return len(orjson.dumps(value))
    except TypeError:
        # A value that cannot be serialized fails later, when the response is sent.
        return 1


def enum_names(type_: GraphQLEnumType) -> dict[Any, str]:
    """Maps each Python value of an enum to its GraphQL name. For equal values, the first name wins."""
    words: dict[Any, str] = {}
    for name, value in type_.values.items():
        if value.value is None or value.value is Undefined:
            continue
        # Unhashable values are completed one by one.
        with suppress(TypeError):
            words.setdefault(value.value, name)
    return words
