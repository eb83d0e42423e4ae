"""Arguments and variables: with defaults, of each type, valid and invalid."""

import json
from typing import Any

import pytest
from graphql import ExecutionResult

from graph.execution import QueryPlanCache, QueryPlans
from tests.execution.agreement import Told, agreed, by_level, by_object, said, schema_of, valid

SDL = """
enum Colour { RED, GREEN }
input Point { x: Int!, y: Int = 7, colour: Colour, next: Point, tags: [String!] }
input Either @oneOf { a: Int, b: String }
type Query {
  text(text: String): String
  required(number: Int!): String
  preset(number: Int = 5, colour: Colour! = RED): String
  point(point: Point): String
  points(points: [Point!]): String
  either(either: Either!): String
  all(int: Int, float: Float, id: ID, boolean: Boolean, colour: Colour, list: [[Int]]): String
  nest(number: Int): Query
}
"""


def told(_info: object, **arguments: Any) -> str:
    return json.dumps(arguments)


ROOT: dict[str, Any] = dict.fromkeys(("text", "required", "preset", "point", "points", "either", "all"), told)
ROOT["nest"] = lambda _info, **arguments: {**ROOT, "text": lambda info, **more: told(info, **arguments, **more)}


async def answered(source: str, **variables: Any) -> ExecutionResult:
    return await agreed(SDL, source, root=ROOT, variables=variables)


@pytest.mark.parametrize(
    "source",
    [
        '{ text a: text(text: "a") b: text(text: null) c: text(text: """b\\n  c""") }',
        "{ required(number: 1) preset a: preset(number: null) b: preset(number: 1, colour: GREEN) }",
        "{ point(point: {x: 1}) a: point(point: {x: 1, y: null, colour: RED, next: {x: 2, tags: []}}) }",
        '{ points(points: [{x: 1}, {x: 2, tags: ["a", "b"]}]) a: points(points: {x: 3}) b: points(points: []) }',
        '{ either(either: {a: 1}) a: either(either: {b: "b"}) }',
        "{ all(int: 1, float: 2, id: 3, boolean: true, colour: RED, list: [1, [2, null], null]) }",
        '{ all(id: "x", float: 1e3) }',
        '{ nest(number: 1) { text(text: "a") nest(number: 2) { text } nest(number: 2) { a: text } } }',
    ],
)
async def test_literals(source: str) -> None:
    result = await answered(source)

    assert result.errors is None


