"""Mutations and queries of webhook endpoints: input, rights, limits, and events."""

from typing import Any

import pytest

from billing.enums import ApiKeyScope
from billing.limits import MAX_WEBHOOK_ENDPOINTS
from db.access.transactions import Sessions
from db.database import Database
from db.models import WebhookEndpoint
from graph.settings import Settings
from tests.access.conftest import a_key, a_session
from tests.support import Api, TestClock, a_customer, count, events_settle, refusal, stored
from tests.webhooks.conftest import an_endpoint, api_with

FIELDS = "id url description eventTypes testClocks status disabledReason version"


async def test_an_endpoint_is_created_read_and_updated(api: Api, database: Database) -> None:
    endpoint = await an_endpoint(
        api, " http://127.0.0.1:9/ ", description=" Shop ", eventTypes=["INVOICE_PAID", "INVOICE_PAID"]
    )
    assert endpoint.secret.startswith("whsec_")
    created = {
        "id": endpoint.id,
        "url": "http://127.0.0.1:9/",
        "description": "Shop",
        "eventTypes": ["INVOICE_PAID"],
        "testClocks": False,
        "status": "ENABLED",
        "disabledReason": None,
        "version": 1,
    }
    data = await api(f"{{ webhookEndpoints {{ {FIELDS} }} }}")
    assert data == {"webhookEndpoints": [created]}

    updated = await api.mutate(
        "updateWebhookEndpoint",
        f"webhookEndpoint {{ {FIELDS} }}",
        id=endpoint.id,
        url="https://1.1.1.1/",
        description=None,
        eventTypes=[],
        testClocks=True,
    )
    assert updated["webhookEndpoint"] == created | {
        "url": "https://1.1.1.1/",
        "description": None,
        "eventTypes": [],
        "testClocks": True,
        "version": 2,
    }
    same = await api.mutate("updateWebhookEndpoint", "webhookEndpoint { version }", id=endpoint.id, testClocks=True)
    assert same["webhookEndpoint"] == {"version": 2}
    await events_settle(database)
    found = await api(
        "{ events(filter: {objectType: WEBHOOK_ENDPOINT}) { nodes { type changes object { __typename id } } } }"
    )
    node = {"__typename": "WebhookEndpoint", "id": endpoint.id}
    assert found["events"]["nodes"] == [
        {"type": "WEBHOOK_ENDPOINT_CREATED", "changes": [], "object": node},
        {
            "type": "WEBHOOK_ENDPOINT_UPDATED",
            "changes": ["description", "eventTypes", "testClocks", "url"],
            "object": node,
        },
    ]


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"url": "ftp://127.0.0.1/"}, "WEBHOOK_URL_INVALID", "url"),
        ({"url": ""}, "WEBHOOK_URL_INVALID", "url"),
        ({"url": "http://127.0.0.1/", "description": "x" * 256}, "INVALID_INPUT", "description"),
        ({"url": "http://127.0.0.1/", "eventTypes": ["WEBHOOK_ENDPOINT_CREATED"]}, "INVALID_INPUT", "eventTypes"),
    ],
)
async def test_bad_input(api: Api, sessions: Sessions, fields: dict[str, Any], code: str, field: str) -> None:
    made = await api.mutate("createWebhookEndpoint", "webhookEndpoint { id } secret", **fields)

    assert refusal(made) == (code, ["input", field])
    assert (made["webhookEndpoint"], made["secret"]) == (None, None)
    assert await count(sessions, WebhookEndpoint) == 0


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://2130706433/"),
        *("https://no-such-name.invalid/", "https://169.254.169.254/latest/meta-data/"),
    ],
)
async def test_private_targets_are_rejected_unless_the_setting_allows_them(
    database: Database, clock: TestClock, url: str
) -> None:
    async with api_with(database, clock, Settings()) as api:
        made = await api.mutate("createWebhookEndpoint", "secret", url=url)
        assert refusal(made) == ("WEBHOOK_URL_INVALID", ["input", "url"])


async def test_there_is_a_maximum_number_of_endpoints(api: Api) -> None:
    for _ in range(MAX_WEBHOOK_ENDPOINTS):
        await an_endpoint(api, "http://127.0.0.1:9/")

    made = await api.mutate("createWebhookEndpoint", "secret", url="http://127.0.0.1:9/")
    assert refusal(made)[0] == "TOO_MANY_WEBHOOK_ENDPOINTS"


