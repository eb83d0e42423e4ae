"""Connections of streams: messages out of order, limits, rights that end, slow readers, and a server that stops."""

import asyncio
import json
import socket
from contextlib import suppress
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from websockets.exceptions import InvalidStatus

from billing.enums import ApiKeyScope
from cli.slow_clients import BoundedProtocol
from db.access.transactions import Sessions
from db.database import Database
from graph.server import live, sse, websocket
from graph.server.app import create_app
from graph.settings import Settings
from services.api_keys import key_id_in, revoke_api_key
from services.settings import RateLimit
from tests.access.conftest import a_key, a_session
from tests.live.conftest import EVENTS, caught_up, connected, listening, results
from tests.support import PATIENCE_SECONDS, Api, TestClock, a_customer, events_settle, patient, stored

INIT = {"type": "connection_init"}
SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": EVENTS}}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["{"], 4400),
        (["7"], 4400),
        (["[]"], 4400),
        (['{"type": 7}'], 4400),
        (["[" * 10_000], 4400),
        ([b"\x00\x01"], 4400),
        ([SUBSCRIBE], 4401),
        ([{"type": "complete", "id": "1"}], 4401),
        ([{"type": "connection_init", "payload": []}], 4400),
        ([INIT, INIT], 4429),
        ([INIT, {"type": "start"}], 4400),
        ([INIT, {"type": "subscribe", "payload": {"query": EVENTS}}], 4400),
        ([INIT, {"type": "subscribe", "id": 7, "payload": {"query": EVENTS}}], 4400),
        ([INIT, {"type": "subscribe", "id": "x" * 200, "payload": {"query": EVENTS}}], 4400),
        ([INIT, {"type": "subscribe", "id": "1"}], 4400),
        ([INIT, SUBSCRIBE, SUBSCRIBE], 4409),
        ([INIT, {"type": "complete"}], 4400),
        ([INIT, "x" * 70_000], 1009),
    ],
    ids=str,
)
async def test_messages_out_of_protocol_close_the_connection(address: str, messages: list[Any], code: int) -> None:
    async with connected(address) as client:
        for message in messages:
            await client.send(message)
        closed, reason = await client.closed()

    assert closed == code
    assert reason is not None


async def test_another_protocol_is_not_spoken(address: str) -> None:
    async with connected(address, subprotocols=["graphql-ws"]) as client:
        assert (await client.closed())[0] == 4406


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
    ],
)
async def test_pages_of_other_origins_may_not_connect(address: str, headers: dict[str, str], status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connected(address, additional_headers=headers):
            pass

    assert refused.value.response.status_code == status


async def test_pages_of_the_server_and_of_allowed_origins_may_connect(database: Database, clock: TestClock) -> None:
    settings = Settings(cors_origins=("https://app.example.com",))
    async with listening(database, clock, settings) as address:
        for origin in (f"http://{address}", f"https://{address}", "https://app.example.com"):
            async with connected(address, additional_headers={"Origin": origin}) as client:
                await client.begin()


async def test_a_strange_host_may_not_connect_without_a_key(address: str) -> None:
    port = address.rpartition(":")[2]
    with pytest.raises(InvalidStatus) as refused:
        async with connected(f"rebound.example.com:{port}", host="127.0.0.1"):
            pass

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/", "/customers", "/health"])
async def test_other_addresses_are_no_websockets(address: str, path: str) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://{address}{path}", headers=headers)

    assert answer.status_code == 200


async def test_a_client_that_says_nothing_is_disconnected(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "INIT_SECONDS", 0.2)
    async with connected(address) as client:
        assert (await client.closed())[0] == 4408


async def test_an_idle_connection_is_closed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "RECHECK_SECONDS", 0.1)
    monkeypatch.setattr(websocket, "IDLE_SECONDS", 0.3)
    async with connected(address) as client, connected(address) as busy:
        await client.begin()
        await busy.begin()
        await busy.subscribe()
        assert (await client.closed())[0] == 1001
        await busy.send({"type": "ping"})
        assert await busy.next() == {"type": "pong"}


