"""The page limit set by the operator applies to every list, whether the size is a literal, a variable or a default."""

from typing import Any

import pytest
from graphql import GraphQLSchema, parse

from db.database import Database
from graph.schema.root import schema
from graph.server.limits import measure
from graph.settings import Limits
from tests.graph.test_limits import limited
from tests.support import Api, TestClock, events_settle

SCHEMA: GraphQLSchema = schema._schema

OF_ALL = "query ($n: Int, $m: Int) { customers(first: $n, last: $m) { nodes { id } } }"
ON_A_ROW = "query ($n: Int, $m: Int) { plans { nodes { subscriptions(first: $n, last: $m) { nodes { id } } } } }"
FEED = "query ($n: Int) { events(first: $n) { nodes { id } } }"
FEED_ON_A_ROW = "query ($n: Int) { customers { nodes { events(first: $n) { nodes { id } } } } }"

TOO_MANY: dict[str, tuple[str, dict[str, int], str]] = {
    "first": ("{ customers(first: 6) { nodes { id } } }", {}, "first"),
    "last": ("{ customers(last: 6) { nodes { id } } }", {}, "last"),
    "first by variable": (OF_ALL, {"n": 6}, "first"),
    "last by variable": (OF_ALL, {"m": 6}, "last"),
    "first by a variable's default": ("query ($n: Int = 6) { customers(first: $n) { nodes { id } } }", {}, "first"),
    "first on a row": (ON_A_ROW, {"n": 6}, "first"),
    "last on a row": (ON_A_ROW, {"m": 6}, "last"),
    "events": (FEED, {"n": 6}, "first"),
    "events on a row": (FEED_ON_A_ROW, {"n": 6}, "first"),
    "less than nothing": (OF_ALL, {"n": -1}, "first"),
}

JUST_ENOUGH: dict[str, tuple[str, dict[str, int | None]]] = {
    "first": (OF_ALL, {"n": 5}),
    "last": (OF_ALL, {"m": 5}),
    "by default": (OF_ALL, {}),
    "null": (OF_ALL, {"n": None, "m": None}),
    "first on a row": (ON_A_ROW, {"n": 5}),
    "last on a row": (ON_A_ROW, {"m": 5}),
    "by default on a row": (ON_A_ROW, {}),
    "events": (FEED, {"n": 5}),
    "events by default": (FEED, {}),
    "events on a row": (FEED_ON_A_ROW, {"n": 5}),
    "events by default on a row": (FEED_ON_A_ROW, {}),
}


async def six_of_each(api: Api) -> None:
    """Creates six customers with six events each, all subscribed to one plan."""
    plan = await api.a_plan()
    for _ in range(6):
        customer = await api.a_customer()
        await api.a_subscription(customer, plan)
        for name in ("Grace", "Hedy"):
            await api.mutate("updateCustomer", "customer { id }", id=customer, name=name)


def sizes(data: Any) -> set[int]:
    """Returns the sizes of the innermost pages."""
    [connection] = data.values()
    nodes = connection["nodes"]
    if nodes and nodes[0].keys() != {"id"}:
        return {size for node in nodes for size in sizes(node)}
    return {len(nodes)}


@pytest.mark.parametrize("fast_executor", [True, False])
async def test_what_asks_for_more_is_refused_with_the_number_in_force(
    database: Database, clock: TestClock, *, fast_executor: bool
) -> None:
    async with limited(database, clock, fast_executor=fast_executor, page=5) as api:
        await api.a_subscription()
        answers = {
            how: (await api.post(document, **variables)).json() for how, (document, variables, _) in TOO_MANY.items()
        }

    refused = {
        how: [(error["message"], error["extensions"]["code"]) for error in answer["errors"]]
        for how, answer in answers.items()
    }
    assert refused == {
        how: [(f"`{argument}` must be between 0 and 5.", "BAD_USER_INPUT")]
        for how, (_, _, argument) in TOO_MANY.items()
    }


