"""Mutations: root fields run one after the other, each once."""

import asyncio
from typing import Any

import pytest

from tests.execution.agreement import Told, by_level, by_object, failing, later, said, schema_of, valid

SDL = """
type Query { number: Int }
type Mutation {
  set(number: Int!): Number!
  setLater(number: Int!): Number
  setRequired(number: Int!): Number!
  fail: Number
  failRequired: Number!
  failLater: Number
  failLaterRequired: Number!
  quick: Int!
}
type Number { number: Int!, broken: Int, brokenLater: Int, brokenRequired: Int!, brokenRequiredLater: Int! }
"""


class Counter:
    """A number that mutations set. Records all calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.number = 0

    def set(self, _info: object, number: int) -> Any:
        self.calls.append(f"set {number}")
        self.number = number
        return Number(self)

    async def setLater(self, info: object, number: int) -> Any:  # noqa: N802 - the name of the field
        await asyncio.sleep(0)
        return self.set(info, number)

    setRequired = setLater  # noqa: N815 - the name of the field

    def fail(self, _info: object) -> Any:
        self.calls.append("fail")
        raise RuntimeError("failed")

    failRequired = fail  # noqa: N815 - the name of the field

    async def failLater(self, info: object) -> Any:  # noqa: N802 - the name of the field
        await asyncio.sleep(0)
        return self.fail(info)

    failLaterRequired = failLater  # noqa: N815 - the name of the field

    def quick(self, _info: object) -> Any:
        self.calls.append("quick")
        return None


class Number:
    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    @property
    def number(self) -> int:
        return self._counter.number

    broken = brokenRequired = failing()  # noqa: N815 - the name of the field

    async def brokenLater(self, _info: object) -> Any:  # noqa: N802 - the name of the field
        await later(None, turns=3)
        raise RuntimeError(f"broken at {self._counter.number}")

    brokenRequiredLater = brokenLater  # noqa: N815 - the name of the field


OPERATIONS = [
    "mutation { a: set(number: 1) { number } b: set(number: 2) { number } }",
    "mutation { a: setLater(number: 1) { number } b: set(number: 2) { number } c: setLater(number: 3) { number } }",
    "mutation { a: set(number: 1) { broken number } fail { number } b: set(number: 2) { number } }",
    "mutation { a: set(number: 1) { broken number } failLater { number } b: set(number: 2) { number } }",
    "mutation { a: setLater(number: 1) { brokenRequired } b: set(number: 2) { number } }",
    "mutation { a: setLater(number: 1) { brokenRequiredLater } b: set(number: 2) { number } }",
    "mutation { a: set(number: 1) { number } failRequired { number } b: set(number: 2) { number } }",
    "mutation { failLaterRequired { number } b: set(number: 2) { number } }",
    "mutation { a: setRequired(number: 1) { brokenRequiredLater } b: set(number: 2) { number } }",
    "mutation { a: setLater(number: 1) { brokenLater } quick b: set(number: 2) { number } }",
    "mutation { a: setLater(number: 1) { brokenLater } failRequired { number } }",
    "mutation { a: setLater(number: 1) { brokenLater number } failLaterRequired { number } quick }",
    "mutation { fail { number } quick }",
    "mutation { failLater { number } quick }",
    "mutation { a: set(number: 1) { number } ...F } fragment F on Mutation { a: set(number: 1) { broken } }",
]


@pytest.mark.parametrize("source", OPERATIONS)
async def test_mutations_run_in_order_and_end_where_the_whole_is_null(source: str) -> None:
    schema = schema_of(SDL)
    document = valid(schema, source)
    of_theirs, of_ours = Counter(), Counter()

    theirs = await by_object(schema, document, root=of_theirs)
    ours = await by_level(schema, document, root=of_ours)

    assert Told.of(ours) == Told.of(theirs)
    assert of_ours.calls == of_theirs.calls
    assert len(set(of_ours.calls)) == len(of_ours.calls)


async def test_a_mutation_sees_what_the_one_before_has_done() -> None:
    source = (
        "mutation { a: setLater(number: 1) { number } b: set(number: 2) { number } c: setLater(number: 3) { number } }"
    )

    result = await by_level(schema_of(SDL), valid(schema_of(SDL), source), root=Counter())

    assert result.data == {"a": {"number": 1}, "b": {"number": 2}, "c": {"number": 3}}


async def test_none_runs_after_one_that_makes_the_whole_null() -> None:
    counter = Counter()
    source = "mutation { a: set(number: 1) { number } failLaterRequired { number } b: set(number: 2) { number } }"

    result = await by_level(schema_of(SDL), valid(schema_of(SDL), source), root=counter)

    assert result.data is None
    assert said(result) == [("failed", ["failLaterRequired"])]
    assert counter.calls == ["set 1", "fail"]


async def test_an_error_of_an_earlier_field_is_told_with_one_that_makes_the_whole_null() -> None:
    source = "mutation { a: setLater(number: 1) { brokenLater } quick }"

    result = await by_level(schema_of(SDL), valid(schema_of(SDL), source), root=Counter())

    assert said(result) == [
        ("Cannot return null for non-nullable field Mutation.quick.", ["quick"]),
        ("broken at 1", ["a", "brokenLater"]),
    ]