async def test_the_server_sends_heartbeats(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(websocket, "HEARTBEAT_SECONDS", 0.1)
    async with connected(address) as client:
        await client.begin()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert json.loads(await client.socket.recv()) == {"type": "ping"}
        await client.send({"type": "pong"})


async def test_an_operation_that_is_completed_makes_room_for_its_id(address: str, api: Api) -> None:
    async with connected(address) as client:
        await client.begin()
        for _ in range(100):
            await client.subscribe("same")
            await client.send({"id": "same", "type": "complete"})
            await client.send({"type": "ping"})
            assert await client.next() == {"type": "pong"}
        await client.subscribe("same")
        await caught_up(address)
        await api.a_plan()
        assert (await client.event())["node"]["type"] == "PLAN_CREATED"


async def test_ten_thousand_subscriptions_on_one_connection(address: str, api: Api) -> None:
    async with connected(address) as client:
        await client.begin()
        for number in range(10_000):
            await client.subscribe(str(number), query="subscription { events { cursor } }")
        errors = [await client.next() for _ in range(10_000 - websocket.MAX_OPERATIONS)]
        assert {each["type"] for each in errors} == {"error"}
        assert {each["payload"][0]["extensions"]["code"] for each in errors} == {"OVERLOADED"}
        await caught_up(address, websocket.MAX_OPERATIONS)
        await api.a_plan()
        got = [await client.next() for _ in range(websocket.MAX_OPERATIONS)]
        assert {each["id"] for each in got} == {str(number) for number in range(websocket.MAX_OPERATIONS)}


async def test_a_caller_has_a_maximum_number_of_streams(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_STREAMS_PER_CALLER", 2)
    async with connected(address) as client:
        await client.begin()
        for number in range(2):
            await client.subscribe(str(number))
        await caught_up(address, 2)
        await client.subscribe("2")
        message = await client.next()

    assert (message["id"], message["payload"][0]["message"]) == (
        "2",
        "You already have 2 streams on this server process. Close one first.",
    )


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "RECHECK_SECONDS", 0.1)
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.1)


KEYED = Settings(requires_key=True)


async def test_a_websocket_needs_a_key(database: Database, clock: TestClock) -> None:
    key = await a_key(database, clock, ApiKeyScope.READ)
    async with listening(database, clock, KEYED) as address:
        for payload in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": 7}):
            async with connected(address) as client:
                await client.send({"type": "connection_init", "payload": payload})
                assert (await client.closed())[0] == 4403
        async with connected(address) as client:
            await client.begin(Authorization=f"Bearer {key.token}")
        async with connected(address, additional_headers={"Authorization": f"Bearer {key.token}"}) as client:
            await client.begin()


@pytest.mark.usefixtures("quick_checks")
async def test_a_revoked_key_ends_its_streams(database: Database, clock: TestClock) -> None:
    key = await a_key(database, clock, ApiKeyScope.READ)
    key_id = key_id_in(key.token)
    assert key_id is not None
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {key.token}"}
    async with listening(database, clock, KEYED) as address, connected(address) as client:
        await client.begin(Authorization=f"Bearer {key.token}")
        await client.subscribe()
        async with (
            httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as http,
            http.stream("POST", "/graphql", json={"query": EVENTS}, headers=headers) as response,
        ):
            async with database.sessions.begin() as session:
                await revoke_api_key(session, api_key_id=key_id, now=clock.now)
            clock.forward(minutes=1)
            last = [each async for each in results(response)]
        assert (await client.closed())[0] == 4403

    assert [each["errors"][0]["extensions"]["code"] for each in last] == ["UNAUTHENTICATED"]


@pytest.mark.usefixtures("quick_checks")
async def test_an_expired_customer_session_ends_its_stream(
    database: Database, clock: TestClock, sessions: Sessions
) -> None:
    customer = await stored(sessions, a_customer())
    token = await a_session(database, clock, customer.id, seconds=60)
    async with listening(database, clock, KEYED) as address, connected(address) as client:
        await client.begin(Authorization=f"Bearer {token}")
        await client.subscribe()
        clock.forward(minutes=2)
        assert (await client.closed())[0] == 4403


async def test_a_customer_session_gets_only_its_own_events(
    database: Database, clock: TestClock, sessions: Sessions
) -> None:
    mine, other = await stored(sessions, a_customer(), a_customer())
    token = await a_session(database, clock, mine.id)
    admin = (await a_key(database, clock, ApiKeyScope.ADMIN)).token
    async with (
        listening(database, clock, KEYED) as address,
        httpx.AsyncClient(base_url=f"http://{address}", headers={"Authorization": f"Bearer {admin}"}) as http,
        connected(address) as client,
    ):
        api = Api(http)
        await client.begin(Authorization=f"Bearer {token}")
        await client.subscribe()
        await caught_up(address, token=admin)
        for customer in (other, mine, other, mine):
            line = {"description": "Setup", "unitAmountCents": 100}
            made = await api.mutate(
                "createInvoice", "invoice { id }", customerId=str(customer.id), currency="EUR", lines=[line]
            )
            await api.mutate("finalizeInvoice", "invoice { id }", id=made["invoice"]["id"])
        got = [await client.event() for _ in range(3)]

    assert {each["node"]["type"] for each in got} <= {"INVOICE_FINALIZED", "CUSTOMER_UPDATED"}
    data = [each["node"]["object"] for each in got]
    assert all(each is not None for each in data)


