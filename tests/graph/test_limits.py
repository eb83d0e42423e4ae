"""Limits of a request: its cost and its time. Rejections state the numbers, and nothing keeps running."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema, get_introspection_query, parse, print_ast
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from db.database import Database
from graph.schema.root import schema
from graph.server.app import create_app
from graph.server.limits import measure
from graph.server.query_documents import QueryDocuments
from graph.settings import Limits, Settings
from tests.support import PATIENCE_SECONDS, Api, TestClock, counted_statements, patient

SCHEMA: GraphQLSchema = schema._schema
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def limited(
    database: Database, clock: TestClock, *, fast_executor: bool = True, **limits: float
) -> AsyncIterator[Api]:
    """Serves the API with these limits."""
    settings = Settings(limits=Limits(**limits), fast_executor=fast_executor)  # type: ignore[arg-type]
    app = create_app(database, settings=patient(settings), clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield Api(client)


def nested(levels: int) -> str:
    """Returns a document with this many levels."""
    return (
        "{ customer(id: 1) "
        + "{ subscription { customer " * ((levels - 1) // 2)
        + "{ id }"
        + " } }" * ((levels - 1) // 2)
        + "}"
    )


TOO_LARGE = {
    "depth": (nested(21), 21, 20),
    "aliases": ("{ " + " ".join(f"a{i}: __typename" for i in range(19)) + " customer(id: 1) { "
                + " ".join(f"b{i}: id" for i in range(12)) + " } }", 31, 30),
    "root fields": ("{ " + " ".join(f"a{i}: __typename" for i in range(10)) + " ...F } fragment F on Query { "
                    + " ".join(f"b{i}: __typename" for i in range(11)) + " }", 21, 20),
    "directives": ("{ customer(id: 1) { " + "id @skip(if: false) " * 9 + "} }", 9, 8),
    "aliases in introspection": ("{ __schema { " + " ".join(f"a{i}: types {{ kind }}" for i in range(5)) + "} }", 5, 0),
    "schemas": ("{ a: __schema { description } __schema { description } }", 1, 0),
    "parts of types": ("{ __schema { types { fields { type { ofType { fields { name } } } } } } }", 1, 0),
    "characters": ("{ __typename } #" + "x" * 15_000, 15_016, 15_000),
}  # fmt: skip


@pytest.mark.parametrize("what", TOO_LARGE)
async def test_a_document_that_is_too_large_is_refused_with_its_numbers(api: Api, what: str) -> None:
    document, asked, limit = TOO_LARGE[what]

    answer = await api.client.post(
        "/graphql", json={"query": document}, headers={"accept": "application/graphql-response+json"}
    )

    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == (
        "GRAPHQL_PARSE_FAILED" if what == "characters" else "GRAPHQL_VALIDATION_FAILED"
    )
    assert (error["extensions"]["asked"], error["extensions"]["limit"]) == (asked, limit)
    assert str(limit) in error["message"]


async def test_what_is_just_within_the_limits_is_taken(api: Api) -> None:
    assert await api(nested(19)) == {"customer": None}
    assert len(await api("{ " + " ".join(f"a{i}: __typename" for i in range(20)) + " }")) == 20
    assert await api("{ " + "customer(id: 1) { id @skip(if: false) } " * 8 + "}") == {"customer": None}


async def test_too_many_tokens_are_refused(api: Api) -> None:
    answer = await api.post("{ customer(id: 1) { " + "id " * 2000 + "} }")

    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    assert "2000 tokens" in error["message"]


def test_fragments_are_measured_once_however_often_they_are_spread() -> None:
    """Fully expanded, this document has 2^60 fields."""
    fragments = "".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }} " for i in range(60))

    document = QueryDocuments(SCHEMA, Limits()).of(f"{{ ...F0 }} {fragments} fragment F60 on Query {{ __typename }}")

    assert [error.message for error in document.errors] == [
        "The operation has more than 1000000000 root fields; at most 20 are allowed."
    ]


def branching(levels: int) -> str:
    """Returns a document in which each level has three relations that each spread the next level."""
    edges = "id replaces {{ ...F{0} }} replacedBy {{ ...F{0} }} subscription {{ latestInvoice {{ ...F{0} }} }}"
    fragments = "".join(f"fragment F{level} on Invoice {{ {edges.format(level + 1)} }} " for level in range(levels))
    return f"{{ invoice(id: 1) {{ ...F0 }} }} {fragments} fragment F{levels} on Invoice {{ id }}"


async def test_fields_are_counted_in_each_place_where_they_are_spread(api: Api) -> None:
    """Each level has five fields and three times the fields of the next level. Nine levels take 1700 characters."""
    fields = 1
    for _ in range(9):
        fields = 5 + 3 * fields

    answer = (await api.post(branching(9))).json()
    taken = await api(branching(5))

    [error] = answer["errors"]
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED", "asked": fields + 1, "limit": 3_000}
    assert taken == {"invoice": None}


COSTS: list[tuple[str, dict[str, Any], int]] = [
    ("{ __typename }", {}, 0),
    ("{ customer(id: 1) { id name } }", {}, 1),
    ("{ customers { nodes { id } } }", {}, 20),
    ("{ customers(first: 7) { edges { node { id } cursor } pageInfo { endCursor } totalCount } }", {}, 7),
    ("{ customers(first: 50) { nodes { subscriptions(last: 3) { nodes { plan { id } } } } } }", {}, 50 + 150 + 150),
    ("query ($n: Int) { customers(first: $n) { nodes { plans: subscription { plan { id } } } } }", {"n": 10}, 30),
    ("query ($n: Int) { customers(first: $n) { nodes { id } } }", {}, 20),
    ("query ($n: Int = 5) { customers(first: $n) { nodes { id } } }", {}, 5),
    ("query ($n: Int = 5) { customers(first: $n) { nodes { id } } }", {"n": None}, 20),
    ("query ($n: Int) { customers(first: $n, last: 100) { nodes { id } } }", {}, 100),
    ("query ($n: Int, $m: Int) { customers(first: $n, last: $m) { nodes { id } } }", {"m": 30}, 30),
    ("{ customers(first: null, last: 100) { nodes { id } } }", {}, 100),
    ("{ customers(last: null) { nodes { id } } }", {}, 20),
    ("{ events { nodes { id } } }", {}, 100),
    ("{ events(first: 3) { nodes { id } } customer(id: 1) { events { nodes { id } } } }", {}, 3 + 1 + 20),
    ("{ customers(first: -100) @skip(if: true) { nodes { id } } plans(first: 2) { nodes { id } } }", {}, 2),
    ("{ customers(first: 0) { nodes { invoices { nodes { id } } } } }", {}, 0),
    ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a", "b", "c"]}, 3),
    ("{ subscription(id: 1) { upcomingInvoices(count: 4) { lines { kind } } } }", {}, 1 + 4 * 2),
    ("{ ...F } fragment F on Query { customers(first: 2) { nodes { ...C } } } fragment C on Customer { id }", {}, 2),
]  # fmt: skip


@pytest.mark.parametrize(("document", "variables", "nodes"), COSTS)
async def test_the_nodes_that_a_document_could_give(
    api: Api, document: str, variables: dict[str, Any], nodes: int
) -> None:
    answer = (await api.post(document, **variables)).json()

    assert answer["extensions"]["cost"]["nodes"] == nodes
    assert answer["extensions"]["cost"]["limit"] == 20_000


@given(pages=st.lists(st.integers(0, 100), min_size=1, max_size=5))
def test_nodes_are_the_products_along_the_path(pages: list[int]) -> None:
    """Each level of nested pages adds the maximum number of nodes that it can hold."""
    fields = ["customers", "subscriptions", "invoices"]
    document, inner = "", "id"
    for size, field in reversed(list(zip(pages, fields, strict=False))):
        inner = f"{field}(first: {size}) {{ nodes {{ {inner} }} }}"
    document = f"{{ {inner} }}"
    expected, product = 0, 1
    for size in pages[: len(fields)]:
        product *= size
        expected += product

    measured = QueryDocuments(SCHEMA, Limits()).of(document).measured

    assert measured is not None
    assert measured.asked_by(None, {}) == (expected, 0, 0)


MANY_TYPES = (
    f"query ($f: EventFilter = {{type: [{'PLAN_CREATED ' * 100}]}}) {{ events(filter: $f) {{ nodes {{ id }} }} }}"
)
NESTED_LIST = "[" * 100 + "]" * 100

VALUES: list[tuple[str, dict[str, Any], int]] = [
    (MANY_TYPES, {}, 82),
    (MANY_TYPES, {"f": {}}, 0),
    (f"query ($ids: [ID!] = {NESTED_LIST}) {{ nodes(ids: $ids) {{ id }} }}", {}, 80),
    ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a"] * 50}, 31),
    ("query ($n: Int) { customers(first: $n) { nodes { id } } }", {"n": [0] * 50}, 0),
    ("query ($f: EventFilter) { events(filter: $f) { nodes { id } } }", {"f": {"type": ["A"] * 50}}, 32),
]


@pytest.mark.parametrize(("document", "variables", "values"), VALUES)
def test_the_values_of_large_arguments_that_a_document_has(
    document: str, variables: dict[str, Any], values: int
) -> None:
    """Values within variables' defaults count too. Any value of a scalar counts as one."""
    measured = measure(SCHEMA, parse(document), Limits())

    assert measured.errors == ()
    assert measured.asked_by(None, variables)[1] == values


