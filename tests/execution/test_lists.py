"""Lists: accepted types of values, and the effect of nulls and errors in them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import product
from typing import Any

import pytest

from tests.execution.agreement import agreed, coming, later, said

TYPES = ("[Int]", "[Int]!", "[Int!]", "[Int!]!")
BROKEN = RuntimeError("broken")


async def gives_an_error() -> Any:
    return BROKEN


async def stream(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item


async def broken_stream(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item
    raise BROKEN


def broken_generator(*items: Any) -> Iterator[Any]:
    yield from items
    raise BROKEN


class Stream:
    def __init__(self, *items: Any) -> None:
        self._items = iter(items)

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Any:
        for item in self._items:
            return item
        raise StopAsyncIteration


VALUES: dict[str, Callable[[], Any]] = {
    "a list": lambda: [1, 2],
    "nothing in it": list,
    "null in it": lambda: [1, None, 2],
    "null": lambda: None,
    "an error in it": lambda: [1, BROKEN, 2],
    "two errors in it": lambda: [BROKEN, RuntimeError("again"), 2],
    "an odd value in it": lambda: [1, "two", 3],
    "a tuple": lambda: (1, 2),
    "a set": lambda: {1},
    "a range": lambda: range(3),
    "a generator": lambda: (number for number in (1, None, 2)),
    "a view": {1: 2, 3: 4}.values,
    "an iterator": lambda: iter([1, 2]),
    "a mapping": lambda: {1: 2, 3: 4},
    "a text": lambda: "12",
    "bytes": lambda: b"12",
    "a number": lambda: 12,
    "an error": lambda: BROKEN,
    "an object": object,
}
ITEMS: dict[str, Callable[[], Any]] = {
    "awaitable items": lambda: [later(1), later(2)],
    "some awaitable items": lambda: [1, later(2), 3],
    "an awaitable null": lambda: [later(1), later(None), 2],
    "an awaitable error": lambda: [1, later(BROKEN)],
    "an awaitable that gives an error": lambda: [1, gives_an_error()],
    "futures": lambda: [coming(1), coming(2)],
    "a failed future": lambda: [1, coming(BROKEN)],
    "a generator of awaitables": lambda: (later(number) for number in (1, 2)),
    "a null before an awaitable": lambda: [None, later(1)],
}
STREAMS: dict[str, Callable[[], Any]] = {
    "a stream": lambda: stream(1, 2),
    "an empty stream": stream,
    "null in a stream": lambda: stream(1, None, 2),
    "an error in a stream": lambda: stream(1, BROKEN),
    "a stream of awaitables": lambda: stream(later(1), later(None)),
    "a stream that is no generator": lambda: Stream(1, 2),
}


@pytest.mark.parametrize("name", [*VALUES, *ITEMS, *STREAMS])
async def test_a_list_of_each_nullability(name: str) -> None:
    value = {**VALUES, **ITEMS, **STREAMS}[name]
    for type_ in TYPES:
        sdl = f"type Query {{ nest: Nest }}\ntype Nest {{ numbers: {type_} }}"
        await agreed(sdl, "{ nest { numbers } }", root={"nest": {"numbers": lambda _info: value()}})


@pytest.mark.parametrize("name", [*VALUES, *ITEMS, *STREAMS])
async def test_an_awaited_list_of_each_nullability(name: str) -> None:
    value = {**VALUES, **ITEMS, **STREAMS}[name]

    async def numbers(_info: object) -> Any:
        await asyncio.sleep(0)
        return value()

    for type_ in TYPES:
        sdl = f"type Query {{ nest: Nest }}\ntype Nest {{ numbers: {type_} }}"
        await agreed(sdl, "{ nest { numbers } }", root={"nest": {"numbers": numbers}})


async def test_items_fail_each_by_itself_where_null_may_stand() -> None:
    result = await agreed("type Query { numbers: [Int] }", "{ numbers }", root={"numbers": [1, BROKEN, None, "x", 2]})

    assert result.data == {"numbers": [1, None, None, None, 2]}
    assert said(result) == [
        ("Int cannot represent non-integer value: 'x'", ["numbers", 3]),
        ("broken", ["numbers", 1]),
    ]


@pytest.mark.parametrize("values", [broken_generator, broken_stream])
async def test_a_list_that_breaks_off_is_null(values: Callable[..., Any]) -> None:
    result = await agreed("type Query { numbers: [Int] }", "{ numbers }", root={"numbers": lambda _i: values(1, 2)})

    assert result.data == {"numbers": None}
    assert said(result) == [("broken", ["numbers"])]


@pytest.mark.parametrize("values", [broken_generator, broken_stream])
@pytest.mark.parametrize("type_", TYPES)
async def test_errors_before_a_list_breaks_off_are_told(values: Callable[..., Any], type_: str) -> None:
    sdl = f"type Query {{ nest: Nest }}\ntype Nest {{ numbers: {type_} }}"
    for items in ([1, "x", None, 2], [], [None], ["x", "y"]):
        nest = {"numbers": lambda _info, items=items: values(*items)}

        await agreed(sdl, "{ nest { numbers } }", root={"nest": nest})


LISTS_OF_LISTS = [
    "[[Int]]",
    "[[Int!]]",
    "[[Int]!]",
    "[[Int!]!]",
    "[[Int!]!]!",
    "[[Int]!]!",
]


@pytest.mark.parametrize("type_", LISTS_OF_LISTS)
@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3]],
        [[], [], [1], []],
        [None, [1]],
        [[1], None, [2]],
        [[1, None], [2]],
        [[1], [2, None], [None]],
        [[], [BROKEN]],
        [[], BROKEN, [1]],
        [[1], 2, [3]],
        [["x"], [1], ["y"]],
        [],
        None,
    ],
)
async def test_a_list_of_lists(type_: str, value: Any) -> None:
    sdl = f"type Query {{ nest: Nest }}\ntype Nest {{ rows: {type_} }}"

    await agreed(sdl, "{ nest { rows } }", root={"nest": {"rows": value}})


@pytest.mark.parametrize("type_", LISTS_OF_LISTS)
async def test_a_list_of_lists_with_awaitables_in_it(type_: str) -> None:
    sdl = f"type Query {{ nest: Nest }}\ntype Nest {{ rows: {type_} }}"
    values: list[Callable[[], Any]] = [
        lambda: [later([1, 2]), [3]],
        lambda: [[later(1), 2], [later(3)]],
        lambda: [later([later(1), later(2)]), later([])],
        lambda: later([later([later(1)])]),
        lambda: [[1], later(None)],
        lambda: [[later(None)], [1]],
        lambda: [[], later([later(BROKEN)])],
        lambda: [stream(1, 2), [3]],
        lambda: [later(stream(1, 2)), stream()],
        lambda: stream(stream(1), stream(later(2))),
    ]
    for value in values:
        await agreed(sdl, "{ nest { rows } }", root={"nest": {"rows": lambda _info, value=value: value()}})


@pytest.mark.parametrize("type_", ["[[Cell]]", "[[Cell!]]", "[[Cell!]!]!"])
async def test_objects_in_lists_of_lists(type_: str) -> None:
    sdl = f"type Query {{ rows: {type_} }}\ntype Cell {{ value: Int!, tags: [[String!]] }}"
    cells = [
        [[{"value": 1, "tags": [["a"], []]}], [], [{"value": 2, "tags": None}, {"value": 3}]],
        [[{"value": 1}, None], [{"value": 2, "tags": [[None], ["b"]]}]],
        [[{"value": 1}], None, [{"value": None}, {"value": None}]],
        [[{"value": None}], [{"value": "x"}]],
    ]
    for value in cells:
        await agreed(sdl, "{ rows { value tags } }", root={"rows": value})
        await agreed(sdl, "{ rows { value tags } }", root={"rows": lambda _info, value=value: later(value)})


async def test_lists_in_lists_of_objects() -> None:
    sdl = "type Query { all: [Item] }\ntype Item { id: ID!, all: [Item!], one: Item! }"
    inner = [{"id": 1}, {"id": 2}]
    for picked in product([None, [], inner, [*inner, {"id": None}]], repeat=2):
        items = [{"id": index, "all": all_, "one": {"id": index, "all": all_}} for index, all_ in enumerate(picked)]

        await agreed(sdl, "{ all { id all { id } one { id all { id } } } }", root={"all": items})
