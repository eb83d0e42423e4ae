"""Generated operations on the server's own schema, over HTTP and a filled database: both executors return the same.

`hypothesis-graphql` generates the queries and `operations` enriches them. They are the same each time;
TESTS_SEED=<number> generates others, TESTS_OPERATIONS=<number> sets their number.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import pytest
from graphql import (
    ArgumentNode,
    ConstValueNode,
    FieldNode,
    IntValueNode,
    NameNode,
    NullValueNode,
    StringValueNode,
    Visitor,
    parse,
    visit,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_graphql import nodes, queries
from rich.console import Console
from sqlalchemy import select

from billing.limits import MAX_CENTS
from cli.demo import fill
from db.access.transactions import Sessions
from db.database import Database
from db.models import Base, Customer
from graph.schema.root import core_schema, sdl
from graph.server.app import create_app
from graph.settings import Settings
from services.demo.terms import PLANS
from tests.execution.operations import Enriched, generated
from tests.support import NOW, Api, TestClock, events_settle, patient

CUSTOMERS = 12
IDS_OF_A_TABLE = 5

TABLES = {
    "customer": "CUSTOMERS",
    "plan": "PLANS",
    "subscription": "SUBSCRIPTIONS",
    "invoice": "INVOICES",
    "payment": "PAYMENTS",
    "testClock": "CLOCKS",
}
"""Last word of the name of the table whose ids each root field takes."""

PLACEHOLDER = re.compile(r'"([A-Z]+)_(\d+)"')
"""Placeholder in an operation for the id or e-mail address of a row, which is unknown until the database is filled."""

GARBAGE = ("", "x", "0" * 36, "00000000-0000-0000-0000-000000000000", "é", "ID")
INSTANTS = ("2026-01-31T12:00:00Z", "2025-06-01T00:00:00+02:00", "1900-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z")
QUERIES = queries(
    sdl(),
    allow_x00=False,
    custom_scalars={
        "ID": (st.integers(0, 200).map("ID_{}".format) | st.sampled_from(GARBAGE)).map(nodes.String),
        "DateTime": st.sampled_from(INSTANTS).map(nodes.String),
        "Cents": st.sampled_from([0, 1, 2900, -1, MAX_CENTS]).map(nodes.Int),
        "Currency": st.sampled_from(["EUR", "USD", "JPY", "XXX", ""]).map(nodes.String),
    },
)


class Sensible(Visitor):
    """Makes most operations useful: valid page sizes, filters that match something, and names that exist.

    Replaces `eventsCursor`, which may differ between two requests: other tests move the end of the feed.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    def enter_field(self, node: FieldNode, *_: object) -> FieldNode:
        arguments = tuple(self._sensible(argument, node.name.value) or argument for argument in node.arguments or ())
        name = NameNode(value="__typename") if node.name.value == "eventsCursor" else node.name
        return FieldNode(
            alias=node.alias,
            name=name,
            arguments=arguments,
            directives=node.directives,
            selection_set=node.selection_set,
        )

    def _sensible(self, node: ArgumentNode, field_name: str) -> ArgumentNode | None:
        if self._random.random() < 0.1:
            return None
        value: ConstValueNode
        match node.name.value:
            case "first":
                value = IntValueNode(value=str(self._random.randrange(1, 6)))
            case "last" | "after" | "before":
                value = NullValueNode()
            case "filter" if self._random.random() < 0.7:
                value = NullValueNode()
            case "id" if field_name in TABLES:
                value = StringValueNode(value=f"{TABLES[field_name]}_{self._random.randrange(IDS_OF_A_TABLE)}")
            case "email":
                value = StringValueNode(value=f"EMAIL_{self._random.randrange(CUSTOMERS)}")
            case "code":
                value = StringValueNode(value=self._random.choice(PLANS)[0])
            case _:
                return None
        return ArgumentNode(name=node.name, value=value)


@dataclass
class Billing:
    """A filled database, and the API over it with each of the executors."""

    by_level: Api
    by_object: Api
    named: dict[str, list[str]]
    met: Counter[str] = field(default_factory=Counter)

    def filled_in(self, text: str) -> str:
        """Returns the text with its placeholders replaced by values."""

        def value(found: re.Match[str]) -> str:
            values = self.named[found[1]]
            return json.dumps(values[int(found[2]) % len(values)])

        return PLACEHOLDER.sub(value, text)