@pytest.mark.parametrize(
    ("definitions", "selection", "variables"),
    [
        ("$text: String", "text(text: $text)", [{}, {"text": None}, {"text": "a"}, {"text": 1}, {"text": ["a"]}]),
        ('$text: String = "b"', "text(text: $text)", [{}, {"text": None}, {"text": "a"}]),
        (
            "$number: Int!",
            "required(number: $number)",
            [{}, {"number": None}, {"number": 1}, {"number": "1"}, {"number": 2.5}],
        ),
        ("$number: Int! = 3", "required(number: $number)", [{}, {"number": None}, {"number": 1}]),
        ("$number: Int = 3", "required(number: $number)", [{}, {"number": None}, {"number": 1}]),
        (
            "$number: Int, $colour: Colour = GREEN",
            "preset(number: $number, colour: $colour)",
            [{}, {"number": None}, {"colour": None}, {"colour": "RED"}, {"colour": "BLUE"}, {"number": 2**31}],
        ),
        (
            "$x: Int!, $y: Int, $tags: [String!]",
            "point(point: {x: $x, y: $y, tags: $tags})",
            [
                {"x": 1},
                {"x": 1, "y": None},
                {"x": 1, "y": 2, "tags": ["a"]},
                {"x": 1, "tags": "a"},
                {"x": 1, "tags": [None]},
            ],
        ),
        (
            "$point: Point",
            "point(point: $point)",
            [
                {},
                {"point": {"x": 1}},
                {"point": {}},
                {"point": {"x": 1, "z": 1}},
                {"point": {"x": 1, "next": {"x": "1"}}},
                {"point": 1},
            ],
        ),
        (
            "$points: [Point!]",
            "points(points: $points) a: points(points: $points)",
            [
                {"points": [{"x": 1}, {"x": 2, "y": 1}]},
                {"points": {"x": 1}},
                {"points": [None]},
                {"points": [{"x": None}, {"y": 1}]},
            ],
        ),
        ("$point: Point!", "points(points: [{x: 1}, $point])", [{"point": {"x": 2}}]),
        ("$a: Int!", "either(either: {a: $a})", [{"a": 1}]),
        (
            "$either: Either!",
            "either(either: $either)",
            [{"either": {"a": 1}}, {"either": {"a": 1, "b": "b"}}, {"either": {}}, {"either": {"a": None}}],
        ),
        (
            "$float: Float, $id: ID, $boolean: Boolean",
            "all(float: $float, id: $id, boolean: $boolean)",
            [
                {"float": 1, "id": 1, "boolean": True},
                {"float": "1"},
                {"id": True},
                {"id": 1.5},
                {"boolean": 1},
                {"boolean": "true"},
                {"float": float("inf")},
            ],
        ),
        (
            "$list: [[Int]]",
            "all(list: $list)",
            [{"list": [[1], None]}, {"list": 1}, {"list": [1, 2]}, {"list": [["a"]]}],
        ),
        ("$inner: [Int]", "all(list: [$inner, [1]])", [{}, {"inner": 1}, {"inner": [1, None]}]),
    ],
)
async def test_variables(definitions: str, selection: str, variables: list[dict[str, Any]]) -> None:
    source = f"query ({definitions}) {{ {selection} nest(number: 9) {{ {selection} }} }}"
    schema = schema_of(SDL)
    document = valid(schema, source)
    plans = QueryPlans(schema, document, QueryPlanCache())

    for given in variables:
        theirs = await by_object(schema, document, root=ROOT, variables=given)
        ours = await by_level(schema, document, root=ROOT, variables=given, plans=plans)

        assert Told.of(ours) == Told.of(theirs), given


async def test_a_variable_that_does_not_fit_keeps_all_from_being_run() -> None:
    result = await answered("query ($number: Int!) { required(number: $number) }", number="one")

    assert result.data is None
    assert said(result) == [
        ("Variable '$number' has invalid value: Int cannot represent non-integer value: 'one'", None)
    ]


async def test_null_from_a_variable_where_none_may_stand_is_an_error_of_the_field() -> None:
    result = await answered("query ($number: Int = 1) { required(number: $number) text }", number=None)

    assert result.data == {"required": None, "text": "{}"}
    assert [path for _, path in said(result)] == [["required"]]


async def test_as_many_errors_of_variables_are_told() -> None:
    names = [f"n{index}" for index in range(60)]
    definitions = ", ".join(f"${name}: Int!" for name in names)
    source = f"query ({definitions}) {{ {' '.join(f'{name}: required(number: ${name})' for name in names)} }}"

    result = await answered(source)

    assert len(result.errors or ()) == 51


async def test_arguments_are_changed_by_one_resolver_alone() -> None:
    def spoilt(_info: object, **arguments: Any) -> str:
        arguments.clear()
        return "spoilt"

    schema = schema_of(SDL)
    document = valid(schema, "{ a: required(number: 1) }")
    plans = QueryPlans(schema, document, QueryPlanCache())

    await by_level(schema, document, root={"required": spoilt}, plans=plans)
    result = await by_level(schema, document, root=ROOT, plans=plans)

    assert result.data == {"a": '{"number": 1}'}


async def test_out_names_of_arguments() -> None:
    schema = schema_of('type Query { text(text: String = "a"): String } # of its own')
    query = schema.query_type
    assert query is not None
    query.fields["text"].args["text"].out_name = "renamed"

    result = await agreed(schema, '{ text b: text(text: "b") }', root={"text": told})

    assert result.data == {"text": '{"renamed": "a"}', "b": '{"renamed": "b"}'}
