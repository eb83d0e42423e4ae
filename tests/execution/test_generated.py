"""Generated operations on a schema in which any field may fail: both executors return the same.

`hypothesis-graphql` generates operations, `operations` enriches them, and `world` draws the result of each field. The
operations are the same each time; TESTS_SEED=<number> generates others, TESTS_OPERATIONS=<number> sets their number. If
the results report different errors, `races` decides if that is allowed.
"""

import gc
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from random import Random

import pytest
from graphql import parse, validate
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_graphql import mutations, queries

from graph.execution import QueryPlanCache, QueryPlans
from tests.execution.agreement import Told, by_level, by_object
from tests.execution.operations import Enriched, generated
from tests.execution.races import excused, occurrences
from tests.execution.world import Loading, World, root_of, schema

WORLDS = [(0, 40), (6, 0), (8, 20), (20, 50)]
"""Percentages of fields that fail and that are awaited. Each operation is executed with every pair."""

MOST_INVALID = 0.05
"""Maximum share of invalid operations: variables instead of arguments can make fields of the same name conflict."""

MOST_RACES = 0.1
"""Maximum share of comparisons in which a race decides the reported error. Observed: up to 5 of 100."""

QUERIES = queries(schema, allow_x00=False)
MUTATIONS = mutations(schema, allow_x00=False)
LOTS = st.integers(0, 2**32)

COLLECTED_AFTER = 20

met: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
async def enough_was_compared() -> AsyncIterator[None]:
    """Asserts after all tests that the operations covered errors and nulls, and that races were rare."""
    gc.disable()
    try:
        yield
    finally:
        collect()
        gc.enable()
    if met["documents"] >= 300:
        assert met["compared"] >= (1 - MOST_INVALID) * len(WORLDS) * met["documents"], met
        assert met["errors"] > met["compared"] / 2, met
        assert met["nulled"] > 20, met
        assert met["races"] < MOST_RACES * met["compared"], met


def collect() -> None:
    """Frees coroutines that graphql-core cancelled without awaiting them, and ignores the warnings about these."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()


@pytest.mark.filterwarnings("ignore:coroutine '.*' was never awaited:RuntimeWarning")
@generated(200)
@given(documents=st.lists(QUERIES, min_size=1, max_size=4) | st.lists(MUTATIONS, min_size=1, max_size=3), lot=LOTS)
async def test_both_executors_answer_the_same(documents: list[str], lot: int) -> None:
    enriched = Enriched(schema, [parse(each) for each in documents], Random(lot))
    parsed = parse(enriched.source)
    met["documents"] += 1
    if met["documents"] % COLLECTED_AFTER == 0:
        collect()
    if validate(schema, parsed):
        return
    plans = QueryPlans(schema, parsed, QueryPlanCache())
    for trouble, waiting in WORLDS:
        root = root_of(enriched.operation, World(lot, trouble, waiting))

        theirs = await by_object(schema, parsed, variables=enriched.variables, root=root, context=Loading())
        ours = await by_level(schema, parsed, variables=enriched.variables, root=root, context=Loading(), plans=plans)

        if Told.of(ours) != Told.of(theirs):
            context = Loading()
            occurring = await occurrences(schema, parsed, context, variable_values=enriched.variables, root_value=root)
            one_by_one = enriched.operation == "mutation"
            assert excused(ours, theirs, occurring, one_by_one=one_by_one), (Told.of(ours), Told.of(theirs))
            met["races"] += 1
        met["compared"] += 1
        met["errors"] += len(ours.errors or ())
        met["nulled"] += ours.data is None
