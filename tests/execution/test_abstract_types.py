"""Interfaces and unions: determining the type of an object, and the effect on its fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, build_schema

from graph.execution import ATTRIBUTE, INSTANCE_OF
from tests.execution.agreement import agreed, later, said

SDL = """
interface Named { name: String }
interface Being implements Named { name: String, friend: Being }
type Dog implements Being & Named { name: String, friend: Being, barks: Boolean! }
type Cat implements Being & Named { name: String, friend: Being, meows: Boolean! }
type Stone { weight: Int }
union Thing = Dog | Cat | Stone
type Query { being: Being, required: Being!, beings: [Being!], things: [Thing], named: [Named], dog: Dog }
"""


@dataclass
class Dog:
    name: str | None = "Odie"
    barks: bool | None = True
    friend: Any = None


@dataclass
class Cat:
    name: str | None = "Garfield"
    meows: bool | None = False
    friend: Any = None


@dataclass
class Stone:
    weight: int = 7


CLASSES: dict[str, type[Any]] = {"Dog": Dog, "Cat": Cat, "Stone": Stone}
SOURCE = """
{
  beings { __typename name ... on Dog { barks friend { name ... on Cat { meows } } } ... on Cat { meows } }
  things { __typename ... on Named { name } ... on Dog { barks } ... on Stone { weight } }
  named { name ... on Being { friend { __typename } } }
}
"""
ROOT = {
    "beings": [Dog(friend=Cat()), Cat(), Dog(name=None)],
    "things": [Stone(), Dog(), None, Cat(), Stone(weight=8)],
    "named": [Cat(friend=Dog()), Dog()],
}


def resolving(**resolvers: Callable[..., Any]) -> GraphQLSchema:
    """Returns the schema with these type resolvers for its abstract types."""
    schema = build_schema(SDL)
    for name, resolve in resolvers.items():
        type_: Any = schema.type_map[name]
        type_.resolve_type = resolve
    return schema


def of_every_kind(resolve: Callable[..., Any]) -> GraphQLSchema:
    return resolving(Being=resolve, Named=resolve, Thing=resolve)


def asking(is_type_of: Callable[[str], Callable[..., Any]], *, declared: bool = False) -> GraphQLSchema:
    """Returns the schema with `is_type_of` functions on its object types.

    With `declared`, the types also declare their classes and all fields are attributes.
    """
    schema = build_schema(SDL)
    for name, class_ in CLASSES.items():
        type_ = schema.type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        type_.is_type_of = is_type_of(name)
        if declared:
            type_.extensions[INSTANCE_OF] = (class_,)
            for field_name, field in type_.fields.items():
                field.extensions[ATTRIBUTE] = field_name
    return schema


def is_instance(name: str) -> Callable[..., Any]:
    return lambda value, _info: isinstance(value, CLASSES[name])


def is_instance_later(name: str) -> Callable[..., Any]:
    return lambda value, _info: later(isinstance(value, CLASSES[name]))


def is_instance_sometimes_later(name: str) -> Callable[..., Any]:
    return is_instance(name) if name == "Cat" else is_instance_later(name)


def class_name(value: Any, *_: object) -> str:
    return type(value).__name__


SCHEMAS: dict[str, GraphQLSchema] = {
    "resolve_type": of_every_kind(class_name),
    "resolve_type, awaited": of_every_kind(lambda value, *_: later(class_name(value))),
    "is_type_of": asking(is_instance),
    "is_type_of, awaited": asking(is_instance_later),
    "is_type_of, some awaited": asking(is_instance_sometimes_later),
    "is_type_of, declared": asking(is_instance, declared=True),
}


@pytest.mark.parametrize("name", SCHEMAS)
async def test_objects_are_what_their_type_says(name: str) -> None:
    result = await agreed(SCHEMAS[name], SOURCE, root=ROOT)

    assert result.errors is None
    assert result.data is not None
    assert result.data["beings"] == [
        {"__typename": "Dog", "name": "Odie", "barks": True, "friend": {"name": "Garfield", "meows": False}},
        {"__typename": "Cat", "name": "Garfield", "meows": False},
        {"__typename": "Dog", "name": None, "barks": True, "friend": None},
    ]


@pytest.mark.parametrize("name", SCHEMAS)
async def test_null_in_an_object_of_an_abstract_type(name: str) -> None:
    root = {"beings": [Dog(), Cat(meows=None)], "things": [Dog(barks=None), Stone(), Cat(meows=None)], "named": []}

    result = await agreed(SCHEMAS[name], SOURCE, root=root)

    assert result.data is not None
    assert result.data["beings"] is None
    assert said(result)[0] == ("Cannot return null for non-nullable field Cat.meows.", ["beings", 1, "meows"])


@pytest.mark.parametrize("name", SCHEMAS)
async def test_objects_of_no_type(name: str) -> None:
    root = {"being": Stone(), "beings": [Dog(), Stone()], "things": [Dog(), 5], "named": [Stone(), Cat()]}

    for field in ("beings { name }", "things { __typename }", "named { name }", "being { name }"):
        result = await agreed(SCHEMAS[name], f"{{ {field} }}", root=root)

        assert result.errors


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "name",
    [None, "", "Nothing", "Named", "Being", "Thing", "String", "Stone", "Query", 5, Dog, RuntimeError("broken")],
)
async def test_a_type_that_is_none(name: Any, waits: bool) -> None:
    def resolve(*_: object) -> Any:
        if isinstance(name, Exception):
            raise name
        return name

    def resolve_later(*_: object) -> Any:
        return later(name)

    schema = of_every_kind(resolve_later if waits else resolve)
    for source in ("{ being { name } dog { name } }", "{ beings { name } }", "{ required { name } }"):
        result = await agreed(schema, source, root={"being": Dog(), "beings": [Dog()], "required": Dog()})

        assert result.errors


async def test_the_name_of_a_mapping_is_its_typename() -> None:
    root = {"beings": [{"__typename": "Dog", "name": "a", "barks": True}, {"__typename": "Cat", "meows": True}]}

    result = await agreed(SDL, "{ beings { __typename name } }", root=root)

    assert result.data == {"beings": [{"__typename": "Dog", "name": "a"}, {"__typename": "Cat", "name": None}]}


async def test_nobody_says_which_type_it_is() -> None:
    result = await agreed(SDL, "{ being { name } }", root={"being": Dog()})

    assert result.data == {"being": None}


@pytest.mark.parametrize("answer", [True, False, None, RuntimeError("broken")])
@pytest.mark.parametrize("waits", [False, True])
async def test_an_object_type_is_asked_whether_it_fits(answer: Any, waits: bool) -> None:
    def is_type_of(_value: object, _info: object) -> Any:
        if waits:
            return later(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    schema = asking(lambda _name: is_type_of)

    for source in ("{ dog { name barks } }", "{ being { name } }", "{ beings { name } }"):
        result = await agreed(schema, source, root={"dog": Dog(), "being": Dog(), "beings": [Dog(), Dog()]})

        assert (result.errors is None) == (answer is True)


async def test_a_type_that_is_awaited_is_met_after_what_comes_at_once() -> None:
    schema = build_schema("type Query { nest: Nest }\ntype Nest { a: A!, b: String! }\ntype A { name: String! }")
    type_ = schema.type_map["A"]
    assert isinstance(type_, GraphQLObjectType)
    type_.is_type_of = lambda *_: later(True)

    result = await agreed(schema, "{ nest { a { name } b } }", root={"nest": {"a": {}, "b": None}})

    assert said(result) == [("Cannot return null for non-nullable field Nest.b.", ["nest", "b"])]


async def test_fragments_on_other_types_select_nothing() -> None:
    source = (
        "{ beings { ... on Cat { name } ...F } things { ...F ... on Being { name } } }\nfragment F on Dog { barks }"
    )

    result = await agreed(SCHEMAS["resolve_type"], source, root=ROOT)

    assert result.data == {
        "beings": [{"barks": True}, {"name": "Garfield"}, {"barks": True}],
        "things": [{}, {"barks": True, "name": "Odie"}, None, {"name": "Garfield"}, {}],
    }


async def test_fields_of_one_name_have_the_type_of_their_object() -> None:
    source = "{ things { ... on Dog { x: name } ... on Cat { x: name y: meows } ... on Stone { z: weight } } }"

    result = await agreed(SCHEMAS["is_type_of, declared"], source, root=ROOT)

    assert result.errors is None
