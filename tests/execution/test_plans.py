"""Query plans: cache keys, lifetime, and objects that an execution leaves behind."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    parse,
)

from graph.execution import BATCH, Field, QueryPlanCache, QueryPlans, ResolveMany, execute
from graph.execution.failures import MAX_FAILURES
from graph.schema.root import core_schema
from graph.server.query_documents import QueryDocuments
from graph.settings import Limits
from tests.execution.agreement import later


async def answer(schema: GraphQLSchema, text: str, root: object = None, **variables: Any) -> Any:
    document = parse(text)
    operation = document.definitions[-1]
    assert isinstance(operation, OperationDefinitionNode)
    return await execute(
        schema, QueryPlans(schema, document, QueryPlanCache()), operation, variables=variables, root_value=root
    )


async def test_what_is_a_condition_in_one_operation_may_be_a_list_in_another() -> None:
    schema = build_schema("type Query { a: Int b(of: [ID!]!): Int }")
    text = "query A($x: Boolean!) { a @skip(if: $x) } query B($x: [ID!]!) { b(of: $x) }"

    found = await answer(schema, text, {"b": lambda _info, of: len(of)}, x=["1", "2"])

    assert (found.data, found.errors) == ({"b": 2}, None)


def test_the_plans_of_a_document_go_with_it() -> None:
    documents = QueryDocuments(core_schema, Limits())

    for number in range(100):
        padding = "# " + "x" * 14_000
        document = documents.of(f"query Q{number} {{ __typename }}\n{padding}")
        assert document.plans is not None
        document.plans.prepare(document.operation(None))

    kept = len(documents._recent)
    assert kept < 50
    assert len(documents._plans._plans) == kept


async def test_an_execution_of_too_many_errors_is_given_up() -> None:
    schema = build_schema("type Query { items: [Item] } type Item { value: Int }")
    items = [{"value": "no number"} for _ in range(50_000)]

    found = await answer(schema, "{ items { value } }", {"items": items})

    assert found.data is None
    assert len(found.errors) == MAX_FAILURES + 1
    assert found.errors[0].path == ["items", 0, "value"]


@pytest.fixture
async def complaints() -> AsyncIterator[list[str]]:
    """Messages of the loop's exception handler, which is replaced for the time of the test. Other
    tests share the loop.
    """
    found: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, said: found.append(said["message"]))
    yield found
    loop.set_exception_handler(None)


async def test_the_loop_does_not_complain_of_the_errors_of_an_execution_that_is_given_up(complaints: list[str]) -> None:
    """The execution stops at `a`. By then, the errors of `b` have occurred as well."""
    schema = build_schema("type Query { items: [Item] } type Item { a: Int b: Int }")
    items = [dict.fromkeys("ab", lambda _info: later(ValueError("broken"))) for _ in range(2 * MAX_FAILURES)]

    async def number_of_errors() -> int:
        return len((await answer(schema, "{ items { a b } }", {"items": items})).errors)

    # A separate task leaves no frame that still references the awaited objects.
    assert await asyncio.create_task(number_of_errors()) == MAX_FAILURES + 1
    gc.collect()
    assert complaints == []


class Slow:
    """Resolves a field for many objects with a coroutine that never finishes."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    def prepare(self, _field: Field) -> ResolveMany:
        async def values(_count: int) -> list[int]:
            self.begun.set()
            return await asyncio.Future()

        def resolve_many(sources: Sequence[Any], _info: object, _arguments: object) -> Any:
            return values(len(sources))

        return resolve_many


async def test_an_execution_that_is_given_up_leaves_nothing_that_was_never_awaited() -> None:
    resolver = Slow()
    slow = GraphQLField(GraphQLNonNull(GraphQLInt), extensions={BATCH: resolver})
    item = GraphQLObjectType("Item", {"a": slow, "b": slow, "c": slow})
    schema = GraphQLSchema(GraphQLObjectType("Query", {"items": GraphQLField(GraphQLList(item))}))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asked = asyncio.ensure_future(answer(schema, "{ items { a b c } }", {"items": [{}, {}]}))
        await resolver.begun.wait()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        del asked
        gc.collect()

    assert [str(each.message) for each in caught] == []
