"""Lists merged from several pages match the rows in the database, page by page, in both directions."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import httpx
import pytest
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import text

from billing.ids import CustomerId
from db.database import Database
from db.driver.connection import driver_connection
from graph.server.app import create_app
from graph.settings import Settings
from tests.access.conftest import a_session
from tests.growth.rows import fill, key
from tests.growth.test_growth import noting
from tests.support import PATIENT_DATABASE, Api, TestClock, events_settle, patient

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
    database = Database(module_database_url, PATIENT_DATABASE)
    yield database
    await database.close()


@pytest.fixture
async def lists(filled: Database) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(create_app(filled, settings=patient()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client)


async def ids(database: Database, condition: str, order: str) -> list[str]:
    statement = f"SELECT id::text FROM invoices WHERE {condition} AND test_clock_id IS NULL ORDER BY {order}"
    async with database.sessions() as session:
        return list((await session.scalars(text(statement))).all())


@pytest.mark.parametrize("order", ["CREATED_AT", "AMOUNT", "PERIOD_START", "DUE_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(
    ("asked", "condition"),
    [VOID_OR_DRAFT, ONE_OFF, YEN, DUE, DUE_AND_PAID, NONE],
    ids=["statuses", "kind", "currency and statuses", "span", "span and statuses", "nothing"],
)
async def test_a_list_of_several_values_has_all_its_rows_once_in_order(
    filled: Database, lists: Api, asked: str, condition: str, order: str, direction: str
) -> None:
    column = {"AMOUNT": "amount_cents"}.get(order, order.lower())
    expected = await ids(filled, f"{condition} AND {column} IS NOT NULL", f"{column} {direction}, id {direction}")

    for counted, cursor, end, more in (
        ("first", "after", "endCursor", "hasNextPage"),
        ("last", "before", "startCursor", "hasPreviousPage"),
    ):
        found: list[str] = []
        place: str | None = None
        while True:
            query = f"""query ($place: String) {{ invoices({counted}: 7, {cursor}: $place, filter: {{{asked}}},
              orderBy: {{field: {order}, direction: {direction}}}) {{
                nodes {{ id customer {{ name }} }} pageInfo {{ {end} {more} }} totalCount
                count {{ value precision }} }} }}"""
            page: Any = (await lists(query, place=place))["invoices"]
            nodes = [node["id"] for node in page["nodes"]]
            found = [*found, *nodes] if counted == "first" else [*nodes, *found]
            assert page["totalCount"] == len(expected)
            assert page["count"] == {"value": len(expected), "precision": "EXACT"}
            if not page["pageInfo"][more]:
                break
            place = page["pageInfo"][end]
        assert found == expected


ENDS = (
    'currentPeriodEnd: {from: "2016-03-01T12:00:00Z", until: "2016-03-02T15:00:00Z"}',
    "current_period_end >= '2016-03-01T12:00:00Z' AND current_period_end < '2016-03-02T15:00:00Z'",
)
LIVE_ENDS = (
    'status: [ACTIVE, PAST_DUE], currentPeriodEnd: {from: "2016-03-10T12:00:00Z", until: "2016-03-11T15:00:00Z"}',
    "status = 'ACTIVE' AND current_period_end BETWEEN '2016-03-10T12:00:00Z' AND '2016-03-11T14:59:59Z'",
)
TRIAL_ENDS = (
    'trialEnd: {from: "2016-02-03T12:00:00Z", until: "2016-02-04T15:00:00Z"}, status: [CANCELED, TRIALING, ACTIVE]',
    "trial_end >= '2016-02-03T12:00:00Z' AND trial_end < '2016-02-04T15:00:00Z'",
)
CANCELED = (
    'canceledAt: {from: "2016-01-15T12:00:00Z", until: "2016-01-16T15:00:00Z"}',
    "canceled_at >= '2016-01-15T12:00:00Z' AND canceled_at < '2016-01-16T15:00:00Z'",
)
ALL_ENDS = ('currentPeriodEnd: {until: "2030-01-01T00:00:00Z"}', "current_period_end IS NOT NULL")
OF_A_PLAN = "(SELECT id FROM plans WHERE code = 'plan-3')"


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(
    ("asked", "condition"),
    [ENDS, LIVE_ENDS, TRIAL_ENDS, CANCELED, ALL_ENDS],
    ids=["ends", "ends of live ones", "ends of trials", "cancellations", "everything"],
)
async def test_subscriptions_in_a_span_are_listed_in_order_for_all_and_for_a_plan(
    filled: Database, lists: Api, asked: str, condition: str, direction: str
) -> None:
    async def expected(where: str) -> list[str]:
        statement = f"""SELECT id::text FROM subscriptions WHERE {where} AND test_clock_id IS NULL
          ORDER BY created_at {direction}, id {direction} LIMIT 100"""
        async with filled.sessions() as session:
            return list((await session.scalars(text(statement))).all())

    page = f"first: 100, orderBy: {{direction: {direction}}}, filter: {{{asked}"
    plan, other = key("plan", 3), key("plan", 4)
    found = await lists(f"""{{
      all: subscriptions({page}}}) {{ nodes {{ id }} }}
      one: subscriptions({page}, planId: "{plan}"}}) {{ nodes {{ id }} }}
      plan(id: "{plan}") {{ subscriptions({page}}}) {{ nodes {{ id }} }} }}
      nothing: plan(id: "{plan}") {{ subscriptions({page}, planId: "{other}"}}) {{ nodes {{ id }} }} }}
    }}""")

    in_the_plan = await expected(f"{condition} AND plan_id = {OF_A_PLAN}")
    assert len(in_the_plan) > 3
    assert [node["id"] for node in found["all"]["nodes"]] == await expected(condition)
    assert [node["id"] for node in found["one"]["nodes"]] == in_the_plan
    assert [node["id"] for node in found["plan"]["subscriptions"]["nodes"]] == in_the_plan
    assert found["nothing"]["subscriptions"]["nodes"] == []


async def test_of_many_rows_in_a_span_the_first_are_given(filled: Database, lists: Api) -> None:
    everything = 'dueAt: {from: "2016-01-01T00:00:00Z", until: "2030-01-01T00:00:00Z"}'
    expected = await ids(filled, "due_at IS NOT NULL", "created_at, id LIMIT 30")

    found = await lists(f"{{ invoices(first: 30, filter: {{{everything}}}) {{ nodes {{ id }} }} }}")

    assert [node["id"] for node in found["invoices"]["nodes"]] == expected


async def test_a_customer_sees_no_others_in_any_of_the_merged_pages(filled: Database, clock: TestClock) -> None:
    customer = key("customer", 5)
    token = await a_session(filled, clock, CustomerId(customer))  # type: ignore[arg-type]
    app = create_app(filled, settings=patient(Settings(requires_key=True)), clock=clock)
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


@pytest.mark.parametrize(
    ("asked", "counted", "limit", "value", "precision"),
    [
        ("", "true", 100, 100, "AT_LEAST"),
        ("", "true", 19_980, 19_980, "EXACT"),
        ("", "true", 19_979, 19_979, "AT_LEAST"),
        (", filter: {kind: [RECURRING]}", "kind = 'RECURRING'", 50, 50, "AT_LEAST"),
        (", filter: {status: [VOID]}", "status = 'VOID'", 5, 5, "EXACT"),
        (", filter: {status: [VOID, DRAFT]}", "status IN ('VOID', 'DRAFT')", 9, 9, "AT_LEAST"),
    ],
)
async def test_a_count_stops_at_its_limit(
    filled: Database, lists: Api, asked: str, counted: str, limit: int, value: int, precision: str
) -> None:
    there = len(await ids(filled, counted, "id"))
    assert (precision == "EXACT") == (there <= limit)

    found = await lists.post(
        f"{{ invoices(first: 1{asked}) {{ totalCount count(limit: {limit}) {{ value precision }} }} }}"
    )

    document = found.json()
    assert document["data"]["invoices"] == {"totalCount": there, "count": {"value": value, "precision": precision}}
    # One row for the page and one for each of the two counts. The remaining cost is for the rows counted.
    counted_rows = there // 100 + min(there, limit + 1) // 100
    assert document["extensions"]["cost"]["rows"] == min(2, there) + 2 + counted_rows


@pytest.mark.parametrize("limit", [0, -1, 1_000_001])
async def test_a_count_needs_a_limit_that_makes_sense(lists: Api, limit: int) -> None:
    answer = (await lists.post(f"{{ invoices {{ count(limit: {limit}) {{ value }} }} }}")).json()

    assert [error["message"] for error in answer["errors"]] == ["`limit` must be between 1 and 1000000."]


@pytest.mark.parametrize("asked", ["(filter: {status: [OPEN]})", "(filter: {kind: [ONE_OFF]})"])
async def test_counting_looks_at_no_rows(filled: Database, lists: Api, asked: str) -> None:
    sent: list[tuple[str, Sequence[object]]] = []
    with pytest.MonkeyPatch.context() as patch:
        for kind in (asyncpg.Connection, PreparedStatement):
            patch.setattr(kind, "fetch", noting(kind.fetch, sent, "count("))
        await lists(f"{{ invoices{asked} {{ totalCount }} }}")
    statement, values = sent[-1]
    taken = await filled._answers.raw_connection()
    rows = await driver_connection(taken).fetch(f"EXPLAIN {statement}", *values)
    taken.close()
    plan = "\n".join(line for [line] in rows)

    assert "Index Only Scan" in plan
    assert "Seq Scan" not in plan


async def test_each_parent_has_the_rows_of_several_values_of_its_own(filled: Database, lists: Api) -> None:
    found = await lists("""{ plans(first: 100) { nodes { id
      subscriptions(first: 100, filter: {status: [CANCELED, TRIALING]}) {
        totalCount count(limit: 7) { value precision } nodes { id } } } } }""")

    for plan in found["plans"]["nodes"]:
        statement = text(
            "SELECT id::text FROM subscriptions WHERE plan_id = :plan AND status IN ('CANCELED', 'TRIALING') "
            "AND test_clock_id IS NULL ORDER BY created_at, id"
        )
        async with filled.sessions() as session:
            expected = list((await session.scalars(statement, {"plan": plan["id"]})).all())
        assert [node["id"] for node in plan["subscriptions"]["nodes"]] == expected[:100]
        assert plan["subscriptions"]["totalCount"] == len(expected)
        few = {"value": len(expected), "precision": "EXACT"}
        many = {"value": 7, "precision": "AT_LEAST"}
        assert plan["subscriptions"]["count"] == (few if len(expected) <= 7 else many)


RECORDED = {
    "few events": ("2016-01-02T00:00:00Z", "2016-01-03T06:00:00Z"),
    "many events": ("2016-01-10T00:00:00Z", "2016-03-01T00:00:00Z"),
    "no events": ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
}
"""Time ranges with at most, and with more than, the number of rows that a list sorts."""


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("span", RECORDED.values(), ids=RECORDED)
async def test_the_feed_of_a_time_range_has_its_events_once_in_order(
    filled: Database, lists: Api, span: tuple[str, str], direction: str
) -> None:
    await events_settle(filled)
    statement = text(
        "SELECT id::text FROM events WHERE recorded_at >= CAST(:start AS text)::timestamptz"
        f" AND recorded_at < CAST(:until AS text)::timestamptz ORDER BY xid {direction}, position {direction}"
    )
    async with filled.sessions() as session:
        expected = list((await session.scalars(statement, dict(zip(("start", "until"), span, strict=True)))).all())
    query = """query ($after: String, $span: DateTimeRange, $direction: OrderDirection!) {
      events(first: 100, after: $after, filter: {recordedAt: $span}, orderBy: {direction: $direction}) {
        nodes { id } totalCount pageInfo { endCursor } } }"""
    arguments = {"span": dict(zip(("from", "until"), span, strict=True)), "direction": direction}

    found: list[str] = []
    after = None
    for _ in range(5):
        page = (await lists(query, after=after, **arguments))["events"]
        found += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        assert page["totalCount"] == len(expected)

    assert found == expected[:500]