NAMES = (
    *("updateWebhookEndpoint", "rotateWebhookSecret", "enableWebhookEndpoint", "disableWebhookEndpoint"),
    *("deleteWebhookEndpoint", "sendTestWebhook"),
)
"""Mutations whose input is the id of an endpoint."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("id_", ["nothing", "019b0000-0000-7000-8000-000000000001"])
async def test_an_unknown_endpoint(api: Api, name: str, id_: str) -> None:
    assert refusal(await api.mutate(name, "", id=id_)) == ("WEBHOOK_ENDPOINT_NOT_FOUND", ["input", "id"])


async def test_states_that_do_not_fit(api: Api) -> None:
    endpoint = await an_endpoint(api, "http://127.0.0.1:9/")

    assert refusal(await api.mutate("enableWebhookEndpoint", "", id=endpoint.id))[0] == "WEBHOOK_ENDPOINT_ENABLED"
    await api.mutate("disableWebhookEndpoint", "", id=endpoint.id)
    assert refusal(await api.mutate("disableWebhookEndpoint", "", id=endpoint.id))[0] == "WEBHOOK_ENDPOINT_DISABLED"
    assert refusal(await api.mutate("sendTestWebhook", "", id=endpoint.id))[0] == "WEBHOOK_ENDPOINT_DISABLED"


async def test_replays_that_do_not_fit(api: Api, database: Database) -> None:
    endpoint = await an_endpoint(api, "http://127.0.0.1:9/")
    await api.a_customer()
    await events_settle(database)
    start, end = await two_cursors(api, database)

    async def replay(**fields: Any) -> tuple[str, list[str] | None]:
        return refusal(await api.mutate("replayWebhooks", "", endpointId=endpoint.id, **fields))

    assert await replay() == ("INVALID_INPUT", ["input", "deliveryIds"])
    assert await replay(after=start) == ("INVALID_INPUT", ["input", "deliveryIds"])
    assert await replay(after=start, until=end, deliveryIds=[endpoint.id]) == (
        "INVALID_INPUT",
        ["input", "deliveryIds"],
    )
    assert await replay(after=end, until=start) == ("INVALID_INPUT", ["input", "until"])
    assert await replay(deliveryIds=[endpoint.id]) == ("WEBHOOK_DELIVERY_NOT_FOUND", ["input", "deliveryIds"])
    assert await replay(deliveryIds=[str(n) for n in range(101)]) == ("INVALID_INPUT", ["input", "deliveryIds"])
    bad = await api.post(
        "mutation ($input: ReplayWebhooksInput!) { replayWebhooks(input: $input) { userErrors { code } } }",
        input={"endpointId": endpoint.id, "after": "x", "until": end},
    )
    assert bad.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def two_cursors(api: Api, database: Database) -> tuple[str, str]:
    """Returns two cursors of the feed, the first before the second."""
    found = []
    for _ in range(2):
        await api.a_customer()
        await events_settle(database)
        found.append((await api("{ eventsCursor }"))["eventsCursor"])
    return found[0], found[1]


async def test_a_second_replay_waits_for_the_first(api: Api, database: Database) -> None:
    start, _ = await two_cursors(api, database)
    endpoint = await an_endpoint(api, "http://127.0.0.1:9/")
    end = (await api("{ eventsCursor }"))["eventsCursor"]

    first = await api.mutate("replayWebhooks", "", endpointId=endpoint.id, after=start, until=end)
    assert first["userErrors"] == []
    second = await api.mutate("replayWebhooks", "", endpointId=endpoint.id, after=start, until=end)
    assert refusal(second) == ("WEBHOOK_REPLAY_RUNNING", ["input", "endpointId"])


READS = (
    "{ webhookEndpoints { id } }",
    'query { webhookEndpoint(id: "ID") { id } }',
    'query { webhookDelivery(id: "ID") { id } }',
)


@pytest.mark.parametrize("scope", [ApiKeyScope.READ, ApiKeyScope.WRITE, None])
async def test_everything_requires_an_admin_key(
    api: Api, database: Database, clock: TestClock, sessions: Sessions, scope: ApiKeyScope | None
) -> None:
    endpoint = await an_endpoint(api, "http://127.0.0.1:9/")
    customer = await stored(sessions, a_customer())
    await events_settle(database)
    if scope is None:
        token = await a_session(database, clock, customer.id)
    else:
        token = (await a_key(database, clock, scope)).token
    async with api_with(database, clock, Settings(requires_key=True), token=token) as keyed:
        for query in READS:
            answer = await keyed.post(query.replace("ID", endpoint.id))
            assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN", query
        for name in (*NAMES, "createWebhookEndpoint", "replayWebhooks"):
            type_ = f"{name[0].upper()}{name[1:]}Input"
            given = {
                "createWebhookEndpoint": {"url": "http://127.0.0.1:9/"},
                "replayWebhooks": {"endpointId": endpoint.id},
            }
            answer = await keyed.post(
                f"mutation ($input: {type_}!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}",
                input=given.get(name, {"id": endpoint.id}),
            )
            assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN", name
        data = await keyed("query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }", id=endpoint.id)
        assert data == {"node": None, "nodes": [None]}
        found = await keyed("{ events(filter: {objectType: WEBHOOK_ENDPOINT}) { nodes { type object { id } } } }")
        told = [] if scope is None else [{"type": "WEBHOOK_ENDPOINT_CREATED", "object": None}]
        assert found["events"]["nodes"] == told
    assert await count(sessions, WebhookEndpoint) == 1


async def test_secrets_are_nowhere_but_in_the_first_response(api: Api, database: Database) -> None:
    endpoint = await an_endpoint(api, "http://127.0.0.1:9/")
    rotated = await api.mutate(
        "rotateWebhookSecret", "secret webhookEndpoint { previousSecretExpiresAt }", id=endpoint.id
    )
    assert rotated["secret"] != endpoint.secret
    assert rotated["webhookEndpoint"]["previousSecretExpiresAt"] == "2026-02-01T12:00:00Z"
    await events_settle(database)

    found = await api("{ events { nodes { type changes } } }")
    assert found["events"]["nodes"] == [
        {"type": "WEBHOOK_ENDPOINT_CREATED", "changes": []},
        {"type": "WEBHOOK_ENDPOINT_SECRET_ROTATED", "changes": ["previousSecretExpiresAt"]},
    ]
