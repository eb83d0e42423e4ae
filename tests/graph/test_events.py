"""The feed of events: its order allows clients to read it without missing any event."""

import asyncio
import base64
import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from billing.discounts import DiscountState
from billing.enums import EventType, ObjectType
from billing.event_fields import fields_of
from billing.ids import new_id
from billing.records import CustomerState, InvoiceState, SubscriptionState, VersionedState
from db.access.records import Target
from db.access.transactions import Sessions
from db.database import Database
from db.models import Customer, Event
from db.models.kinds import KINDS, Kind
from graph.schema.types.events import TYPES_ABOUT
from services.accounts.write import CHANGED_CUSTOMER, CHANGED_DISCOUNT, CHANGED_INVOICE, CHANGED_SUBSCRIPTION
from services.events import record
from tests.event_changes import COLUMN_OF_PART, KINDS_THAT_CHANGE, UNNAMED, fields_by_column
from tests.support import NOW, PATIENCE_SECONDS, Api, a_customer, a_plan, counted_statements, day, stored, undone

FEED = """
    query ($first: Int, $after: String, $filter: EventFilter, $orderBy: EventOrder) {
      events(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
        nodes { id }
        edges { cursor node { id } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        totalCount
      }
    }
"""


def an_event(**columns: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "customer_id": None,
        "type": EventType.PLAN_UPDATED,
        "object_type": ObjectType.PLAN,
        "object_id": new_id(),
        "version": 1,
        "actor": "api",
        "changes": [],
        "occurred_at": NOW,
        "recorded_at": NOW,
        **columns,
    }


async def happened(sessions: Sessions, *events: dict[str, Any]) -> list[str]:
    """Stores events in one transaction and returns their ids."""
    async with sessions.begin() as session:
        for event in events:
            await session.execute(insert(Event), [event])
    return ids_of(*events)


def ids_of(*events: dict[str, Any]) -> list[str]:
    return [str(event["id"]) for event in events]


async def page(api: Api, **arguments: Any) -> Any:
    found = (await api(FEED, **arguments))["events"]
    assert found["nodes"] == [edge["node"] for edge in found["edges"]]
    return found


def ids(found: Any) -> list[str]:
    return [node["id"] for node in found["nodes"]]


async def read_until(api: Api, enough: Callable[[list[str]], bool], *, first: int = 100) -> list[str]:
    """Reads page after page, with each `endCursor` as the next `after`, until `enough` returns true. Returns the
    events' ids.

    The oldest open transaction of the whole server holds back the feed, including those of tests in other workers.
    """
    seen: list[str] = []
    after = None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not enough(seen):
            found = await page(api, first=first, after=after)
            seen += ids(found)
            after = found["pageInfo"]["endCursor"]
            if not found["nodes"]:
                await asyncio.sleep(0.01)
    return seen


async def settled(api: Api, events: int) -> list[str]:
    """Waits until the feed has this many events. Returns their ids."""
    return await read_until(api, lambda seen: len(seen) >= events)


async def test_the_feed_is_walked_in_the_order_of_what_happened(api: Api, sessions: Sessions) -> None:
    one = await happened(sessions, an_event(), an_event())
    two = await happened(sessions, an_event(), an_event(), an_event())
    assert await settled(api, 5) == one + two

    first = await page(api, first=3)
    second = await page(api, first=3, after=first["pageInfo"]["endCursor"])

    assert ids(first) + ids(second) == one + two
    assert [found["pageInfo"]["hasNextPage"] for found in (first, second)] == [True, False]
    assert [found["pageInfo"]["hasPreviousPage"] for found in (first, second)] == [False, True]
    assert {found["totalCount"] for found in (first, second)} == {5}


NEWEST_FIRST = {"direction": "DESC"}


