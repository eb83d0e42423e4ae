"""Lists that are merged of several pages give what the rows say, page by page, both ways."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing.ids import CustomerId
from db.database import Database
from graph.server.app import create_app
from graph.settings import Settings
from tests.access.conftest import a_session
from tests.growth.rows import fill, key
from tests.support import Api, TestClock

VOID_OR_DRAFT = ("status: [VOID, DRAFT, UNCOLLECTIBLE]", "status IN ('VOID', 'DRAFT')")
ONE_OFF = ("kind: [ONE_OFF]", "kind = 'ONE_OFF'")
YEN = ('currency: "JPY", status: [PAID, OPEN]', "currency = 'JPY' AND status IN ('PAID', 'OPEN')")
NEW = (
    "status: [OPEN, PAID], kind: [RECURRING]",
    "created_at >= (SELECT max(created_at) FROM invoices) - interval '4 hour'",
)
DUE = (
    'dueAt: {from: "2016-03-17T12:00:00Z", until: "2016-03-17T15:00:00Z"}',
    "due_at >= '2016-03-17T12:00:00Z' AND due_at < '2016-03-17T15:00:00Z'",
)
DUE_AND_PAID = (f"status: [PAID, DRAFT], {DUE[0]}", f"{DUE[1]} AND status = 'PAID'")
NONE = ("status: []", "false")


@pytest.fixture(scope="module")
async def filled(module_database_url: str) -> AsyncIterator[Database]:
    await fill(module_database_url, 0, 20_000)
    database = Database(module_database_url)
    yield database
    await database.close()


@pytest.fixture
async def lists(filled: Database) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(create_app(filled))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client)


async def ids(database: Database, condition: str, order: str) -> list[str]:
    statement = f"SELECT id::text FROM invoices WHERE {condition} AND test_clock_id IS NULL ORDER BY {order}"
    async with database.sessions() as session:
        return list((await session.scalars(text(statement))).all())


@pytest.mark.parametrize("order", ["CREATED_AT", "AMOUNT", "PERIOD_START"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(
    ("asked", "condition"),
    [VOID_OR_DRAFT, ONE_OFF, YEN, DUE, DUE_AND_PAID, NONE],
    ids=["statuses", "kind", "currency and statuses", "span", "span and statuses", "nothing"],
)
async def test_a_list_of_several_values_has_all_its_rows_once_in_order(
    filled: Database, lists: Api, asked: str, condition: str, order: str, direction: str
) -> None:
    columns = {"CREATED_AT": "created_at", "AMOUNT": "amount_cents", "PERIOD_START": "period_start"}
    expected = await ids(filled, condition, f"{columns[order]} {direction}, id {direction}")

    for counted, cursor, end, more in (
        ("first", "after", "endCursor", "hasNextPage"),
        ("last", "before", "startCursor", "hasPreviousPage"),
    ):
        found: list[str] = []
        place: str | None = None
        while True:
            query = f"""query ($place: String) {{ invoices({counted}: 7, {cursor}: $place, filter: {{{asked}}},
              orderBy: {{field: {order}, direction: {direction}}}) {{
                nodes {{ id customer {{ name }} }} pageInfo {{ {end} {more} }} totalCount }} }}"""
            page: Any = (await lists(query, place=place))["invoices"]
            nodes = [node["id"] for node in page["nodes"]]
            found = [*found, *nodes] if counted == "first" else [*nodes, *found]
            assert page["totalCount"] == len(expected)
            if not page["pageInfo"][more]:
                break
            place = page["pageInfo"][end]
        assert found == expected


async def test_of_many_rows_in_a_span_the_first_are_given(filled: Database, lists: Api) -> None:
    everything = 'dueAt: {from: "2016-01-01T00:00:00Z", until: "2030-01-01T00:00:00Z"}'
    expected = await ids(filled, "due_at IS NOT NULL", "created_at, id LIMIT 30")

    found = await lists(f"{{ invoices(first: 30, filter: {{{everything}}}) {{ nodes {{ id }} }} }}")

    assert [node["id"] for node in found["invoices"]["nodes"]] == expected


async def test_a_customer_sees_no_others_in_any_of_the_merged_pages(filled: Database, clock: TestClock) -> None:
    customer = key("customer", 5)
    token = await a_session(filled, clock, CustomerId(customer))  # type: ignore[arg-type]
    app = create_app(filled, settings=Settings(requires_key=True), clock=clock)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost", headers={"authorization": f"Bearer {token}"}
    ) as client:
        api = Api(client)
        expected = await ids(filled, f"customer_id = '{customer}'", "created_at, id")
        for asked in (
            "status: [PAID, OPEN]",
            "kind: [RECURRING]",
            'dueAt: {until: "2030-01-01T00:00:00Z"}',
            'currency: "EUR"',
        ):
            found = await api(f"{{ invoices(first: 100, filter: {{{asked}}}) {{ totalCount nodes {{ id }} }} }}")
            assert [node["id"] for node in found["invoices"]["nodes"]] == expected
            assert found["invoices"]["totalCount"] == len(expected)
