"""Leaf values: conversion of valid and invalid values by each scalar and enum, one by one and as a column."""

from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
)

from graph.execution import AS_IS
from tests.execution.agreement import agreed, later

SCALARS = ("Int", "Float", "String", "ID", "Boolean")


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Colour(Enum):
    RED = "red"


class Text(str):
    """A string of a custom class."""

    __slots__ = ()


class Whole(int):
    """An integer of a custom class."""


VALUES: list[Any] = [
    *(0, 1, -1, 2**31 - 1, -(2**31), 2**31, -(2**31) - 1, 2**53, 10**40),
    *(0.0, -0.0, 1.0, 1.5, 1e100, float("nan"), float("inf"), float("-inf")),
    *("", "a", "1", "1.5", "true", "é\u2028\x00", Text("a"), b"a"),
    *(True, False, None, Whole(3), Level.LOW, Colour.RED),
    *(Decimal("1.5"), Decimal(2), Fraction(1, 2), UUID(int=7), 1j),
    *([], [1], {}, {"a": 1}, (), SimpleNamespace(), RuntimeError("broken")),
]


@pytest.mark.parametrize("scalar", SCALARS)
async def test_each_value_by_itself(scalar: str) -> None:
    sdl = f"type Query {{ one: {scalar}, nest: Query, required: {scalar}!, all: [{scalar}!], some: [{scalar}] }}"
    source = "{ one nest { required } all some }"
    for value in VALUES:
        root = SimpleNamespace(one=value, nest=SimpleNamespace(required=value), all=[value], some=[value, None, value])
        for attributes in ("", "Query.one Query.required Query.nest Query.all Query.some"):
            await agreed(sdl, source, root=root, attributes=attributes)


@pytest.mark.parametrize("scalar", SCALARS)
@pytest.mark.parametrize("required", ["", "!"])
async def test_columns_that_one_odd_value_is_in(scalar: str, required: str) -> None:
    sdl = f"type Query {{ items: [Item] }}\ntype Item {{ value: {scalar}{required} }}"
    regular = {"Int": 5, "Float": 2.5, "String": "a", "ID": "a", "Boolean": True}[scalar]
    for odd in VALUES:
        root = SimpleNamespace(items=[SimpleNamespace(value=value) for value in (regular, odd, regular)])
        for attributes in ("", "Item.value", "Item.value Query.items"):
            await agreed(sdl, "{ items { value again: value } }", root=root, attributes=attributes)


async def test_columns_of_attributes_that_are_awaited_or_missing() -> None:
    sdl = "type Query { items: [Item] }\ntype Item { id: ID!, value: Int, required: Int!, more: [Int!] }"
    fields = "Item.id Item.value Item.required Item.more"

    def items(*changes: dict[str, Any]) -> Any:
        regular = {"id": "a", "value": 1, "required": 2, "more": [3]}
        return lambda _info: [
            SimpleNamespace(**{name: made() if callable(made) else made for name, made in (regular | each).items()})
            for each in changes
        ]

    changes: list[list[dict[str, Any]]] = [
        [{}, {"value": lambda: later(5)}, {}],
        [{}, {"value": lambda: later(None)}, {"value": lambda: later("x")}],
        [{}, {"value": lambda: later(RuntimeError("broken"))}],
        [{"required": lambda: later(None)}, {}],
        [{"required": None, "value": "x"}, {"value": lambda: later("y")}],
        [{"more": lambda: [later(1), later(2)]}, {"more": lambda: later([1, None])}, {"more": None}],
        [{"id": None}, {"required": None}, {"value": RuntimeError("broken")}, {}],
    ]
    for each in changes:
        await agreed(sdl, "{ items { value id required more } }", root={"items": items(*each)}, attributes=fields)


class Raising:
    """An object whose attribute raises."""

    @property
    def value(self) -> int:
        raise RuntimeError("broken")


async def test_an_attribute_that_raises() -> None:
    for required in ("", "!"):
        sdl = f"type Query {{ items: [Item] }}\ntype Item {{ value: Int{required} }}"
        root = SimpleNamespace(items=[SimpleNamespace(value=1), Raising(), Raising()])

        result = await agreed(sdl, "{ items { value } }", root=root, attributes="Item.value")

        assert len(result.errors or ()) == 2


def selecting(type_: Any) -> GraphQLSchema:
    item = GraphQLObjectType(
        "Item",
        {
            "value": GraphQLField(type_, resolve=lambda source, _info: source.value),
            "attribute": GraphQLField(type_, extensions={"attribute": "value"}, resolve=lambda source, _: source.value),
            "required": GraphQLField(
                GraphQLNonNull(type_), extensions={"attribute": "value"}, resolve=lambda source, _: source.value
            ),
            "all": GraphQLField(GraphQLList(type_), resolve=lambda source, _info: [source.value, source.value]),
        },
    )
    return GraphQLSchema(GraphQLObjectType("Query", {"items": GraphQLField(GraphQLList(item))}))


async def agreed_for(type_: Any, values: list[Any]) -> None:
    schema = selecting(type_)
    for items in ([value] for value in values):
        root = {"items": [SimpleNamespace(value=value) for value in items]}
        await agreed(schema, "{ items { value attribute all } }", root=root)
        await agreed(schema, "{ items { required } }", root=root)
    root = {"items": [SimpleNamespace(value=value) for value in values]}
    await agreed(schema, "{ items { all value attribute } }", root=root)
    await agreed(schema, "{ items { required value } }", root=root)


ENUMS: dict[str, Any] = {
    "names": GraphQLEnumType("E", dict.fromkeys(("A", "B"))),
    "a Python enum": GraphQLEnumType("E", Colour),
    "a Python enum of numbers": GraphQLEnumType("E", Level),
    "members of a Python enum": GraphQLEnumType("E", Colour, names_as_values=None),
    "names of a Python enum": GraphQLEnumType("E", Colour, names_as_values=True),
    "numbers": GraphQLEnumType("E", {"ONE": 1, "TWO": 2, "ZERO": 0}),
    "truths": GraphQLEnumType("E", {"YES": True, "NO": False}),
    "what cannot be a key": GraphQLEnumType("E", {"LIST": [1], "MAPPING": {"a": 1}}),
    "floats": GraphQLEnumType("E", {"HALF": 0.5, "ONE": 1.0}),
    "two of one value": GraphQLEnumType("E", {"A": "a", "AGAIN": "a"}),
    "one and true": GraphQLEnumType("E", {"ONE": 1, "TRUE": True}),
    "equal values of several types": GraphQLEnumType("E", {"ONE": 1.0, "TRUE": True, "AGAIN": 1, "HIGH": 2}),
    "tuples": GraphQLEnumType("E", {"PAIR": (1, 2)}),
}


@pytest.mark.parametrize("name", ENUMS)
async def test_enums(name: str) -> None:
    await agreed_for(ENUMS[name], [*VALUES, "A", "B", "RED", "red", "LOW", 2, 0.5, (1, 2), Level.HIGH, "ONE"])


def doubled(value: Any) -> Any:
    if value == "raise":
        raise ValueError("cannot be doubled")
    return None if value == "null" else value * 2


async def test_scalars_of_its_own() -> None:
    await agreed_for(GraphQLScalarType("Double", coerce_output_value=doubled), [1, "a", "raise", "null", None, {}, [1]])


async def test_scalars_that_send_values_as_they_are() -> None:
    type_ = GraphQLScalarType("Text", coerce_output_value=str, extensions={AS_IS: frozenset({str})})

    await agreed_for(type_, ["a", Text("b"), 1, None, 2.5, RuntimeError("broken"), True])