async def test_the_feed_is_read_from_its_end(api: Api, sessions: Sessions) -> None:
    stored_ids = await happened(sessions, an_event(), an_event())
    stored_ids += await happened(sessions, an_event(), an_event(), an_event())
    assert await settled(api, 5) == stored_ids
    newest_first = stored_ids[::-1]

    pages = []
    after = None
    for _ in range(3):
        pages.append(await page(api, first=2, after=after, orderBy=NEWEST_FIRST))
        after = pages[-1]["pageInfo"]["endCursor"]
        await happened(sessions, an_event())
    await settled(api, 8)
    empty = await page(api, first=2, after=after, orderBy=NEWEST_FIRST)

    assert [ids(found) for found in (*pages, empty)] == [newest_first[:2], newest_first[2:4], newest_first[4:], []]
    assert [found["pageInfo"]["hasNextPage"] for found in pages] == [True, True, False]
    assert empty["pageInfo"]["endCursor"] == after
    assert ids(await page(api, orderBy={"field": "RECORDED_AT", "direction": "ASC"}))[:5] == stored_ids


@pytest.mark.parametrize("order", [None, NEWEST_FIRST])
async def test_a_cursor_of_one_order_is_refused_in_the_other(
    api: Api, sessions: Sessions, order: dict[str, str] | None
) -> None:
    customer = await stored(sessions, a_customer())
    await happened(sessions, an_event(customer_id=customer.id))
    await settled(api, 1)
    cursor = (await page(api, orderBy=order))["pageInfo"]["endCursor"]
    other = NEWEST_FIRST if order is None else None
    of_customer = """query ($id: ID!, $after: String!, $order: EventOrder) {
      customer(id: $id) { events(after: $after, orderBy: $order) { nodes { id } } } }"""

    answers = [
        await api.post(FEED, after=cursor, orderBy=other),
        await api.post(of_customer, id=str(customer.id), after=cursor, order=other),
    ]

    for answer, path in zip(answers, (["events"], ["customer", "events"]), strict=True):
        [error] = answer.json()["errors"]
        assert error["message"] == "`after` is not a cursor for this list and order."
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
        assert error["path"] == path
    assert (await api(of_customer, id=str(customer.id), after=cursor, order=order))["customer"]["events"]["nodes"] == []


async def cursor_at_the_end(api: Api) -> str:
    return str((await api("{ eventsCursor }"))["eventsCursor"])


async def test_the_cursor_at_the_end_of_an_empty_feed_comes_before_everything(api: Api, sessions: Sessions) -> None:
    cursor = await cursor_at_the_end(api)
    first = await happened(sessions, an_event())
    await settled(api, 1)

    assert ids(await page(api, after=cursor)) == first
    assert (await page(api, after=cursor))["pageInfo"]["hasPreviousPage"] is True


async def test_the_cursor_at_the_end_leaves_out_what_was_visible_and_misses_nothing(
    api: Api, database: Database
) -> None:
    before, in_first, in_second, committed, later, again = (an_event() for _ in range(6))
    await happened(database.sessions, before)
    await settled(api, 1)

    async with undone(database) as first, undone(database) as second:
        await first.execute(insert(Event), [in_first])
        # Committed before the cursor is read, but not visible yet, because an older transaction is open.
        await happened(database.sessions, committed)
        await second.execute(insert(Event), [in_second])
        assert ids(await page(api)) == ids_of(before)
        cursor = await cursor_at_the_end(api)
        assert ids(await page(api, after=cursor)) == []

        await happened(database.sessions, later)
        await second.commit()
        assert ids(await page(api, after=cursor)) == []
        # This position is later than those of all transactions that have committed.
        await first.execute(insert(Event), [again])
        await first.commit()

    assert await settled(api, 6) == ids_of(before, in_first, again, committed, in_second, later)
    assert ids(await page(api, after=cursor)) == ids_of(in_first, again, committed, in_second, later)
    end = await cursor_at_the_end(api)
    assert ids(await page(api, after=end)) == []


async def test_the_cursor_at_the_end_is_for_the_feed_oldest_first(api: Api, sessions: Sessions) -> None:
    customer = await stored(sessions, a_customer())
    await happened(sessions, an_event(customer_id=customer.id))
    await settled(api, 1)
    cursor = await cursor_at_the_end(api)
    later = await happened(sessions, an_event(customer_id=customer.id))
    await settled(api, 2)

    refused = await api.post(FEED, after=cursor, orderBy=NEWEST_FIRST)
    found = await api(
        "query ($id: ID!, $after: String!) { customer(id: $id) { events(after: $after) { nodes { id } } } }",
        id=str(customer.id),
        after=cursor,
    )

    assert refused.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    assert ids(found["customer"]["events"]) == later


