"""Awaiting: every awaitable is awaited, concurrently with others, and each object is read once."""

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any

import pytest
from aiodataloader import DataLoader
from graphql import GraphQLResolveInfo

from tests.execution.agreement import agreed, by_level, later, said, schema_of, valid
from tests.support import PATIENCE_SECONDS

SDL = """
type Query { value: String, strict: String!, number: Int, nest: Query, nests: [Query], list: [String] }
"""


class Own:
    """An awaitable of a custom class."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return later(self.value).__await__()


async def at_once(value: object) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


def future(value: object) -> Awaitable[Any]:
    made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if isinstance(value, Exception):
        asyncio.get_running_loop().call_soon(made.set_exception, value)
    else:
        asyncio.get_running_loop().call_soon(made.set_result, value)
    return made


def task(value: object) -> Awaitable[Any]:
    return asyncio.ensure_future(later(value))


def shielded(value: object) -> Awaitable[Any]:
    return asyncio.shield(task(value))


AWAITABLES: dict[str, Any] = {each.__name__: each for each in (Own, later, at_once, future, task, shielded)}
VALUES: dict[str, Any] = {"text": "x", "null": None, "wrong": {}, "error": ValueError("bad")}


@pytest.mark.parametrize("kind", AWAITABLES)
@pytest.mark.parametrize("value", VALUES)
async def test_a_value_that_is_awaited(kind: str, value: str) -> None:
    def resolve(*_: object) -> Any:
        return AWAITABLES[kind](VALUES[value])

    def items(*_: object) -> Any:
        return [resolve(), "y", resolve()]

    root = {"value": resolve, "strict": resolve, "list": items, "nests": [{"value": resolve}, {"value": "z"}]}
    await agreed(SDL, "{ value list nests { value } }", root=root)
    await agreed(SDL, "{ nest { strict } }", root={"nest": root})


@pytest.mark.parametrize("kind", AWAITABLES)
async def test_objects_and_lists_that_are_awaited(kind: str) -> None:
    make = AWAITABLES[kind]

    def nests(*_: object) -> Any:
        return make([make({"value": "a"}), {"value": lambda _info: make("b")}, make(None), make(ValueError("bad"))])

    found = await agreed(SDL, "{ nests { value } }", root={"nests": nests})

    assert found.data == {"nests": [{"value": "a"}, {"value": "b"}, None, None]}
    assert said(found) == [("bad", ["nests", 3])]


class Meeting:
    """Awaitables that all complete only after every one of them has started."""

    def __init__(self, size: int) -> None:
        self.missing = size
        self.met = asyncio.Event()

    def join(self, value: object) -> "Joining":
        return Joining(self, value)


class Joining:
    def __init__(self, meeting: Meeting, value: object) -> None:
        self.meeting = meeting
        self.value = value

    def __await__(self) -> Generator[Any, None, Any]:
        self.meeting.missing -= 1
        if self.meeting.missing == 0:
            self.meeting.met.set()
        yield from self.meeting.met.wait().__await__()
        return self.value


async def joined(joining: Joining) -> Any:
    return await joining


@pytest.mark.parametrize("attributes", ["", "Query.value Query.number Query.list Query.nest"])
async def test_fields_of_a_level_are_awaited_side_by_side(attributes: str) -> None:
    class Node:
        """An object whose fields are awaitables that wait for each other."""

        def __init__(self) -> None:
            meeting = Meeting(5)
            self.value = meeting.join("x")
            self.number = joined(meeting.join(1))
            self.list = joined(meeting.join(["y"]))
            self.nest = joined(meeting.join(None))
            self.nests = meeting.join([])

    schema = schema_of(SDL, attributes)
    document = valid(schema, "{ value number list nest { value } nests { value } }")

    async with asyncio.timeout(PATIENCE_SECONDS):
        found = await by_level(schema, document, root=Node())

    assert found.errors is None
    assert found.data == {"value": "x", "number": 1, "list": ["y"], "nest": None, "nests": []}


async def test_items_of_a_list_are_awaited_side_by_side() -> None:
    schema = schema_of(SDL)

    def items(_info: object) -> list[Any]:
        meeting = Meeting(3)
        return [meeting.join("a"), joined(meeting.join("b")), meeting.join("c")]

    async with asyncio.timeout(PATIENCE_SECONDS):
        found = await by_level(schema, valid(schema, "{ list }"), root={"list": items})

    assert found.data == {"list": ["a", "b", "c"]}


async def test_fields_of_a_level_are_loaded_in_one_batch() -> None:
    batches: list[list[int]] = []

    async def load(keys: list[int]) -> list[str]:
        batches.append(sorted(keys))
        return [f"loaded {key}" for key in keys]

    loader: DataLoader[int, str] = DataLoader(load)

    def node(number: int) -> dict[str, Any]:
        return {"value": lambda _info: loader.load(number), "strict": lambda _info: loader.load(number + 10)}

    schema = schema_of(SDL)
    document = valid(schema, "{ nests { value strict } nest { value } }")
    found = await by_level(schema, document, root={"nests": [node(1), node(2)], "nest": node(3)})

    assert found.data == {
        "nests": [{"value": f"loaded {number}", "strict": f"loaded {number + 10}"} for number in (1, 2)],
        "nest": {"value": "loaded 3"},
    }
    assert batches == [[1, 2, 3, 11, 12]]


async def test_an_execution_whose_resolver_is_cancelled_is_cancelled() -> None:
    async def cancelled(_info: GraphQLResolveInfo[None]) -> None:
        raise asyncio.CancelledError

    schema = schema_of(SDL)
    with pytest.raises(asyncio.CancelledError):
        await by_level(schema, valid(schema, "{ value }"), root={"value": cancelled})


class Thing:
    """Counts the number of times its value is read."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.asked = 0

    @property
    def value(self) -> Any:
        self.asked += 1
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


async def test_an_attribute_of_each_object_is_asked_for_once_though_one_of_them_fails() -> None:
    things = [Thing("a"), Thing(ValueError("bad")), Thing("b"), Thing(ValueError("worse")), Thing("c")]
    schema = schema_of(SDL, "Query.value")

    found = await by_level(schema, valid(schema, "{ nests { value } }"), root={"nests": things})

    assert found.data == {"nests": [{"value": value} for value in ("a", None, "b", None, "c")]}
    assert said(found) == [("bad", ["nests", 1, "value"]), ("worse", ["nests", 3, "value"])]
    assert [thing.asked for thing in things] == [1] * 5
