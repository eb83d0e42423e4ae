"""Requests leave no reference cycles behind, so their objects are freed with the response.

Objects in a cycle stay in memory until the garbage collector runs, and that blocks all requests.
"""

import asyncio
import gc
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from billing.errors import InvalidInput
from db.access.transactions import Sessions
from graph.server.http import DISCONNECT_CHECK_DELAY_SECONDS
from tests.support import Api

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
OURS = tuple(f"{package}." for package in PROJECT["tool"]["importlinter"]["root_packages"])
"""Packages whose objects are checked. The test's HTTP client has cycles of its own."""

NESTED = """{
  customers(first: 2) {
    totalCount
    pageInfo { endCursor }
    edges { cursor node { name subscriptions { nodes {
      plan { name }
      invoices { totalCount nodes { number lines { description } customer { name } } }
    } } } }
  }
}"""

QUERIES = [
    "{ __typename }",
    "{ invoices(first: 5) { nodes { id number amountCents } } }",
    NESTED,
    "{ subscriptions { nodes { upcomingInvoices { amountCents } } } }",
    '{ customer(id: "nothing") { id } plan(id: "01930000-0000-7000-8000-000000000000") { id } }',
]


@contextmanager
def garbage() -> Iterator[Counter[str]]:
    """Counts the objects that the block leaves to the garbage collector, by class."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def ours(found: Counter[str]) -> list[str]:
    return [name for name in found if name.startswith(OURS)]


@pytest.mark.parametrize("query", QUERIES)
async def test_a_query_leaves_nothing_to_the_collector(api: Api, query: str) -> None:
    for _ in range(3):
        await api.a_subscription()
    # Parsing and planning a new document creates cycles in graphql-core, so the first request is not checked.
    first = (await api.post(query)).json()
    with garbage() as found:
        assert (await api.post(query)).json() == first
    assert ours(found) == []


async def test_a_mutation_leaves_nothing_to_the_collector(api: Api) -> None:
    await api.a_subscription()
    with garbage() as found:
        await api.a_subscription()
    assert ours(found) == []


async def test_a_batch_that_fails_leaves_no_task_that_waits_for_another(api: Api, sessions: Sessions) -> None:
    plan, customer = await api.a_plan(), await api.a_customer()
    async with sessions.begin() as session:
        await session.execute(text("ALTER TABLE plans RENAME COLUMN name TO other_name"))
    before = asyncio.all_tasks()  # A browser of other tests has some.

    answer = await api.post(
        "query ($ids: [ID!]!, $id: ID!) { a: nodes(ids: $ids) { id } b: nodes(ids: [$id]) { id } }",
        ids=[plan, customer],
        id=customer,
    )

    assert [error["path"] for error in answer.json()["errors"]] == [["a"]]
    assert asyncio.all_tasks() <= before


async def test_a_query_whose_client_is_watched_leaves_no_task(api: Api, sessions: Sessions) -> None:
    locked = asyncio.Event()

    async def lock() -> None:
        async with sessions.begin() as session:
            await session.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
            locked.set()
            await asyncio.sleep(2 * DISCONNECT_CHECK_DELAY_SECONDS)

    locking = asyncio.create_task(lock())
    await locked.wait()
    before = asyncio.all_tasks()
    await api("{ customers { totalCount } }")
    left = asyncio.all_tasks() - before
    await locking

    assert left == set()


async def test_the_collector_is_seen_to_find_what_is_left() -> None:
    with garbage() as found:
        circle = InvalidInput("A refusal that refers to itself.")
        circle.__context__ = InvalidInput("Another one.")
        circle.__context__.__context__ = circle
        del circle
    assert ours(found) == ["billing.errors.base.InvalidInput"]
