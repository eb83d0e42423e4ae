"""Null in a required position nulls its object, and so on up to the nearest nullable position."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from graphql import Undefined

from tests.execution.agreement import agreed, failing, later, said

SDL = """
type Query {
  now: String
  nowRequired: String!
  later: String
  laterRequired: String!
  nest: Query
  nestRequired: Query!
  laterNest: Query
  laterNestRequired: Query!
}
"""
LEAVES = ("now", "nowRequired", "later", "laterRequired")
NESTS = ("nest", "nestRequired", "laterNest", "laterNestRequired")
VALUE = "value"


class Nest:
    """Endlessly nested objects, whose leaves are the result of calling `leaf` with their name."""

    def __init__(self, leaf: Callable[[str], Any]) -> None:
        self._leaf = leaf

    def __getattr__(self, name: str) -> Any:
        if name not in LEAVES + NESTS:
            raise AttributeError(name)
        if name in NESTS:
            return lambda _info: later(self) if "later" in name else self
        return lambda _info: self._resolved(name)

    def _resolved(self, name: str) -> Any:
        value = self._leaf(name)
        if "later" in name:
            return later(value)
        if isinstance(value, Exception):
            raise value
        return value


def null(_name: str) -> Any:
    return None


def raised(name: str) -> Any:
    return RuntimeError(name)


@pytest.mark.parametrize("leaf", [null, raised])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
async def test_one_error_anywhere(leaf: Callable[[str], Any], depth: int) -> None:
    for *nests, field in product(*[NESTS] * depth, LEAVES):
        source = f"{{ {' { '.join([*nests, field])} {'}' * depth} }}"

        result = await agreed(SDL, source, root=Nest(leaf))

        assert result.errors is None or len(result.errors) == 1
        assert (result.errors is None) == (leaf is null and not field.endswith("Required"))


@pytest.mark.parametrize("leaf", [null, raised])
async def test_errors_of_nullable_fields_are_all_told(leaf: Callable[[str], Any]) -> None:
    source = "{ now later nest { now later laterNest { now later nest { now } } } laterNest { later now } }"

    result = await agreed(SDL, source, root=Nest(leaf))

    assert result.data == {
        "now": None,
        "later": None,
        "nest": {"now": None, "later": None, "laterNest": {"now": None, "later": None, "nest": {"now": None}}},
        "laterNest": {"later": None, "now": None},
    }
    assert len(result.errors or ()) == (9 if leaf is raised else 0)


@pytest.mark.parametrize("leaf", [null, raised])
@pytest.mark.parametrize(
    "source",
    [
        "{ nest { nowRequired now } }",
        "{ nest { now nowRequired } }",
        "{ nest { now later nowRequired } }",
        "{ nest { laterRequired nowRequired } }",
        "{ nest { nowRequired laterRequired } now }",
        "{ laterNest { nowRequired now } now }",
        "{ laterNest { now nowRequired } nest { now nowRequired } }",
        "{ laterNest { later nowRequired } }",
        "{ nest { nestRequired { nowRequired } laterNestRequired { nowRequired } } now }",
        "{ nest { laterNestRequired { nowRequired } nestRequired { nowRequired } } now }",
        "{ nest { laterNestRequired { laterNestRequired { nowRequired } } now } now }",
        "{ nestRequired { now nowRequired } now }",
        "{ now nestRequired { now nestRequired { nest { nowRequired } nowRequired } } }",
        "{ now nowRequired later laterRequired }",
        "{ later now nowRequired }",
    ],
)
async def test_of_several_errors_the_first_one_counts(leaf: Callable[[str], Any], source: str) -> None:
    await agreed(SDL, source, root=Nest(leaf))


async def test_what_is_before_the_error_is_told_and_what_is_after_it_is_not() -> None:
    result = await agreed(SDL, "{ nest { now nowRequired again: now } }", root=Nest(raised))

    assert result.data == {"nest": None}
    assert said(result) == [("now", ["nest", "now"]), ("nowRequired", ["nest", "nowRequired"])]


async def test_what_comes_at_once_is_met_before_what_is_awaited() -> None:
    result = await agreed(SDL, "{ nest { laterRequired nowRequired } }", root=Nest(raised))

    assert said(result) == [("nowRequired", ["nest", "nowRequired"])]


async def test_null_goes_out_to_the_whole_answer() -> None:
    result = await agreed(SDL, "{ nestRequired { laterNestRequired { nowRequired } } }", root=Nest(null))

    assert result.data is None
    assert said(result) == [
        (
            "Cannot return null for non-nullable field Query.nowRequired.",
            ["nestRequired", "laterNestRequired", "nowRequired"],
        )
    ]


@pytest.mark.parametrize("waits", [False, True])
async def test_items_of_one_field_may_come_at_once_or_be_awaited(waits: bool) -> None:
    sdl = "type Query { all: [Item!] }\ntype Item { id: ID, name: String! }"
    first = {"id": 1, "name": lambda _info: later(RuntimeError("first"))}
    second = {"id": 2, "name": failing("second")}

    result = await agreed(sdl, "{ all { id name } }", root={"all": [first, second] if waits else [second, first]})

    assert result.data == {"all": None}
    assert [message for message, _ in said(result)] == ["second"]


async def test_an_awaited_item_is_met_after_one_that_is_there() -> None:
    sdl = "type Query { all: [Item!] }\ntype Item { name: String! }"
    item = {"name": failing("first")}

    result = await agreed(
        sdl, "{ all { name } }", root={"all": lambda _info: [later(item), {"name": failing("second")}]}
    )

    assert said(result) == [("second", ["all", 1, "name"])]


@pytest.mark.parametrize("value", [Undefined, None])
async def test_undefined_is_null(value: object) -> None:
    root = {"now": value, "nowRequired": value, "nest": value, "later": lambda _info: later(value)}

    await agreed(SDL, "{ now nest { now } later }", root=root)
    result = await agreed(SDL, "{ nowRequired }", root=root)

    assert said(result) == [("Cannot return null for non-nullable field Query.nowRequired.", ["nowRequired"])]