def test_a_variable_is_counted_once_however_often_it_is_used() -> None:
    uses = "".join(f"a{n}: nodes(ids: $ids) {{ id }} " for n in range(20))
    measured = measure(SCHEMA, parse(f"query ($ids: [ID!]!) {{ {uses} }}"), Limits())

    assert measured.asked_by(None, {"ids": ["a"] * 100}) == (2000, 20 * 81, 101)


def test_counting_stops_beyond_the_limit() -> None:
    document = parse("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }")
    measured = measure(SCHEMA, document, Limits(values=100))

    assert measured.asked_by(None, {"ids": [["a"] * 60] * 1000}).counted == 1001
    assert measured.asked_by(None, {"ids": [["a"] * 60] * 90}).counted == 91 + 60


async def test_pages_inside_pages_are_refused_before_anything_is_read(api: Api) -> None:
    document = (
        "query ($n: Int) { customers(first: 100) { nodes { subscriptions(first: $n) { nodes { "
        "invoices(first: 100) { nodes { id } } } } } } }"
    )

    refused, taken = (await api.post(document, n=100)).json(), (await api.post(document, n=10)).json()

    [error] = refused["errors"]
    assert error["extensions"] == {"code": "COST_LIMIT", "asked": 1_010_100, "limit": 500_000}
    assert "data" not in refused
    assert taken["data"] == {"customers": {"nodes": []}}