async def test_a_client_that_reads_too_slowly_is_disconnected(
    database: Database, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_WAITING", 20)
    monkeypatch.setattr(BoundedProtocol, "read_timeout_seconds", PATIENCE_SECONDS)
    fields = " ".join(f"a{number}: object {{ id __typename }}" for number in range(28))
    wide = f"subscription {{ events {{ cursor node {{ {fields} }} }} }}"
    async with (
        listening(database, clock, Settings(), send_buffer=4096) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as http,
    ):
        host, port = address.split(":")
        slow = socket.create_connection((host, int(port)))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with connected(address, sock=slow, max_queue=1) as client, connected(address) as quick:
            for each in (client, quick):
                await each.begin()
                await each.subscribe(query=wide)
            await caught_up(address, 2)
            # The slow client reads nothing, so its socket and then its queue fill up.
            for _ in range(200):
                await Api(http).a_plan()
                await quick.event()
            code, reason = await client.closed()
            assert code == 1013
            assert "Continue after the last event" in str(reason)


async def test_a_client_that_pings_and_reads_nothing_is_disconnected(
    database: Database, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedProtocol, "read_timeout_seconds", 2)
    ping = b"\x89\xfd" + bytes(4) + bytes(125)
    async with listening(database, clock, Settings(), send_buffer=4096) as address:
        host, port = address.split(":")
        slow = socket.create_connection((host, int(port)))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with connected(address, sock=slow) as client:
            await client.begin()
            transport = client.socket.transport
            transport.pause_reading()
            sent = 0
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not transport.is_closing():
                    # At most 1 MB waits in the client itself, so that only what the server takes counts.
                    if transport.get_write_buffer_size() < 1_000_000:
                        transport.write(ping * 100)
                        sent += 100 * len(ping)
                    await asyncio.sleep(0.001)
            assert sent < 20_000_000, "the server stops to read"


async def test_a_server_that_stops_makes_clients_reconnect(database: Database, clock: TestClock) -> None:
    async with listening(database, clock, Settings()) as address:
        connection = connected(address)
        client = await connection.__aenter__()
        await client.begin()
        await client.subscribe()
        http = httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS)
        request = http.build_request(
            "POST", "/graphql", json={"query": EVENTS}, headers={"Accept": "text/event-stream"}
        )
        response = await http.send(request, stream=True)
        reading = asyncio.create_task(read_to_its_end(response))
        await caught_up(address, 2)
        began = asyncio.get_running_loop().time()
    seconds = asyncio.get_running_loop().time() - began

    assert (await client.closed())[0] == 1012
    assert await reading == [], "without `complete`, clients subscribe again"
    assert seconds < 4
    await connection.__aexit__(None, None, None)
    await http.aclose()


async def read_to_its_end(response: httpx.Response) -> list[str]:
    lines: list[str] = []
    with suppress(httpx.RemoteProtocolError):
        async for line in response.aiter_lines():
            lines += [line] if line and not line.startswith(":") else []
    return lines


async def test_operations_on_a_connection_count_for_the_rate_limit(database: Database, clock: TestClock) -> None:
    key = await a_key(database, clock, ApiKeyScope.READ)
    settings = Settings(requires_key=True, rate_limit=RateLimit(rows_per_second=1, burst=50))
    async with listening(database, clock, settings) as address, connected(address) as client:
        await client.begin(Authorization=f"Bearer {key.token}")
        for number in range(100):
            await client.subscribe(str(number), query="subscription { events { nothing } }")
        code, reason = await client.closed()

    assert code == 1013
    assert "rate limit" in str(reason)


