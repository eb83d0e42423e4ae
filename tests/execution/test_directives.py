"""`@skip` and `@include`, on fields and fragments, with literals and variables."""

from itertools import product

import pytest

from graph.execution import QueryPlanCache, QueryPlans
from tests.execution.agreement import Told, agreed, by_level, by_object, schema_of, valid

SDL = "type Query { a: String, b: String, nest: Query, list: [Query!] }"
ROOT: dict[str, object] = {"a": "a", "b": "b"}
ROOT |= {"nest": ROOT, "list": [ROOT, ROOT]}

CONDITIONS = [
    *(f"@{name}(if: {value})" for name in ("skip", "include") for value in ("true", "false")),
    *(f"@skip(if: {skip}) @include(if: {include})" for skip in ("true", "false") for include in ("true", "false")),
]
PLACES = [
    "{ a b %s }",
    "{ a ... on Query %s { b } }",
    "{ a ... %s { b nest { a } } }",
    "{ a ...F %s } fragment F on Query { b nest { b } }",
    "{ a ...F ...F %s } fragment F on Query { b nest { b } }",
    "{ nest { a } nest %s { b } }",
    "{ nest %s { b } nest { a } }",
    "{ a %s a b }",
    "{ list { a b %s } }",
    "{ list { a nest %s { b } } }",
    "{ nest { a %s } }",
    "{ nest { ...F %s } ...F } fragment F on Query { b }",
]


@pytest.mark.parametrize("place", PLACES)
async def test_conditions_that_are_literals(place: str) -> None:
    for condition in CONDITIONS:
        await agreed(SDL, place % condition, root=ROOT)


@pytest.mark.parametrize("place", PLACES)
async def test_conditions_that_are_variables(place: str) -> None:
    schema = schema_of(SDL)
    source = "query ($skip: Boolean!, $include: Boolean! = true) " + place % "@skip(if: $skip) @include(if: $include)"
    document = valid(schema, source)
    plans = QueryPlans(schema, document, QueryPlanCache())

    for skip, include in [*product((True, False), (True, False, None))] * 2:
        variables = {"skip": skip} | ({} if include is None else {"include": include})
        theirs = await by_object(schema, document, root=ROOT, variables=variables)
        ours = await by_level(schema, document, root=ROOT, variables=variables, plans=plans)

        assert Told.of(ours) == Told.of(theirs), variables


async def test_plans_are_kept_for_each_truth() -> None:
    schema = schema_of(SDL)
    names = [f"v{index}" for index in range(6)]
    fields = " ".join(f"{name}: a @include(if: ${name})" for name in names)
    document = valid(schema, f"query ({', '.join(f'${name}: Boolean!' for name in names)}) {{ {fields} }}")
    plans = QueryPlans(schema, document, QueryPlanCache())

    for _ in range(2):
        for truths in product((True, False), repeat=len(names)):
            variables = dict(zip(names, truths, strict=True))
            result = await by_level(schema, document, root=ROOT, variables=variables, plans=plans)

            assert result.data == {name: "a" for name in names if variables[name]}


@pytest.mark.parametrize("value", [None, "true", 1, "missing"])
async def test_a_condition_that_is_no_boolean(value: object) -> None:
    source = "query ($if: Boolean!) { a @skip(if: $if) b }"

    result = await agreed(SDL, source, root=ROOT, variables={} if value == "missing" else {"if": value})

    assert result.data is None


@pytest.mark.parametrize("place", PLACES)
async def test_a_condition_that_is_null(place: str) -> None:
    """With a default, a nullable variable is allowed as a condition. It fails if null is passed."""
    source = "query ($if: Boolean = true) " + place % "@include(if: $if)"

    for variables in ({}, {"if": None}, {"if": False}):
        await agreed(SDL, source, root=ROOT, variables=variables)


async def test_operations_of_one_document_have_plans_of_their_own() -> None:
    schema = schema_of(SDL)
    document = valid(schema, "{ a b nest { a b } list { b a } }")
    other = valid(schema, "{ b a }")

    plans, others = QueryPlans(schema, document, QueryPlanCache()), QueryPlans(schema, other, QueryPlanCache())
    first = await by_level(schema, document, root=ROOT, plans=plans)
    second = await by_level(schema, other, root=ROOT, plans=others)

    assert [*(first.data or {})] == ["a", "b", "nest", "list"]
    assert [*(second.data or {})] == ["b", "a"]