async def test_rows_are_counted_and_too_many_are_refused(database: Database, clock: TestClock) -> None:
    document = "{ customers { nodes { id subscriptions { nodes { plan { id } } } } } }"
    async with limited(database, clock, rows=9) as api:
        for _ in range(4):
            await api.a_subscription(await api.a_customer(), await api.a_plan())
        fitting = (await api.post(document)).json()
        await api.a_subscription(await api.a_customer(), await api.a_plan())
        refused = (await api.post(document)).json()
        counted = (await api.post("{ customers { totalCount } }")).json()

    # Four customers and four subscriptions. Plans are joined to their subscriptions.
    assert fitting["extensions"]["cost"] == {"nodes": 20 + 400 + 400, "rows": 8, "limit": 9}
    assert "errors" not in fitting
    assert {error["extensions"]["code"] for error in refused["errors"]} == {"COST_LIMIT"}
    assert "9" in refused["errors"][0]["message"]
    assert counted["extensions"]["cost"]["rows"] <= 6


async def test_no_statement_reads_more_than_is_left(database: Database, clock: TestClock) -> None:
    async with limited(database, clock, rows=10) as api:
        customer = await api.a_customer()
        for _ in range(30):
            await api.mutate(
                "createInvoice",
                "invoice { id }",
                customerId=customer,
                currency="EUR",
                lines=[{"description": "Work", "quantity": 1, "unitAmountCents": 5}],
            )
        answer = (
            await api.post(
                "query ($id: ID!) { customer(id: $id) { invoices(first: 100) { nodes { id } } } }", id=customer
            )
        ).json()

    assert answer["errors"][0]["extensions"]["code"] == "COST_LIMIT"
    # One customer, and as many invoices as are needed to see that the limit is exceeded.
    assert answer["extensions"]["cost"]["rows"] == 11