async def test_events_are_filtered_by_the_time_they_were_stored(api: Api, sessions: Sessions) -> None:
    hours = [timedelta(hours=n) for n in (0, 2, 1)]
    # The second transaction took its time earlier than the first one.
    one, two, three = [(await happened(sessions, an_event(recorded_at=NOW + after)))[0] for after in hours]
    await settled(api, 3)

    async def found(start: float | None, end: float | None, **arguments: Any) -> list[str]:
        span = {name: day(n / 24) for name, n in (("from", start), ("until", end)) if n is not None}
        filtered = await page(api, filter={"recordedAt": span}, **arguments)
        assert filtered["totalCount"] == len(filtered["nodes"])
        return ids(filtered)

    assert await found(None, None) == [one, two, three]
    assert await found(1, None) == [two, three]
    assert await found(1, None, orderBy=NEWEST_FIRST) == [three, two]
    assert await found(0, 2) == [one, three]
    assert await found(None, 0) == []
    assert await found(2, 1) == []


async def test_a_filter_by_time_shows_no_event_of_an_open_transaction(api: Api, database: Database) -> None:
    async with undone(database) as slow:
        await slow.execute(insert(Event), [an_event()])
        kept = await happened(database.sessions, an_event())
        assert ids(await page(api, filter={"recordedAt": {"from": day(0)}})) == []
        await slow.rollback()

    assert await settled(api, 1) == kept
    assert ids(await page(api, filter={"recordedAt": {"from": day(0)}})) == kept


async def test_an_empty_page_says_where_to_ask_on_from(api: Api, sessions: Sessions) -> None:
    assert (await page(api))["pageInfo"]["endCursor"] is None
    await happened(sessions, an_event())
    await settled(api, 1)
    cursor = (await page(api))["pageInfo"]["endCursor"]

    empty = await page(api, after=cursor)
    assert empty["nodes"] == []
    assert empty["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": None,
        "endCursor": cursor,
    }

    later = await happened(sessions, an_event())
    await settled(api, 2)
    assert ids(await page(api, after=empty["pageInfo"]["endCursor"])) == later


async def test_what_takes_its_place_first_and_is_committed_last_is_not_missed(api: Api, database: Database) -> None:
    slow_one, quick, other, slow_two = (an_event() for _ in range(4))
    async with undone(database) as slow:
        # This transaction gets its number and its first position before all others.
        await slow.execute(insert(Event), [slow_one])
        await happened(database.sessions, quick)
        before = await page(api)
        await happened(database.sessions, other)
        between = await page(api, after=before["pageInfo"]["endCursor"])
        # This position is later than those of transactions that have already committed.
        await slow.execute(insert(Event), [slow_two])
        await slow.commit()

    assert ids(before) == ids(between) == []
    assert between["totalCount"] == 0
    assert await settled(api, 4) == ids_of(slow_one, slow_two, quick, other)


async def test_what_is_undone_holds_nothing_back(api: Api, database: Database) -> None:
    async with undone(database) as slow:
        await slow.execute(insert(Event), [an_event()])
        kept = await happened(database.sessions, an_event())
        assert ids(await page(api)) == []
        await slow.rollback()

    assert await settled(api, 1) == kept


async def test_a_reader_sees_each_event_of_many_writers_once(api: Api, database: Database) -> None:
    writers, transactions = 6, 15
    written: list[str] = []
    done = asyncio.Event()

    async def write(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(transactions):
            events = [an_event() for _ in range(draw.randrange(1, 4))]
            async with database.sessions.begin() as session:
                for event in events:
                    await session.execute(insert(Event), [event])
                    await asyncio.sleep(draw.random() / 100)
            written.extend(ids_of(*events))

    reader = asyncio.create_task(read_until(api, lambda seen: done.is_set() and len(seen) >= len(written), first=7))
    await asyncio.gather(*(write(seed) for seed in range(writers)))
    done.set()
    read = await reader

    assert len(written) > writers * transactions
    assert sorted(read) == sorted(written)


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": -1},
        {"first": 101},
        {"after": ""},
        {"after": "garbage"},
        {"after": "x" * 5000},
        *(
            {"after": base64.urlsafe_b64encode(json.dumps(document).encode()).decode()}
            for document in (
                ["events", "xid", False, 7],
                ["events", "xid", True, 7, "7"],
                ["events", "xid", False, "7", "7"],
                ["events", "xid", False, True, "7"],
                ["events", "xid", False, -1, "7"],
                ["events", "xid", False, 2**64, "7"],
                ["events", "xid", False, 7, 7],
                ["events", "xid", False, 7, "-7"],
                ["events", "xid", False, 7, "9" * 19],
                ["events", "xid", False, 7, "٧"],
                ["events", "xid", False, 7, str(UUID(int=7))],
                ["customers", "created_at", False, NOW.isoformat(), str(UUID(int=7))],
            )
        ),
    ],
)
async def test_a_page_that_makes_no_sense_is_bad_user_input(api: Api, arguments: dict[str, Any]) -> None:
    answer = await api.post(FEED, **arguments)

    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert error["path"] == ["events"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.type))