async def test_large_arguments_of_a_subscription_are_limited_and_charged(database: Database, clock: TestClock) -> None:
    key = await a_key(database, clock, ApiKeyScope.READ)
    settings = Settings(requires_key=True, rate_limit=RateLimit(rows_per_second=1, burst=300))
    query = "subscription ($filter: EventFilter) { events(filter: $filter) { cursor } }"
    headers = {"Authorization": f"Bearer {key.token}", "Accept": "text/event-stream"}
    statuses: list[int] = []
    async with (
        listening(database, clock, settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}", headers=headers) as http,
    ):
        for _ in range(4):
            variables = {"filter": {"type": ["INVOICE_PAID"] * 11_000}}
            refused = await http.post("/graphql", json={"query": query, "variables": variables})
            statuses.append(refused.status_code)
            if len(statuses) == 1:
                [error] = refused.json()["errors"]

    assert error["extensions"]["code"] == "COST_LIMIT"
    assert statuses == [400, 400, 429, 429]


NESTED = """subscription ($after: String) { events(after: $after) { cursor node { object { ... on Customer {
    invoices(first: 20) { nodes { lines { id } } }
} } } } }"""


@pytest.fixture
async def start(database: Database, clock: TestClock) -> str:
    """A cursor before 31 events, 21 of which are about a customer with ten invoices."""
    transport = httpx.ASGITransport(create_app(database, settings=patient(), clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        api = Api(http)
        cursor: str = (await api("{ eventsCursor }"))["eventsCursor"]
        customer_id = await api.a_customer()
        for _ in range(10):
            line = {"description": "Setup", "unitAmountCents": 100}
            fields = {"customerId": customer_id, "currency": "EUR", "lines": [line]}
            await api.mutate("createInvoice", "invoice { id }", **fields)
        for number in range(20):
            await api.mutate("updateCustomer", "customer { id }", id=customer_id, name=f"Ada {number}")
        await events_settle(database)
    return cursor


async def test_the_rows_of_events_count_for_the_rate_limit(database: Database, clock: TestClock, start: str) -> None:
    key = await a_key(database, clock, ApiKeyScope.ADMIN)
    settings = Settings(requires_key=True, rate_limit=RateLimit(rows_per_second=1, burst=300))
    async with listening(database, clock, settings) as address, connected(address) as client:
        await client.begin(Authorization=f"Bearer {key.token}")
        await client.subscribe(query=NESTED, after=start)
        for _ in range(31):
            await client.next()
        headers = {"Authorization": f"Bearer {key.token}"}
        async with httpx.AsyncClient(base_url=f"http://{address}", headers=headers) as http:
            refused = await http.post("/graphql", json={"query": "{ eventsCursor }"})

    assert refused.status_code == 429


async def test_a_key_at_its_rate_limit_gets_the_events_that_it_was_charged_for(
    database: Database, clock: TestClock, start: str
) -> None:
    key = await a_key(database, clock, ApiKeyScope.ADMIN)
    settings = Settings(requires_key=True, rate_limit=RateLimit(rows_per_second=100, burst=200))
    headers = {"Authorization": f"Bearer {key.token}", "Accept": "text/event-stream"}
    body = {"query": NESTED, "variables": {"after": start}}
    async with (
        listening(database, clock, settings) as address,
        httpx.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=PATIENCE_SECONDS) as http,
        http.stream("POST", "/graphql", json=body) as response,
    ):
        assert response.status_code == 200
        lines = [line async for line in response.aiter_lines() if line.startswith("data: {")]

    got = [json.loads(line.removeprefix("data: "))["data"]["events"]["cursor"] for line in lines]
    assert len(got) == len(set(got)) == live.BATCH_EVENTS, "a batch uses up the limit"


async def test_a_burst_of_events_does_not_end_the_stream_of_a_quick_client(
    database: Database, api: Api, sessions: Sessions, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BATCH_BYTES", 1_000)
    monkeypatch.setattr(live, "MAX_WAITING_BYTES", 5_000)
    async with connected(address) as client:
        await client.begin()
        await client.subscribe()
        await caught_up(address)
        async with sessions.begin() as session:
            # No event appears until the end of this transaction. Then all of them appear at once.
            await session.execute(text("SELECT pg_current_xact_id()"))
            for _ in range(20):
                await api.a_subscription()
        got = [await client.event() for _ in range(100)]

    assert len({each["cursor"] for each in got}) == 100


async def test_clients_that_vanish_are_no_errors(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(websocket, "RECHECK_SECONDS", 0.001)
    monkeypatch.setattr(websocket, "HEARTBEAT_SECONDS", 0.001)
    for _ in range(20):
        async with connected(address) as client:
            await client.begin()
            await client.subscribe()
            await caught_up(address)
            client.socket.transport.abort()
        await caught_up(address, 0)

    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
