"""Webhooks from the API to a receiver: what is sent, in which order, and what follows from responses."""

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web
from sqlalchemy import text

from billing.webhooks import ATTEMPTS, WAITS
from db.access.transactions import Sessions
from db.database import Database
from services.ticks import tick
from tests.support import NOW, Api, TestClock, events_settle, run
from tests.webhooks.conftest import an_endpoint, deliveries, delivering, status_of, until_attempted
from tests.webhooks.receiver import Received, Receiver, receiving

COUNTS = text("SELECT (SELECT count(*) FROM webhook_deliveries), (SELECT count(*) FROM webhook_progress)")


async def test_a_subscription_is_told_to_its_endpoint(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    endpoint = await an_endpoint(api, f"{receiver.url}/hooks")
    subscription_id = await api.a_subscription()

    async with delivering(database, clock):
        await receiver.wait(5)
        await until_attempted(api, endpoint, 1)

    events = (await api("{ events { nodes { id type customer { id } } } }"))["events"]["nodes"][1:]
    assert len(events) == 5
    assert {each.id: each.message["type"] for each in receiver.got} == {each["id"]: each["type"] for each in events}
    [event] = [each for each in events if each["type"] == "SUBSCRIPTION_CREATED"]
    [created] = [each for each in receiver.got if each.id == event["id"]]
    assert created.path == "/hooks"
    assert created.message == {
        "type": "SUBSCRIPTION_CREATED",
        "timestamp": f"{NOW:%FT%TZ}",
        "data": {
            "eventId": event["id"],
            "objectType": "SUBSCRIPTION",
            "objectId": subscription_id,
            "version": 1,
            "changes": [],
            "customerId": event["customer"]["id"],
            "actor": "api",
            "recordedAt": f"{NOW:%FT%TZ}",
            "testClock": False,
        },
    }
    assert [each["status"] for each in await deliveries(api, endpoint)] == ["SUCCEEDED"] * 5


async def test_messages_can_be_verified(api: Api, database: Database, receiver: Receiver) -> None:
    now = TestClock(NOW.now(NOW.tzinfo))  # The published library compares the time of the message with the real time.
    endpoint = await an_endpoint(api, receiver.url)
    await api.a_customer(name='Ada "Ünïcode" 日本 \\ <b>')

    async with delivering(database, now):
        await receiver.wait(1)

    receiver.verify(endpoint.secret)


async def test_only_the_chosen_types_are_sent(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    await an_endpoint(api, receiver.url, eventTypes=["INVOICE_FINALIZED", "SUBSCRIPTION_CREATED"])
    await api.a_subscription()
    await api.a_subscription()

    async with delivering(database, clock):
        await receiver.wait(4)
        await asyncio.sleep(0.3)

    assert sorted(receiver.types) == ["INVOICE_FINALIZED"] * 2 + ["SUBSCRIPTION_CREATED"] * 2


async def test_events_of_test_clocks_go_only_to_endpoints_that_ask_for_them(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    async with receiving() as asking:
        await an_endpoint(api, receiver.url)
        await an_endpoint(api, asking.url, testClocks=True)
        made = await api.mutate("createTestClock", "testClock { id }", frozenAt="2026-01-01T00:00:00Z")
        await api.a_customer(testClockId=made["testClock"]["id"])
        await api.a_customer()

        async with delivering(database, clock):
            await asking.wait(3)
            await receiver.wait(1)
            await asyncio.sleep(0.3)

        assert receiver.types == ["CUSTOMER_CREATED"]
        assert [each.data["testClock"] for each in receiver.got] == [False]
        assert sorted((each.message["type"], each.data["testClock"]) for each in asking.got) == [
            *(("CUSTOMER_CREATED", False), ("CUSTOMER_CREATED", True), ("TEST_CLOCK_CREATED", True)),
        ]


async def test_nothing_is_sent_of_the_time_before_the_endpoint(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    await api.a_customer()
    await an_endpoint(api, receiver.url)
    customer_id = await api.a_customer()

    async with delivering(database, clock):
        await receiver.wait(1)
        await asyncio.sleep(0.3)

    assert [each.data["objectId"] for each in receiver.got] == [customer_id]


async def test_a_failed_attempt_is_repeated_with_the_same_id_and_body(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    receiver.status = 500
    endpoint = await an_endpoint(api, receiver.url)
    await api.a_customer()

    async with delivering(database, clock):
        [failed] = await until_attempted(api, endpoint, 1)
        assert (failed["status"], failed["responseStatus"]) == ("PENDING", 500)
        assert failed["error"] == "The endpoint responded with 500."
        receiver.status = 200
        await asyncio.sleep(0.3)
        assert len(receiver.got) == 1, "the wait is not over"
        clock.forward(seconds=6)
        [delivered] = await until_attempted(api, endpoint, 2)

    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)
    assert (delivered["status"], delivered["attempts"], delivered["error"]) == ("SUCCEEDED", 2, None)


async def test_objects_keep_their_order_and_do_not_wait_for_each_other(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    endpoint = await an_endpoint(api, receiver.url)
    slow, quick = await api.a_customer(), await api.a_customer()
    for name in ("a", "b", "c"):
        for customer_id in (slow, quick):
            await api.mutate("updateCustomer", "customer { id }", id=customer_id, name=name)
    refused = {slow}

    async def respond(_request: web.Request, received: Received) -> web.Response:
        return web.Response(status=500 if received.data["objectId"] in refused else 200)

    receiver.respond = respond
    async with delivering(database, clock):
        await receiver.wait(5)
        await asyncio.sleep(0.3)
        assert receiver.versions() == {slow: [1], quick: [1, 2, 3, 4]}
        refused.clear()
        clock.forward(seconds=6)
        await until_attempted(api, endpoint, 1)

    assert receiver.versions() == {slow: [1, 1, 2, 3, 4], quick: [1, 2, 3, 4]}


async def test_a_slow_endpoint_delays_no_other(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    released = asyncio.Event()

    async def hang(_request: web.Request, _received: Received) -> web.Response:
        await released.wait()
        return web.Response()

    async with receiving() as slow:
        slow.respond = hang
        await an_endpoint(api, slow.url)
        await an_endpoint(api, receiver.url)
        for _ in range(50):
            await api.a_customer()

        async with delivering(database, clock):
            await receiver.wait(50)
            assert len(slow.got) <= 32
            released.set()
            await slow.wait(50)


async def test_a_delivery_is_given_up_after_its_last_attempt_and_the_endpoint_is_disabled(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    receiver.status = 503
    endpoint = await an_endpoint(api, receiver.url)
    await api.a_customer()

    async with delivering(database, clock):
        for attempts in range(1, ATTEMPTS + 1):
            [delivery] = await until_attempted(api, endpoint, attempts)
            if attempts < ATTEMPTS:
                clock.now += WAITS[attempts - 1] * 1.2

    assert (delivery["status"], delivery["attempts"], delivery["nextAttemptAt"]) == ("FAILED", ATTEMPTS, None)
    assert len(receiver.got) == ATTEMPTS
    assert await status_of(api, endpoint) == {"status": "DISABLED", "disabledReason": "FAILING"}
    await events_settle(database)
    told = await api("{ events(filter: {objectType: WEBHOOK_ENDPOINT}) { nodes { type actor version } } }")
    assert told["events"]["nodes"] == [
        {"type": "WEBHOOK_ENDPOINT_CREATED", "actor": "api", "version": 1},
        {"type": "WEBHOOK_ENDPOINT_DELIVERY_FAILED", "actor": "webhooks", "version": 2},
        {"type": "WEBHOOK_ENDPOINT_DISABLED", "actor": "webhooks", "version": 3},
    ]


async def test_an_endpoint_with_other_successes_stays_enabled(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    bad, good = await api.a_customer(), await api.a_customer()
    endpoint = await an_endpoint(api, receiver.url)

    async def respond(_request: web.Request, received: Received) -> web.Response:
        return web.Response(status=500 if received.data["objectId"] == bad else 200)

    receiver.respond = respond
    await api.mutate("updateCustomer", "customer { id }", id=bad, name="x")
    async with delivering(database, clock):
        for attempts in range(1, ATTEMPTS + 1):
            await until_attempted(api, endpoint, attempts)
            if attempts < ATTEMPTS:
                await api.mutate("updateCustomer", "customer { id }", id=good, name=f"n{attempts}")
                clock.now += WAITS[attempts - 1] * 1.2

    found = {each["status"] for each in await deliveries(api, endpoint)}
    assert found == {"SUCCEEDED", "FAILED"}
    assert (await status_of(api, endpoint))["status"] == "ENABLED"


async def test_an_endpoint_that_is_gone_is_disabled(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    receiver.status = 410
    endpoint = await an_endpoint(api, receiver.url)
    await api.a_customer()

    async with delivering(database, clock):
        await until_attempted(api, endpoint, 1)

    assert await status_of(api, endpoint) == {"status": "DISABLED", "disabledReason": "GONE"}


async def test_retry_after_is_obeyed(api: Api, database: Database, clock: TestClock, receiver: Receiver) -> None:
    async def respond(_request: web.Request, _received: Received) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "120"})

    receiver.respond = respond
    endpoint = await an_endpoint(api, receiver.url)
    await api.a_customer()
    await api.a_customer()

    async with delivering(database, clock):
        await receiver.wait(1)
        await asyncio.sleep(0.3)
        before = len(receiver.got)
        clock.forward(seconds=100)
        await asyncio.sleep(0.5)
        assert len(receiver.got) == before
        receiver.respond = None
        clock.forward(seconds=21)
        found = await until_attempted(api, endpoint, 9)

    assert {each["status"] for each in found} == {"SUCCEEDED"}


async def test_a_failing_endpoint_gets_one_attempt_at_a_time(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    waiting = 0
    most = 0

    async def respond(_request: web.Request, _received: Received) -> web.Response:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0.05)
        waiting -= 1
        return web.Response(status=500)

    receiver.respond = respond
    endpoint = await an_endpoint(api, receiver.url)
    for _ in range(40):
        await api.a_customer()
    async with delivering(database, clock), delivering(database, clock):
        await receiver.wait(5)
        await asyncio.sleep(0.5)
        before = len(receiver.got)
        most = 0
        for _ in range(5):
            clock.forward(seconds=16)
            await asyncio.sleep(0.3)
        assert most == 1
        assert before < len(receiver.got) <= before + 5
        receiver.respond = None
        clock.forward(hours=1)
        found = await until_attempted(api, endpoint, 99)

    assert {each["status"] for each in found} == {"SUCCEEDED"}


async def test_what_was_missed_while_disabled_is_sent_when_enabled(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    endpoint = await an_endpoint(api, receiver.url)
    disabled = await api.mutate("disableWebhookEndpoint", "webhookEndpoint { status }", id=endpoint.id)
    assert disabled["webhookEndpoint"] == {"status": "DISABLED"}
    await api.a_customer()

    async with delivering(database, clock):
        await asyncio.sleep(0.3)
        assert receiver.got == []
        await api.mutate("enableWebhookEndpoint", "webhookEndpoint { status }", id=endpoint.id)
        await receiver.wait(1)

    assert receiver.types == ["CUSTOMER_CREATED"]


async def test_what_was_missed_can_be_skipped(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    endpoint = await an_endpoint(api, receiver.url)
    await api.mutate("disableWebhookEndpoint", "webhookEndpoint { status }", id=endpoint.id)
    await api.a_customer(name="missed")
    await events_settle(database)
    cursor = (await api("{ eventsCursor }"))["eventsCursor"]
    await api.mutate("enableWebhookEndpoint", "webhookEndpoint { status }", id=endpoint.id, after=cursor)
    wanted = await api.a_customer()

    async with delivering(database, clock):
        await receiver.wait(1)
        await asyncio.sleep(0.3)

    assert [each.data["objectId"] for each in receiver.got] == [wanted]


async def test_a_range_of_the_feed_is_replayed_in_order(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    await api.a_customer(name="before the endpoint")
    await events_settle(database)
    start = (await api("{ eventsCursor }"))["eventsCursor"]
    customer_id = await api.a_customer()
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, name="b")
    endpoint = await an_endpoint(api, receiver.url)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, name="c")
    await events_settle(database)
    end = (await api("{ eventsCursor }"))["eventsCursor"]
    async with delivering(database, clock):
        await receiver.wait(1)
        await until_attempted(api, endpoint, 1)

        replayed = await api.mutate(
            "replayWebhooks", "webhookEndpoint { id }", endpointId=endpoint.id, after=start, until=end
        )
        assert replayed["userErrors"] == []
        await receiver.wait(4)
        await until_attempted(api, endpoint, 1)

    assert receiver.versions() == {customer_id: [3, 1, 2, 3]}
    assert receiver.got[0].id == receiver.got[3].id
    assert receiver.got[0].body == receiver.got[3].body


async def test_deliveries_are_replayed_by_id(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    endpoint = await an_endpoint(api, receiver.url)
    await api.a_customer()
    await api.a_customer()
    async with delivering(database, clock):
        first, _ = await until_attempted(api, endpoint, 1)
        await api.mutate("replayWebhooks", "webhookEndpoint { id }", endpointId=endpoint.id, deliveryIds=[first["id"]])
        await receiver.wait(3)

    assert receiver.got[2].id == first["messageId"]
    assert receiver.got[2].body == first["body"]


async def test_a_test_message_is_sent(api: Api, database: Database, clock: TestClock, receiver: Receiver) -> None:
    endpoint = await an_endpoint(api, receiver.url, eventTypes=["INVOICE_PAID"])
    sent = await api.mutate("sendTestWebhook", "webhookDelivery { id status type }", id=endpoint.id)
    assert sent["webhookDelivery"]["status"] == "PENDING"

    async with delivering(database, clock):
        await receiver.wait(1)
        await until_attempted(api, endpoint, 1)

    assert receiver.got[0].message == {
        "type": "TEST",
        "timestamp": f"{NOW:%FT%TZ}",
        "data": {"endpointId": endpoint.id},
    }
    found = await api(
        "query ($id: ID!) { webhookDelivery(id: $id) { status endpoint { id } } }", id=sent["webhookDelivery"]["id"]
    )
    assert found["webhookDelivery"] == {"status": "SUCCEEDED", "endpoint": {"id": endpoint.id}}


async def test_messages_are_signed_with_both_secrets_for_a_day_after_a_rotation(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    clock.now = clock.now.now(clock.now.tzinfo)  # The published library compares the time of a message with real time.
    endpoint = await an_endpoint(api, receiver.url)
    rotated = await api.mutate("rotateWebhookSecret", "secret", id=endpoint.id)
    await api.a_customer()
    async with delivering(database, clock):
        await receiver.wait(1)
    assert len(receiver.got[0].headers["webhook-signature"].split()) == 2
    receiver.verify(rotated["secret"])

    await api.a_customer()
    clock.forward(hours=25)
    async with delivering(database, clock):
        await receiver.wait(2)
    assert len(receiver.got[1].headers["webhook-signature"].split()) == 1


async def test_a_deleted_endpoint_gets_nothing_more_and_its_deliveries_are_deleted(
    api: Api, database: Database, clock: TestClock, receiver: Receiver, sessions: Sessions
) -> None:
    receiver.status = 500
    endpoint = await an_endpoint(api, receiver.url)
    await api.a_customer()
    async with delivering(database, clock):
        await until_attempted(api, endpoint, 1)
        deleted = await api.mutate("deleteWebhookEndpoint", "deletedId", id=endpoint.id)
        assert deleted["deletedId"] == endpoint.id
        await api.a_customer()
        clock.forward(seconds=10)
        await asyncio.sleep(0.3)

    assert len(receiver.got) == 1
    await tick(database, now=clock.now)
    data = await api(
        "query ($id: ID!) { webhookEndpoints { id } webhookEndpoint(id: $id) { id } node(id: $id) { id } }",
        id=endpoint.id,
    )
    assert data == {"webhookEndpoints": [], "webhookEndpoint": None, "node": None}
    async with sessions() as session:
        assert (await session.execute(COUNTS)).one() == (0, 0)


@pytest.mark.parametrize("kept", [True, False])
async def test_deliveries_are_deleted_a_month_after_they_finished(
    api: Api, database: Database, clock: TestClock, receiver: Receiver, kept: bool
) -> None:
    endpoint = await an_endpoint(api, receiver.url)
    await api.a_customer()
    async with delivering(database, clock):
        await until_attempted(api, endpoint, 1)

    await tick(database, now=clock.now + timedelta(days=29 if kept else 31))

    assert len(await deliveries(api, endpoint)) == (1 if kept else 0)


async def test_a_run_is_told_to_the_endpoint(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    for _ in range(20):
        await api.a_subscription()
    await an_endpoint(api, receiver.url, eventTypes=["SUBSCRIPTION_RENEWED", "INVOICE_FINALIZED"])
    clock.forward(days=30)
    report = await run(database, clock)
    assert report.renewed == 20

    async with delivering(database, clock), delivering(database, clock), delivering(database, clock):
        await receiver.wait(40)
        await asyncio.sleep(0.3)

    assert sorted(receiver.types) == ["INVOICE_FINALIZED"] * 20 + ["SUBSCRIPTION_RENEWED"] * 20
    assert len({each.id for each in receiver.got}) == 40


MANY_EVENTS = text(
    """
    INSERT INTO events (id, type, object_type, object_id, version, actor, changes, occurred_at, recorded_at)
    SELECT gen_random_uuid(), 'PLAN_CREATED', 'PLAN', gen_random_uuid(), 1, 'test', '{}', now(), now()
    FROM generate_series(1, 5000)
    """
)


async def test_events_that_nobody_wants_are_passed_over(
    api: Api, database: Database, clock: TestClock, receiver: Receiver, sessions: Sessions
) -> None:
    await an_endpoint(api, receiver.url, eventTypes=["CUSTOMER_CREATED"])
    async with sessions.begin() as session:
        await session.execute(MANY_EVENTS)
    await api.a_customer()

    async with delivering(database, clock):
        await receiver.wait(1)

    assert receiver.types == ["CUSTOMER_CREATED"]


async def test_a_new_url_applies_to_further_attempts_of_a_worker_that_is_busy(
    api: Api, database: Database, clock: TestClock, receiver: Receiver
) -> None:
    released = asyncio.Event()

    async def hang(_request: web.Request, _received: Received) -> web.Response:
        await released.wait()
        return web.Response()

    receiver.respond = hang
    endpoint = await an_endpoint(api, receiver.url)
    for _ in range(33):
        await api.a_customer()
    async with receiving() as other, delivering(database, clock):
        await receiver.wait(32)
        await api.mutate("updateWebhookEndpoint", "webhookEndpoint { id }", id=endpoint.id, url=other.url)
        released.set()
        await other.wait(1)

    assert len(receiver.got) == 32