async def test_an_event_is_of_the_customer_whose_object_it_is(sessions: Sessions, kind: Kind) -> None:
    columns = {"id": new_id(), "version": 1, "customer_id": new_id()}
    row: Any = kind.model(**{name: value for name, value in columns.items() if hasattr(kind.model, name)})
    row.version = 1
    owner = row.id if kind.model is Customer else columns["customer_id"] if kind.owner else None

    async with sessions.begin() as session:
        await record(session, next(iter(TYPES_ABOUT[kind.type])), row, at=NOW, now=NOW)

    async with sessions() as session:
        event = (await session.scalars(select(Event).where(Event.object_id == row.id))).one()
    assert (event.object_type, event.customer_id) == (kind.type, owner)


async def test_the_largest_cursor_is_one(api: Api) -> None:
    document = ["events", "xid", False, 2**64 - 1, "9" * 18]
    cursor = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()

    assert ids(await page(api, after=cursor)) == []


async def test_events_are_filtered(api: Api, sessions: Sessions) -> None:
    customer = await stored(sessions, a_customer())
    about_customer = an_event(
        customer_id=customer.id,
        type=EventType.CUSTOMER_CREATED,
        object_type=ObjectType.CUSTOMER,
        object_id=customer.id,
    )
    plan_created, plan_updated = an_event(type=EventType.PLAN_CREATED), an_event()
    one, two, three = await happened(sessions, about_customer, plan_created, plan_updated)
    await settled(api, 3)

    async def found(**conditions: Any) -> list[str]:
        connection = await page(api, filter=conditions)
        assert connection["totalCount"] == len(connection["nodes"])
        return ids(connection)

    assert await found() == [one, two, three]
    assert await found(type=["PLAN_UPDATED", "CUSTOMER_CREATED"]) == [one, three]
    assert await found(type=[]) == []
    assert await found(objectType="PLAN") == [two, three]
    assert await found(objectId=str(plan_created["object_id"])) == [two]
    assert await found(customerId=str(customer.id)) == [one]
    assert await found(customerId="garbage") == []
    assert await found(customerId=str(customer.id), objectType="PLAN") == []


async def test_an_event_tells_what_happened_to_what(api: Api, sessions: Sessions) -> None:
    customer, plan = await stored(sessions, a_customer(), a_plan())
    await happened(
        sessions,
        an_event(
            customer_id=customer.id,
            type=EventType.CUSTOMER_BALANCE_CHANGED,
            object_type=ObjectType.CUSTOMER,
            object_id=customer.id,
            version=3,
            changes=["balance_cents", "metadata"],
        ),
        an_event(type=EventType.PLAN_CREATED, object_id=plan.id),
        an_event(type=EventType.INVOICE_DELETED, object_type=ObjectType.INVOICE, customer_id=customer.id),
    )
    await settled(api, 3)

    data = await api(
        """{ events { nodes { type objectType objectId version actor changes occurredAt recordedAt
          customer { id } object { __typename id } } } }"""
    )

    said = {"actor": "api", "occurredAt": "2026-01-31T12:00:00Z", "recordedAt": "2026-01-31T12:00:00Z"}
    balance, created, deleted = data["events"]["nodes"]
    assert balance == said | {
        "type": "CUSTOMER_BALANCE_CHANGED",
        "objectType": "CUSTOMER",
        "objectId": str(customer.id),
        "version": 3,
        "changes": ["balanceCents", "metadata"],
        "customer": {"id": str(customer.id)},
        "object": {"__typename": "Customer", "id": str(customer.id)},
    }
    assert created == said | {
        "type": "PLAN_CREATED",
        "objectType": "PLAN",
        "objectId": str(plan.id),
        "version": 1,
        "changes": [],
        "customer": None,
        "object": {"__typename": "Plan", "id": str(plan.id)},
    }
    assert (deleted["customer"], deleted["object"]) == ({"id": str(customer.id)}, None)