async def test_what_was_read_once_and_is_given_often_counts_as_well(database: Database, clock: TestClock) -> None:
    """The dataloader reads the plan's page once, but three levels of it are 5 + 25 + 125 objects."""
    page = (
        "subscriptions { nodes { id plan { subscriptions { nodes { id plan { subscriptions { nodes { id } } } } } } } }"
    )
    async with limited(database, clock, rows=154) as api:
        plan = await api.a_plan()
        for _ in range(5):
            await api.a_subscription(plan_id=plan)
        refused = (await api.post(f"query ($id: ID!) {{ plan(id: $id) {{ {page} }} }}", id=plan)).json()
    async with limited(database, clock, rows=155) as api:
        taken = (await api.post(f"query ($id: ID!) {{ plan(id: $id) {{ {page} }} }}", id=plan)).json()

    assert {error["extensions"]["code"] for error in refused["errors"]} == {"COST_LIMIT"}
    assert "errors" not in taken
    assert taken["extensions"]["cost"]["rows"] < 20


async def an_invoice(api: Api, lines: int) -> str:
    """Creates a draft with this many lines. Returns its id."""
    payload = await api.mutate(
        "createInvoice",
        "invoice { id }",
        customerId=await api.a_customer(),
        currency="EUR",
        lines=[{"description": "Work", "quantity": 1, "unitAmountCents": 5}] * lines,
    )
    return str(payload["invoice"]["id"])


async def asked_of(api: Api, invoice: str, selection: str) -> Any:
    """Queries an invoice. Returns the set of error codes and the data."""
    answer = (await api.post(f"query ($id: ID!) {{ invoice(id: $id) {{ {selection} }} }}", id=invoice)).json()
    return {error["extensions"]["code"] for error in answer.get("errors", ())}, answer["data"]


@pytest.mark.parametrize("fast_executor", [True, False])
async def test_lists_without_pages_count_as_often_as_they_are_given(
    database: Database, clock: TestClock, *, fast_executor: bool
) -> None:
    """The dataloader reads the lines of an invoice once, but two levels of three lines are 3 + 9 objects."""
    twice = "lines { invoice { lines { id } } }"
    async with limited(database, clock, rows=12, fast_executor=fast_executor) as api:
        invoice = await an_invoice(api, lines=3)
        taken, found = await asked_of(api, invoice, twice)
    async with limited(database, clock, rows=11, fast_executor=fast_executor) as api:
        refused, nothing = await asked_of(api, invoice, twice)

    assert taken == set()
    assert [len(line["invoice"]["lines"]) for line in found["invoice"]["lines"]] == [3, 3, 3]
    assert (refused, nothing) == ({"COST_LIMIT"}, {"invoice": None})


async def test_lists_that_lead_back_to_themselves_are_refused(api: Api) -> None:
    """Four levels of a hundred lines are a hundred million objects from only 101 rows."""
    invoice = await an_invoice(api, lines=100)

    refused, found = await asked_of(api, invoice, "lines { invoice { " * 3 + "lines { id }" + " } }" * 3)

    assert (refused, found) == ({"COST_LIMIT"}, None)


async def test_previews_count_what_they_read(api: Api) -> None:
    subscription = await api.a_subscription()

    answer = await api.post(
        "query ($id: ID!) { subscription(id: $id) { upcomingInvoices(count: 3) { asOf } } }", id=subscription
    )

    # The subscription, its account, and one unpaid invoice; and 10 for each invoice.
    assert answer.json()["extensions"]["cost"] == {"nodes": 1 + 3, "rows": 3 + 30, "limit": 20_000}


