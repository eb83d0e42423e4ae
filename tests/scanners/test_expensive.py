"""Documents within all limits: reading one takes little time, and its API key is charged for it."""

from pathlib import Path
from random import Random

import pytest
from graphql import GraphQLSyntaxError, get_introspection_query, parse, validate

from bench.operations import OPERATIONS
from graph.schema.root import core_schema
from graph.server.query_documents import MAX_ERRORS, MERGE_BUDGET, RULES
from graph.settings import Limits
from tests.scanners.expensive import START, Recipe, calls_of, candidates, keep, read

MOST_CALLS = 900_000
"""Maximum number of function calls, about as many as take one `bench.machine.reference_ms`."""

TRIED = 30

LEVELS = Recipe(fragments=8, copies=30, turns=(0, 1))
"""`subscription { plan { id } }` 240 times on one customer: each pair must be merged, and so must their selections."""

ROOT = Path(__file__).parents[2]


def test_no_document_that_a_short_search_finds_is_expensive() -> None:
    best: list[tuple[float, Recipe]] = []

    for _, recipe in zip(range(TRIED), candidates(Random(7), best), strict=False):
        keep(best, calls_of(recipe), recipe)

    calls, worst = best[0]
    assert calls <= MOST_CALLS, worst


def test_fields_that_are_merged_level_by_level_are_refused_in_time() -> None:
    document = read(LEVELS.text())

    [error] = document.errors
    assert error.extensions == {"code": "GRAPHQL_VALIDATION_FAILED", "limit": MERGE_BUDGET}
    assert document.rows > 200


@pytest.mark.parametrize(
    "text",
    [
        get_introspection_query(input_value_deprecation=True, specified_by_url=True, schema_description=True),
        (ROOT / "tests" / "clients" / "operations.graphql").read_text(),
        *(path.read_text() for path in sorted((ROOT / "web" / "graphiql" / "src" / "tabs").glob("*.graphql"))),
        *(operation.document for operation in OPERATIONS),
    ],
)
def test_what_people_ask_is_admitted(text: str) -> None:
    assert read(text).errors == ()


def test_what_a_document_is_charged_grows_with_the_work() -> None:
    assert read("{ __typename }").rows == 0
    assert read(get_introspection_query()).rows < 20
    small, large = (read(Recipe(fragments=2, copies=copies).text()).rows for copies in (5, 20))
    assert 0 < small < large


def test_within_the_budget_the_verdict_is_that_of_graphql() -> None:
    random, compared = Random(3), 0
    recipes = [recipe.changed(random) for _ in range(20) for recipe in START]

    for recipe in recipes:
        text = recipe.text()
        if len(text) > 4000:
            continue
        document = read(text)
        if any("limit" in (error.extensions or {}) for error in document.errors):
            continue
        try:
            parsed = parse(text, max_tokens=Limits().tokens)
        except GraphQLSyntaxError:
            assert document.errors
            continue
        theirs = validate(core_schema, parsed, RULES, max_errors=MAX_ERRORS)
        assert [error.message for error in document.errors] == [error.message for error in theirs]
        compared += 1

    assert compared > 50