@pytest.mark.parametrize(
    ("state", "changed"),
    [
        (CustomerState, CHANGED_CUSTOMER),
        (SubscriptionState, CHANGED_SUBSCRIPTION),
        (InvoiceState, CHANGED_INVOICE),
        (DiscountState, CHANGED_DISCOUNT),
    ],
)
def test_events_tell_of_the_columns_that_rules_change_and_the_api_shows(
    state: type[VersionedState], changed: Target
) -> None:
    shown = {*fields_by_column(state.object_type)} - UNNAMED

    assert {*state.event_columns} == {*changed.names}.difference(changed.keys).intersection(shown)


@pytest.mark.parametrize("kind", KINDS_THAT_CHANGE)
def test_events_tell_of_columns_by_the_names_of_fields(kind: str) -> None:
    never_change = {
        *("customer_id", "subscription_id", "invoice_id", "replaces_id", "test_clock_id"),
        *("coupon_id", "plan_ids", "periods"),
    }
    for column, fields in fields_by_column(kind).items():
        if column not in {*never_change, *COLUMN_OF_PART.values()}:
            [said] = fields_of([column])
            assert said in fields


async def test_the_objects_of_a_page_take_one_statement_for_each_of_their_types(
    api: Api, database: Database, sessions: Sessions
) -> None:
    customers = await stored(sessions, *(a_customer() for _ in range(4)))
    plans = await stored(sessions, *(a_plan() for _ in range(3)))
    await happened(
        sessions,
        *(an_event(object_id=plan.id) for plan in plans),
        *(an_event(object_type=ObjectType.CUSTOMER, object_id=customer.id) for customer in customers),
    )
    await settled(api, 7)

    with counted_statements(database) as statements:
        data = await api("{ events { nodes { object { id } } } }")

    assert len(statements) == 3, statements.texts
    found = [node["object"]["id"] for node in data["events"]["nodes"]]
    assert found == [str(row.id) for row in (*plans, *customers)]


async def test_the_events_of_many_customers_are_one_statement(api: Api, database: Database, sessions: Sessions) -> None:
    customers = await stored(sessions, *(a_customer(name=str(number)) for number in range(4)))
    events = [
        an_event(customer_id=customer.id, object_type=ObjectType.CUSTOMER, object_id=customer.id, version=version)
        for version in (1, 2, 3)
        for customer in customers[1:]
    ]
    stored_ids = await happened(sessions, *events)
    await settled(api, 9)
    query = "query ($after: String) { customers { nodes { events(first: 2, after: $after) { %s } } } }"

    with counted_statements(database) as statements:
        data = await api(query % "nodes { id } pageInfo { hasNextPage endCursor }")
    assert len(statements) == 2, statements.texts
    pages = [node["events"] for node in data["customers"]["nodes"]]
    assert [ids(found) for found in pages] == [[], *([stored_ids[n], stored_ids[n + 3]] for n in range(3))]
    assert [found["pageInfo"]["hasNextPage"] for found in pages] == [False, True, True, True]
    assert pages[0]["pageInfo"]["endCursor"] is None

    with counted_statements(database) as statements:
        data = await api(query % "nodes { id } totalCount", after=pages[1]["pageInfo"]["endCursor"])
    assert len(statements) == 3, statements.texts
    pages = [node["events"] for node in data["customers"]["nodes"]]
    # Events of each customer that come after the second event of the second customer.
    assert [ids(found) for found in pages] == [
        [],
        [stored_ids[6]],
        [stored_ids[4], stored_ids[7]],
        [stored_ids[5], stored_ids[8]],
    ]
    assert [found["totalCount"] for found in pages] == [0, 3, 3, 3]