def in_relays_form(document: str) -> str:
    """Returns a document as Relay's compiler writes it: `__typename` in each selection but the root of a subscription,
    full `pageInfo` in each page.
    """
    page_info = "pageInfo { endCursor hasNextPage hasPreviousPage startCursor }"
    paged = re.sub(r"\b(nodes|edges) \{", rf"{page_info} \1 {{", print_ast(parse(document)))
    typed = re.sub(r"(?<!: )\{\n", "{ __typename\n", paged)
    return re.sub(r"^(subscription\b.*\{) __typename$", r"\1", typed, flags=re.MULTILINE)


def documents_of_the_product() -> dict[str, str]:
    """Returns the documents in README, docs, playground and client tests, by the place where they appear."""
    found = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for position, block in enumerate(re.findall(r"```graphql\n(.*?)```", path.read_text(), re.DOTALL)):
            found[f"{path.name} {position}"] = block
    shown = len(found)
    for path in sorted((ROOT / "web/graphiql/src/tabs").glob("*.graphql")):
        found[path.name] = path.read_text()
    assert len(found) > shown > 0, "README and playground show something"
    found["clients"] = (ROOT / "tests/clients/operations.graphql").read_text()
    found["introspection"] = get_introspection_query(
        descriptions=True, specified_by_url=True, input_value_deprecation=True
    )
    return found


PRODUCT = documents_of_the_product()


@pytest.mark.parametrize("place", PRODUCT)
def test_what_the_product_shows_is_within_its_own_limits(place: str) -> None:
    relays = PRODUCT[place] if place == "introspection" else in_relays_form(PRODUCT[place])
    documents = QueryDocuments(SCHEMA, Limits())

    for text_ in (PRODUCT[place], relays):
        # A file may have fragments that it does not use yet.
        wrong = [error.message for error in documents.of(text_).errors if "is never used" not in error.message]
        assert wrong == []


def request_scope() -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


