"""Live events: what streams contain, from where they start, and that they lose and repeat nothing."""

import asyncio
from typing import Any

import httpx
import pytest

from db.database import Database
from db.models.events import Place
from graph.schema.types.events import place_of
from graph.server.live_results import Page, Results, Subscription
from graph.settings import Settings
from tests.live.conftest import EVENTS, caught_up, connected, listening, streaming
from tests.observability.conftest import samples, value
from tests.support import PATIENCE_SECONDS, Api, TestClock, events_settle


async def test_a_change_appears(address: str, api: Api) -> None:
    async with connected(address) as client:
        await client.begin()
        await client.subscribe()
        await caught_up(address)
        customer_id = await api.a_customer()

        event = await client.event()

    assert event["node"] == {
        "type": "CUSTOMER_CREATED",
        "version": 1,
        "objectId": customer_id,
        "object": {"__typename": "Customer", "id": customer_id},
    }


async def test_a_change_appears_by_server_sent_events(address: str, api: Api) -> None:
    async with streaming(address) as results:
        await caught_up(address)
        customer_id = await api.a_customer()

        result = await anext(results)

    assert result["data"]["events"]["node"]["objectId"] == customer_id
    assert list(result) == ["data"]


async def feed(api: Api) -> list[Any]:
    data = await api(
        "{ events { edges { cursor node { type version objectId object { __typename id } } } } }",
    )
    edges: list[Any] = data["events"]["edges"]
    return edges


async def test_a_stream_has_the_selection_of_the_query(address: str, api: Api, database: Database) -> None:
    start = (await api("{ eventsCursor }"))["eventsCursor"]
    for _ in range(5):
        await api.a_subscription()
    await events_settle(database)
    expected = await feed(api)

    async with connected(address) as client:
        await client.begin()
        await client.subscribe(after=start)
        assert [await client.event() for _ in expected] == expected


async def test_a_stream_goes_on_after_each_cursor(address: str, api: Api, database: Database) -> None:
    start = (await api("{ eventsCursor }"))["eventsCursor"]
    for _ in range(4):
        await api.a_subscription()
    await events_settle(database)
    expected = await feed(api)
    for index, edge in enumerate(expected):
        async with connected(address) as client:
            await client.begin()
            await client.subscribe(after=edge["cursor"] if index else start)
            later = expected[index + 1 :] if index else expected
            got = [await client.event() for _ in later]
            assert got == later


async def test_only_what_the_filter_names(address: str, api: Api) -> None:
    async with connected(address) as client:
        await client.begin()
        await client.subscribe("a", filter={"objectType": "PLAN"})
        await client.subscribe("b", filter={"type": ["CUSTOMER_UPDATED"]})
        await caught_up(address, 2)
        customer_id, plan_id = await api.a_customer(), await api.a_plan()
        await api.mutate("updateCustomer", "customer { id }", id=customer_id, name="Grace")

        messages = [await client.next() for _ in range(2)]

    found = {each["id"]: each["payload"]["data"]["events"]["node"] for each in messages}
    assert (found["a"]["objectId"], found["b"]["version"]) == (plan_id, 2)


async def test_a_stream_that_is_cut_again_and_again_loses_and_repeats_nothing(
    address: str, api: Api, database: Database
) -> None:
    cursor = (await api("{ eventsCursor }"))["eventsCursor"]
    got: list[Any] = []

    async def write() -> None:
        for _ in range(20):
            await api.a_subscription()  # Five events.

    writing = asyncio.create_task(write())
    while len(got) < 100:
        async with connected(address) as client:
            await client.begin()
            await client.subscribe(after=cursor)
            for _ in range(min(3, 100 - len(got))):
                got.append(await client.event())
                cursor = got[-1]["cursor"]
    await writing
    await events_settle(database)

    assert got == await feed(api)


async def test_many_equal_streams_execute_each_event_once(address: str, api: Api, database: Database) -> None:
    statements: list[str] = []
    async with connected(address) as client:
        await client.begin()
        for number in range(10):
            await client.subscribe(str(number))
        await caught_up(address, 10)
        database.listeners.append(statements.append)
        await api.a_customer()
        messages = [await client.next() for _ in range(10)]
        database.listeners.remove(statements.append)

    assert {each["id"] for each in messages} == {str(number) for number in range(10)}
    assert len({str(each["payload"]) for each in messages}) == 1
    read = [each for each in statements if "FROM customers" in each and "WHERE customers.id" in each]
    assert len(read) <= 2, read


