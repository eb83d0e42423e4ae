"""Errors: their message, path, locations and extensions."""

import asyncio
from typing import Any

import pytest
from graphql import GraphQLError, parse

from tests.execution.agreement import agreed, by_level, coming, later, said, schema_of, valid

SDL = "type Query { a: Int, b(number: Int): Int, nest: Query, list: [Query], required: Int!, text: String }"


class Refused(Exception):
    """An error with extensions."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.extensions = {"code": "REFUSED", "of": [1, 2]}


ERRORS: list[Exception] = [
    RuntimeError("broken"),
    RuntimeError(),
    KeyError("key"),
    ValueError("one", 2),
    AssertionError(),
    StopIteration("over"),
    Refused("refused"),
    GraphQLError("told"),
    GraphQLError("told", extensions={"code": "TOLD", "numbers": [1, {"a": None}]}),
    GraphQLError("told", path=["elsewhere", 3]),
    GraphQLError("told", parse("{\n  other\n}").definitions[0]),
    GraphQLError("told", original_error=Refused("inner")),
]


def raising(error: Exception) -> Any:
    def resolve(*_: object, **__: object) -> Any:
        raise error

    return resolve


def raising_later(error: Exception) -> Any:
    async def resolve(*_: object, **__: object) -> Any:
        await asyncio.sleep(0)
        raise error

    return resolve


@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_an_error_however_it_comes(error: Exception) -> None:
    source = "{\n  a\n  nest {\n    b(number: 1)\n    ...F }\n  list { a }\n}\nfragment F on Query { required }"
    ways: list[Any] = [raising(error), lambda *_, **__: error]
    if not isinstance(error, StopIteration):  # a coroutine cannot raise it
        ways += [raising_later(error), lambda *_, **__: coming(error)]

    for way in ways:
        nest = {"a": way, "b": way, "required": way}
        result = await agreed(SDL, source, root={"a": way, "nest": lambda _i, nest=nest: nest, "list": [nest, None]})

        assert result.errors


async def test_an_error_stands_at_its_path_and_at_all_fields_of_its_name() -> None:
    nest = {"a": raising(RuntimeError("broken"))}

    result = await agreed(SDL, "{\n  x: nest { y: a }\n  x: nest {\n    y: a } }", root={"nest": nest})

    assert result.errors is not None
    [error] = result.errors
    assert error.path == ["x", "y"]
    assert [(place.line, place.column) for place in error.locations or ()] == [(2, 13), (4, 5)]


async def test_extensions_are_those_of_the_error() -> None:
    result = await agreed(SDL, "{ a text }", root={"a": raising(Refused("refused")), "text": "text"})

    assert result.errors is not None
    [error] = result.errors
    assert error.extensions == {"code": "REFUSED", "of": [1, 2]}
    assert result.data == {"a": None, "text": "text"}


async def test_the_same_error_raised_in_many_places() -> None:
    error = GraphQLError("told")

    result = await agreed(SDL, "{ list { a b } a }", root={"list": [{"a": error, "b": error}] * 2, "a": error})

    assert len(result.errors or ()) == 5


async def test_what_is_awaited_is_awaited_no_second_time() -> None:
    result = await agreed(SDL, "{ a }", root={"a": lambda _info: coming(ComingAgain())})

    assert said(result) == [("Int cannot represent non-integer value: <ComingAgain instance>", ["a"])]


class ComingAgain:
    def __await__(self) -> Any:
        raise AssertionError("it was awaited once")


async def test_introspection() -> None:
    source = """
    {
      __typename
      __schema { types { ...T fields(includeDeprecated: true) { name args { name defaultValue type { ...T } } } } }
      __type(name: "Query") { name kind fields { name type { ...T ofType { ...T } } isDeprecated } }
      nothing: __type(name: "Nothing") { name }
      nest { __typename t: __typename list { __typename } }
    }
    fragment T on __Type { kind name }
    """

    result = await agreed(SDL, source, root={"nest": {"list": [{}, None]}})

    assert result.errors is None
    assert result.data is not None
    assert result.data["nest"] == {"__typename": "Query", "t": "Query", "list": [{"__typename": "Query"}, None]}


async def test_the_root_may_be_anything() -> None:
    for root in (None, {}, 5, "text", [], object()):
        await agreed(SDL, "{ a nest { a } __typename }", root=root)
        await agreed(SDL, "{ required }", root=root)


@pytest.mark.parametrize(
    "source",
    [
        "{ nest { a } b: a nest { b: a } a }",
        "{ a ...F nest { text } } fragment F on Query { nest { a ...G } text } fragment G on Query { b text }",
        "{ nest { nest { a } } ... on Query { nest { nest { b } a } } nest { nest { a b } } }",
        "{ list { a } list { nest { b } } list { nest { a } b } }",
        "{ b: b(number: 1) c: b(number: 2) b: b(number: 1) }",
        "{ ...F ...F ... { ...F } } fragment F on Query { a b }",
    ],
)
async def test_fields_of_one_name_are_one_field(source: str) -> None:
    root: dict[str, Any] = {"a": 1, "b": lambda _info, number=None: number, "text": "text"}
    root |= {"nest": root, "list": lambda _info: [root, later(root)]}

    result = await agreed(SDL, source, root=root)

    assert result.errors is None


async def test_giving_up_ends_what_was_started() -> None:
    ended: list[str] = []
    started = asyncio.Event()

    async def waiting(info: Any, **_: object) -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            ended.append(info.field_name)

    schema = schema_of(SDL)
    execution = asyncio.ensure_future(
        by_level(schema, valid(schema, "{ a b text }"), root=dict.fromkeys("ab", waiting))
    )
    await started.wait()
    execution.cancel()

    with pytest.raises(asyncio.CancelledError):
        await execution
    await asyncio.sleep(0)
    assert sorted(ended) == ["a", "b"]