async def send_and_leave(app: Any, query: str, leave: asyncio.Event, **variables: Any) -> list[Any]:
    """Sends a query as a client that disconnects once `leave` is set. Returns the messages that the server sends."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await leave.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(request_scope(), receive, send)
    return sent


async def waiting(database: Database) -> int:
    """Returns the number of statements in this database that wait for a lock."""
    async with database.sessions() as session:
        found = await session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
        return int(found or 0)


async def until_waiting(database: Database, number: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await waiting(database) != number:  # noqa: ASYNC110 - PostgreSQL cannot notify us of this
            await asyncio.sleep(0.02)


async def test_a_client_that_goes_away_takes_its_sql_along(database: Database, clock: TestClock) -> None:
    app, leave = create_app(database, clock=clock), asyncio.Event()
    async with database.sessions.begin() as session:
        await session.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
        request = asyncio.create_task(send_and_leave(app, "{ customers { nodes { id } } }", leave))
        await until_waiting(database, 1)
        leave.set()
        sent = await request
        await until_waiting(database, 0)

    assert sent == []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        assert await Api(client)("{ customers { totalCount } }") == {"customers": {"totalCount": 0}}


async def test_a_mutation_is_finished_for_a_client_that_went_away(
    api: Api, database: Database, clock: TestClock
) -> None:
    customer = await api.a_customer()
    app, leave = create_app(database, clock=clock), asyncio.Event()
    rename = 'mutation ($id: ID!) { updateCustomer(input: {id: $id, name: "B"}) { customer { name } } }'
    async with database.sessions.begin() as session:
        await session.execute(text("SELECT FROM customers FOR UPDATE"))
        request = asyncio.create_task(send_and_leave(app, rename, leave, id=customer))
        await until_waiting(database, 1)
        leave.set()
        await asyncio.sleep(0.1)
        assert not request.done()
    await request

    assert await api("query ($id: ID!) { customer(id: $id) { name } }", id=customer) == {"customer": {"name": "B"}}


async def test_a_query_has_a_deadline(api: Api, database: Database, clock: TestClock) -> None:
    async with limited(database, clock, seconds=0.2) as brief, database.sessions.begin() as session:
        await session.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
        # On a busy machine, the deadline may pass before there is a connection.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (answer := await brief.post("{ customers { nodes { id } } }")).status_code == 503:
                pass
        await until_waiting(database, 0)
    after = await api("{ customers { totalCount } }")

    assert answer.status_code == 504
    assert answer.json()["errors"] == [
        {"message": "This took longer than 0.2 s. Request less at a time.", "extensions": {"code": "TIMEOUT"}}
    ]
    assert after == {"customers": {"totalCount": 0}}


NAMES = f"{{ customers(first: 100) {{ nodes {{ {' '.join(f'a{n}: name' for n in range(20))} }} }} }}"


@pytest.mark.parametrize("fast_executor", [True, False])
async def test_an_answer_has_a_limit(database: Database, clock: TestClock, *, fast_executor: bool) -> None:
    async with limited(database, clock, response_bytes=5_000, fast_executor=fast_executor) as api:
        for _ in range(2):
            await api.a_customer(name="A" * 100)
        whole = await api.post(NAMES)
        await api.a_customer(name="A" * 100)
        refused = await api.post(NAMES)

    assert len(whole.json()["data"]["customers"]["nodes"]) == 2
    assert len(whole.content) <= 5_000
    assert refused.json() == {
        "data": None,
        "errors": [
            {
                "message": "The response would have more than 5000 bytes. Request less at a time.",
                "extensions": {"code": "COST_LIMIT", "limit": 5_000},
            }
        ],
    }


async def test_a_mutation_whose_answer_is_too_large_says_that_it_is_done(database: Database, clock: TestClock) -> None:
    rename = "mutation ($id: ID!, $name: String!) { updateCustomer(input: {id: $id, name: $name}) { customer { %s } } }"
    async with limited(database, clock, response_bytes=1_000) as api:
        customer = await api.a_customer()
        names = " ".join(f"a{n}: name" for n in range(20))
        answer = await api.post(rename % names, id=customer, name="B" * 100)
        found = await api("query ($id: ID!) { customer(id: $id) { name } }", id=customer)

    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "COST_LIMIT", "limit": 1_000}
    assert error["message"].startswith("The request was applied")
    assert found == {"customer": {"name": "B" * 100}}


async def test_a_large_answer_is_given_up_while_it_is_built(database: Database, clock: TestClock) -> None:
    """In nested lists, no level is read after the one that exceeds the limit."""
    inner = "invoices { nodes { id customer { invoices { nodes { id customer { email } } } } } }"
    async with limited(database, clock, response_bytes=3_000) as api:
        for _ in range(5):
            await an_invoice(api, lines=1)
        with counted_statements(database) as few:
            taken = await api.post("{ customers { nodes { name } } }")
        with counted_statements(database) as statements:
            refused = await api.post(
                f"{{ customers {{ nodes {{ {' '.join(f'a{n}: email' for n in range(25))} {inner} }} }} }}"
            )

    assert "errors" not in taken.json()
    assert [error["extensions"]["code"] for error in refused.json()["errors"]] == ["COST_LIMIT"]
    assert len(statements) == len(few)


async def test_the_deadline_covers_the_answer_to_its_last_byte(
    database: Database, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are read in time, but serializing them takes too long."""
    async with limited(database, clock, seconds=0.3) as api:
        await api.a_customer()

        def slow(document: object) -> bytes:
            time.sleep(0.4)
            return json.dumps(document).encode()

        monkeypatch.setattr("graph.server.http.orjson.dumps", slow)
        answer = await api.post("{ customers { nodes { id } } }")

    assert answer.status_code == 504
    assert answer.json()["errors"][0]["extensions"]["code"] == "TIMEOUT"


async def test_a_body_has_a_limit_of_its_own(database: Database, clock: TestClock) -> None:
    async with limited(database, clock, body_bytes=100) as api:
        answer = await api.post("{ __typename } # " + "x" * 100)

    assert answer.status_code == 413
    assert "100 bytes" in answer.json()["errors"][0]["message"]