@pytest.fixture
async def billing(
    database: Database, database_url: str, clock: TestClock, sessions: Sessions
) -> AsyncIterator[Billing]:
    await fill(database_url, customers=CUSTOMERS, as_of=NOW, console=Console(quiet=True))
    async with AsyncExitStack() as stack:

        async def api_of(*, fast_executor: bool) -> Api:
            app = create_app(database, clock=clock, settings=patient(Settings(fast_executor=fast_executor)))
            transport = httpx.ASGITransport(app)
            return Api(
                await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://localhost"))
            )

        by_level, by_object = await api_of(fast_executor=True), await api_of(fast_executor=False)
        await more_of_all_kinds(by_level)
        await events_settle(database)
        billing = Billing(by_level, by_object, await names(sessions))
        yield billing

    met = billing.met
    if met["operations"] >= 200:
        assert met["answered"] > 0.7 * met["operations"], met
        assert met["errors"] > 0.05 * met["operations"], met
        assert met["values"] > 4 * met["operations"], met


async def more_of_all_kinds(api: Api) -> None:
    """Adds objects that demo data lacks: a test clock, an API key, a draft, and a pending change."""
    test_clock = await api.mutate("createTestClock", "testClock { id }", name="Leap", frozenAt="2028-02-01T00:00:00Z")
    customer = await api.a_customer(testClockId=test_clock["testClock"]["id"], externalId="external")
    plan, other = await api.a_plan(trialDays=3), await api.a_plan(amountCents=100)
    subscription = await api.a_subscription(customer, plan, quantity=2)
    await api.mutate("changeSubscription", "subscription { id }", id=subscription, planId=other)
    await api.mutate("createApiKey", "apiKey { id }", name="reader", scope="READ")
    line = {"description": "Setup", "quantity": 1, "unitAmountCents": 500}
    await api.mutate("createInvoice", "invoice { id }", customerId=customer, currency="EUR", lines=[line])


async def names(sessions: Sessions) -> dict[str, list[str]]:
    """Returns some ids of each table, and e-mail addresses of customers."""
    found: dict[str, list[str]] = {}
    async with sessions() as session:
        for table in Base.metadata.sorted_tables:
            if "id" in table.c:
                ids = await session.scalars(select(table.c.id).order_by(table.c.id).limit(IDS_OF_A_TABLE))
                found[table.name.split("_")[-1].upper()] = [*map(str, ids)]
        emails = [*await session.scalars(select(Customer.email).order_by(Customer.email))]
    return {**found, "ID": [key for ids in found.values() for key in ids], "EMAIL": emails}


def compared(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Returns the status, the data with its order of keys, and the errors in any order."""
    document = answer.json()
    errors = document.get("errors", [])
    for error in errors:
        error.get("extensions", {}).pop("requestId", None)
    return answer.status_code, json.dumps(document.get("data")), sorted(map(json.dumps, errors))


def values_in(data: Any) -> int:
    """Counts the values in a result that are not null."""
    if isinstance(data, dict):
        return sum(map(values_in, data.values()))
    return sum(map(values_in, data)) if isinstance(data, list) else data is not None


@generated(120)
@given(documents=st.lists(QUERIES, min_size=1, max_size=3), lot=st.integers(0, 2**32))
async def test_both_executors_answer_the_same(billing: Billing, documents: list[str], lot: int) -> None:
    random = Random(lot)
    enriched = Enriched(
        core_schema, [visit(parse(each), Sensible(random)) for each in documents], random, directives=3, aliases=8
    )
    source = billing.filled_in(enriched.source)
    variables = json.loads(billing.filled_in(json.dumps(enriched.variables, ensure_ascii=False)))

    ours = await billing.by_level.post(source, **variables)
    theirs = await billing.by_object.post(source, **variables)

    assert compared(ours) == compared(theirs), source
    answered = ours.json()
    assert all(error["extensions"]["code"] != "INTERNAL_SERVER_ERROR" for error in answered.get("errors", [])), source
    met = billing.met
    met["operations"] += 1
    met["answered"] += "data" in answered
    met["errors"] += len(answered.get("errors", []))
    met["values"] += values_in(answered.get("data"))
