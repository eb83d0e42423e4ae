"""Leaves: the values of one field of many objects, as one column."""

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

    `column` is the fast way, for what is regular; it gives None where something is not, and `value` is to be asked for
    each.
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
        """All values completed; None where one of them is not regular."""
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
        """One value completed, which is neither None nor an exception. Raises what its type raises."""
        coerced = self._coerce(value)
        if coerced is None or coerced is Undefined:
            name = f"{inspect(self._type)}.coerce_output_value({inspect(value)})"
            raise TypeError(f"Expected `{name}` to return non-nullable value, returned: {inspect(coerced)}")
        return coerced


def bytes_of(values: Sequence[Any]) -> int:
    """Number of bytes that completed values take in JSON, or less: of texts the characters count."""
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
        # What cannot be sent is found when it is.
        return 1


def enum_names(type_: GraphQLEnumType) -> dict[Any, str]:
    """The name of each value of an enum, the first one of equal values; by the value, which may be a Python enum's."""
    words: dict[Any, str] = {}
    for name, value in type_.values.items():
        if value.value is None or value.value is Undefined:
            continue
        # What cannot be a key is completed one by one.
        with suppress(TypeError):
            words.setdefault(value.value, name)
    return words