async def test_errors_of_an_event_are_in_its_result(address: str, api: Api) -> None:
    query = "subscription { events { node { type } cursor(first: 1) } }"
    async with connected(address) as client:
        await client.begin()
        await client.subscribe(query=query)
        message = await client.next()

    assert (message["type"], message["id"]) == ("error", "1")
    assert message["payload"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("subscription { events { nothing } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", {}, "GRAPHQL_PARSE_FAILED"),
        ("subscription { a: events { cursor } b: events { cursor } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { events(after: "x") { cursor } }', {}, "BAD_USER_INPUT"),
        (EVENTS, {"after": 7}, "BAD_USER_INPUT"),
        (EVENTS, {"filter": {"type": ["NOTHING"]}}, "BAD_USER_INPUT"),
        ("{ currencies { code } }", {}, "BAD_USER_INPUT"),
        (
            'mutation { createPlan(input: {code: "a", name: "b", amountCents: 1, currency: "EUR"}) { plan { id } } }',
            {},
            "BAD_USER_INPUT",
        ),
        ("", {}, "BAD_USER_INPUT"),
        ("subscription A { events { cursor } } subscription B { events { cursor } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_what_is_no_subscription_is_rejected(
    address: str, api: Api, query: str, variables: dict[str, Any], code: str
) -> None:
    async with connected(address) as client:
        await client.begin()
        await client.subscribe(query=query, **variables)
        message = await client.next()
        assert (message["type"], message["id"]) == ("error", "1")
        assert message["payload"][0]["extensions"]["code"] == code
        # The connection goes on.
        await client.send({"type": "ping"})
        assert await client.next() == {"type": "pong"}

    assert (await api("{ plans { totalCount } }"))["plans"]["totalCount"] == 0


async def test_a_cursor_of_another_database_is_rejected(address: str, api: Api) -> None:
    import base64
    import json

    ahead = json.dumps(["events", "xid", False, 2**62, "1"]).encode()
    async with connected(address) as client:
        await client.begin()
        await client.subscribe(after=base64.urlsafe_b64encode(ahead).decode().rstrip("="))
        message = await client.next()

    assert message["type"] == "error"
    assert message["payload"][0]["message"] == "`after` is a cursor of another database."


async def test_http_without_a_stream_says_how(address: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        plain = await client.post("/graphql", json={"query": EVENTS})
        headers = {"Accept": "text/event-stream"}
        query = await client.post("/graphql", json={"query": "{ currencies { code } }"}, headers=headers)
        wrong = await client.post("/graphql", json={"query": "subscription { nothing }"}, headers=headers)
        both = await client.post(
            "/graphql",
            json={"query": "{ currencies { code } }"},
            headers={"Accept": "application/json, text/event-stream"},
        )

    assert plain.status_code == 406
    assert "text/event-stream" in plain.json()["errors"][0]["message"]
    assert query.status_code == 406
    assert wrong.status_code in (400, 406)
    assert both.status_code == 200


async def test_both_executors_give_the_same(database: Database, clock: TestClock) -> None:
    got = []
    for fast in (True, False):
        async with (
            listening(database, clock, Settings(fast_executor=fast)) as address,
            httpx.AsyncClient(base_url=f"http://{address}") as client,
        ):
            api = Api(client)
            if fast:
                start = (await api("{ eventsCursor }"))["eventsCursor"]
                for _ in range(3):
                    await api.a_subscription()
                await events_settle(database)
            async with connected(address) as one:
                await one.begin()
                await one.subscribe(after=start)
                got.append([await one.event() for _ in range(len(await feed(api)))])

    assert got[0] == got[1]


async def test_the_metrics_count_streams_and_events(address: str, api: Api) -> None:
    async with connected(address) as client:
        await client.begin()
        for number in range(2):
            await client.subscribe(str(number))
        await caught_up(address, 2)
        await api.a_plan()
        for _ in range(2):
            await client.next()
        during = samples((await api.client.get("/metrics")).text)
    await caught_up(address, 0)

    assert value(during, "live_messages_total") == 2
    assert value(during, "live_lag_seconds_count") == 1, "equal streams share a result"
    assert value(during, "live_slow_clients_total") == 0


@pytest.mark.parametrize(
    "document", ["subscription { x }", "subscription {", "subscription { events(after: 1) { x } }"]
)
async def test_a_client_that_accepts_only_streams_reads_why_its_document_is_invalid(api: Api, document: str) -> None:
    answer = await api.client.post("/graphql", json={"query": document}, headers={"Accept": "text/event-stream"})

    assert answer.status_code == 400
    assert {each["extensions"]["code"] for each in answer.json()["errors"]} <= {
        *("GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"),
    }


async def test_a_filter_that_matches_nothing_reads_each_event_only_once(
    address: str, api: Api, database: Database
) -> None:
    places: list[Place] = []

    async def page(self: Results, subscription: Subscription, cursor: str) -> Page:
        places.append(place_of(cursor, "after"))
        return await read(self, subscription, cursor)

    read = Results.page
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Results, "page", page)
        async with connected(address) as client:
            await client.begin()
            await client.subscribe(filter={"type": ["INVOICE_PAID"]})
            await caught_up(address)
            for _ in range(3):
                before = len(places)
                await api.a_plan()
                await events_settle(database)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while len(places) == before:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)

    assert places == sorted(places)
    assert len(set(places)) >= 3, "the next page starts after the events that do not match"