@pytest.mark.parametrize("fast_executor", [True, False])
async def test_a_page_is_as_large_as_it_may_be(database: Database, clock: TestClock, *, fast_executor: bool) -> None:
    async with limited(database, clock, fast_executor=fast_executor, page=5) as api:
        await six_of_each(api)
        await events_settle(database)
        found = {how: sizes(await api(document, **variables)) for how, (document, variables) in JUST_ENOUGH.items()}

    assert found == {how: {5} for how in JUST_ENOUGH}


async def test_no_more_objects_are_asked_for_by_their_ids(database: Database, clock: TestClock) -> None:
    document = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    async with limited(database, clock, page=5) as api:
        ids = [await api.a_customer() for _ in range(6)]
        taken = await api(document, ids=ids[:5])
        refused = (await api.post(document, ids=ids)).json()

    assert taken == {"nodes": [{"id": each} for each in ids[:5]]}
    assert [error["message"] for error in refused["errors"]] == ["`ids` must have at most 5 items."]


async def test_pages_may_be_larger(database: Database, clock: TestClock) -> None:
    async with limited(database, clock, page=150) as api:
        for number in range(101):
            await api.a_customer(email=f"{number}@example.com")
        await events_settle(database)
        data = await api("{ customers(first: 150) { nodes { id } } }")
        by_default = await api("{ customers { nodes { id } } }")
        events = await api("{ events { nodes { id } } }")
        refused = (await api.post("{ customers(last: 151) { nodes { id } } }")).json()

    assert (sizes(data), sizes(by_default), sizes(events)) == ({101}, {20}, {100})
    assert [error["message"] for error in refused["errors"]] == ["`last` must be between 0 and 150."]


async def test_unless_that_is_set_it_is_a_hundred(api: Api) -> None:
    taken = await api("{ customers(first: 100) { nodes { id } } events(first: 100) { nodes { id } } }")
    refused = (await api.post("{ customers(first: 101) { nodes { id } } }")).json()
    of_events = (await api.post("{ events(first: 101) { nodes { id } } }")).json()

    assert taken == {"customers": {"nodes": []}, "events": {"nodes": []}}
    for answer in (refused, of_events):
        assert [error["message"] for error in answer["errors"]] == ["`first` must be between 0 and 100."]


LINES = "query ($n: Int! = 7) { subscription(id: 1) { upcomingInvoices(count: $n) { kind } } }"

COSTS: list[tuple[int, str, dict[str, Any], int]] = [
    (5, "{ customers { nodes { id } } }", {}, 5),
    (5, "{ customers(first: 4) { nodes { id } } }", {}, 4),
    (5, "{ customers(first: 9999999999) { nodes { id } } }", {}, 5),
    (5, OF_ALL, {}, 5),
    (5, OF_ALL, {"n": 4}, 4),
    (5, OF_ALL, {"n": 80}, 5),
    (5, OF_ALL, {"n": True}, 5),
    (5, OF_ALL, {"n": "many"}, 5),
    (5, "query ($n: Int = 80) { customers(first: $n) { nodes { id } } }", {}, 5),
    (5, "{ events { nodes { id } } }", {}, 5),
    (5, "{ customers { nodes { events { nodes { id } } } } }", {}, 5 + 5 * 5),
    # Neither list has pages.
    (5, LINES, {}, 1 + 7),
    (5, LINES, {"n": 9}, 1 + 9),
    (300, "{ customers { nodes { id } } }", {}, 20),
    (300, "{ customers(last: 250) { nodes { id } } }", {}, 250),
    (300, OF_ALL, {"m": 250}, 250),
    (300, OF_ALL, {"m": 301}, 300),
    (300, "{ events { nodes { id } } }", {}, 100),
    (300, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a"] * 250}, 250),
]


@pytest.mark.parametrize(("page", "document", "variables", "nodes"), COSTS)
def test_the_cost_of_a_document_is_by_that_number(
    page: int, document: str, variables: dict[str, Any], nodes: int
) -> None:
    measured = measure(SCHEMA, parse(document), Limits(page=page))

    assert measured.errors == ()
    assert measured.asked_by(None, variables)[0] == nodes
