"""API keys: what each scope allows, and how keys are created, used and revoked."""

from typing import Any

import pytest
from sqlalchemy import select, update

from billing.enums import ApiKeyScope
from db.database import Database
from db.models import ApiKey, Event, IdempotencyKey
from graph.settings import Settings
from services.api_keys import key_id_in
from tests.access.conftest import Serving, a_key
from tests.support import Api, TestClock, counted_statements, refusal

KEYED = Settings(requires_key=True, suggestions=False)
CREATE_PLAN = (
    'mutation { createPlan(input: {code: "pro", name: "Pro", amountCents: 1, currency: "EUR"}) { plan { id } } }'
)
CREATE_KEY = 'mutation { createApiKey(input: {name: "new", scope: READ}) { token apiKey { id name scope } } }'


def code_of(document: Any) -> str | None:
    return document["errors"][0]["extensions"]["code"] if "errors" in document else None


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic YTpi",
        "bk_" + "0" * 32 + "_" + "A" * 43,
        "Bearer bk_" + "0" * 32 + "_" + "A" * 43,
        "Bearer bk_" + "0" * 32 + "_" + "A" * 42 + "é",
        "Bearer " + "x" * 5000,
    ],
)
async def test_without_a_key_nothing_is_even_parsed(serving: Serving, authorization: str | None) -> None:
    client = (await serving(KEYED))(None)
    headers = [(b"content-type", b"application/json")]
    if authorization is not None:
        headers.append((b"authorization", authorization.encode()))

    answer = await client.client.post("/graphql", content=b"{ no json", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert code_of(answer.json()) == "UNAUTHENTICATED"


async def test_a_wrong_secret_prefix_or_an_ended_key_opens_nothing(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    client = await serving(KEYED)
    token = (await a_key(database, clock, ApiKeyScope.READ)).token
    wrong = [token[:-1] + ("A" if token[-1] != "A" else "E"), "bs" + token[2:], token.upper(), token + "A"]

    statuses = [(await client(each).post("{ __typename }")).status_code for each in (token, *wrong)]
    async with database.sessions.begin() as session:
        await session.execute(update(ApiKey).values(revoked_at=clock.now))
    at_once = (await client(token).post("{ __typename }")).status_code
    clock.forward(seconds=6)
    later = (await client(token).post("{ __typename }")).status_code

    assert statuses == [200, 401, 401, 401, 401]
    # A server caches an API key for five seconds.
    assert (at_once, later) == (200, 401)


@pytest.mark.parametrize(
    ("scope", "codes"),
    [
        (ApiKeyScope.READ, [None, "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"]),
        (ApiKeyScope.WRITE, [None, None, "FORBIDDEN", "FORBIDDEN"]),
        (ApiKeyScope.ADMIN, [None, None, None, None]),
    ],
)
async def test_a_key_may_do_what_its_scope_says(
    serving: Serving, database: Database, clock: TestClock, scope: ApiKeyScope, codes: list[str | None]
) -> None:
    api = (await serving(KEYED))((await a_key(database, clock, scope)).token)

    answers = [
        (await api.post(document)).json()
        for document in ("{ plans { totalCount } }", CREATE_PLAN, CREATE_KEY, "{ apiKeys { name scope } }")
    ]

    assert [code_of(answer) for answer in answers] == codes


async def test_a_key_is_made_used_and_revoked_by_the_api(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    client = await serving(KEYED)
    admin = client((await a_key(database, clock, ApiKeyScope.ADMIN)).token)

    made = (await admin(CREATE_KEY))["createApiKey"]
    reader = client(made["token"])
    read = await reader("{ plans { totalCount } }")
    listed = (await admin("{ apiKeys { id name scope lastUsedAt revokedAt } }"))["apiKeys"]
    revoked = await admin.mutate("revokeApiKey", "apiKey { id revokedAt }", id=made["apiKey"]["id"])
    again = await admin.mutate("revokeApiKey", "apiKey { id }", id=made["apiKey"]["id"])
    unknown = await admin.mutate("revokeApiKey", "apiKey { id }", id="none")
    clock.forward(seconds=6)

    assert read == {"plans": {"totalCount": 0}}
    assert made["apiKey"]["id"] == str(key_id_in(made["token"]))
    assert [(each["name"], each["scope"], each["revokedAt"]) for each in listed] == [
        ("ADMIN", "ADMIN", None),
        ("new", "READ", None),
    ]
    assert all(each["lastUsedAt"] for each in listed)
    assert revoked["apiKey"]["revokedAt"] is not None
    assert refusal(again) == ("API_KEY_REVOKED", ["input", "id"])
    assert refusal(unknown) == ("API_KEY_NOT_FOUND", ["input", "id"])
    assert (await reader.post("{ __typename }")).status_code == 401


async def test_tokens_are_not_kept(serving: Serving, database: Database, clock: TestClock) -> None:
    issued = await a_key(database, clock, ApiKeyScope.READ)
    secret = issued.token.rpartition("_")[2]
    async with database.sessions() as session:
        [key] = (await session.scalars(select(ApiKey))).all()

    stored = " ".join(str(getattr(key, column.key)) for column in key.__mapper__.columns)

    assert secret not in stored
    assert len(key.token_hash) == 32


@pytest.mark.parametrize(
    ("fields", "refused"), [({"name": " ", "scope": "READ"}, "name"), ({"name": "x", "scope": "CUSTOMER"}, "scope")]
)
async def test_a_key_that_cannot_be_is_refused(api: Api, fields: dict[str, str], refused: str) -> None:
    payload = await api.mutate("createApiKey", "token apiKey { id }", **fields)

    assert refusal(payload) == ("INVALID_INPUT", ["input", refused])
    assert (payload["token"], payload["apiKey"]) == (None, None)


async def test_most_requests_ask_nothing_about_their_key(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    api = (await serving(KEYED))((await a_key(database, clock, ApiKeyScope.READ)).token)
    await api("{ __typename }")

    with counted_statements(database) as statements:
        for _ in range(20):
            await api("{ plans { totalCount } }")
    clock.forward(seconds=6)
    with counted_statements(database) as later:
        await api("{ __typename }")

    assert len([text for text in statements.texts if "api_keys" in text or "rate_buckets" in text]) == 0
    # The API key is read again. Its last use was recorded less than a minute ago, so nothing is written.
    assert ["SELECT" in text for text in later.texts] == [True]


async def test_each_key_has_its_own_idempotency_keys_and_name_in_events(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    client = await serving(KEYED)
    one, two = [await a_key(database, clock, ApiKeyScope.WRITE) for _ in range(2)]
    plan = {"name": "Pro", "amountCents": 1, "currency": "EUR", "idempotencyKey": "same"}

    made = [
        await client(issued.token).mutate("createPlan", "plan { id }", code=code, **plan)
        for issued, code in ((one, "a"), (two, "b"))
    ]

    async with database.sessions() as session:
        keys = set(await session.scalars(select(IdempotencyKey.api_key)))
        actors = set(await session.scalars(select(Event.actor)))
    assert [each["userErrors"] for each in made] == [[], []]
    assert keys == {str(one.key.id), str(two.key.id)}
    assert actors == {f"key:{one.key.id}", f"key:{two.key.id}"}


async def test_a_token_counts_also_where_none_is_needed(serving: Serving, database: Database, clock: TestClock) -> None:
    client = await serving(Settings())
    reader = client((await a_key(database, clock, ApiKeyScope.READ)).token)

    assert code_of((await client(None).post(CREATE_PLAN)).json()) is None
    assert code_of((await reader.post(CREATE_PLAN)).json()) == "FORBIDDEN"
    assert (await client("nonsense").post("{ __typename }")).status_code == 401


async def test_names_are_not_suggested_to_others(serving: Serving, database: Database, clock: TestClock) -> None:
    token = (await a_key(database, clock, ApiKeyScope.READ)).token
    quiet, local = (await serving(KEYED))(token), (await serving(Settings()))(None)
    wrong = [
        "{ plan_ { id } }",
        "{ plans(frist: 1) { totalCount } }",
        "{ plans(filter: {archievd: true}) { totalCount } }",
        "{ ... on Custmer { id } }",
        "{ invoices(filter: {status: [OPN]}) { totalCount } }",
    ]
    variables = "query ($s: [InvoiceStatus!]) { invoices(filter: {status: $s}) { totalCount } }"

    said = [(await quiet.post(document)).text for document in wrong] + [(await quiet.post(variables, s=["OPN"])).text]
    told = [(await local.post(document)).text for document in wrong]

    assert [text for text in said if "Did you mean" in text] == []
    assert all("Did you mean" in text for text in told)
