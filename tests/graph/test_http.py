"""Malformed requests get a typed error, never status 500, and nothing is stored."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

import db.database
from db.access.scope import Scope
from db.access.transactions import Sessions
from db.database import Database
from db.models import Customer, Plan
from db.queries.lookups import plans_by_id
from db.settings import DatabaseSettings
from graph.server.app import create_app
from graph.server.playground import BUILT
from graph.settings import Limits, Settings
from tests.support import Api, TestClock, count, patient

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
DEEP = 100_000


async def post(api: Api, body: bytes | str, **headers: str) -> httpx.Response:
    return await api.client.post("/graphql", content=body, headers={"content-type": JSON, **headers})


@asynccontextmanager
async def api_over(
    database: Database,
    clock: TestClock,
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> AsyncIterator[Api]:
    """Opens the API over a database that the test has created, and closes the database afterwards."""
    transport = httpx.ASGITransport(create_app(database, settings=patient(settings), clock=clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client)
    await database.close()


BAD_BODIES: dict[str, bytes | str] = {
    "nothing": b"",
    "no JSON": b"{",
    "bad UTF-8": b'{"query": "\xff\xfe"}',
    "null": b"null",
    "a number": b"1",
    "a string": b'"x"',
    "a list": b'[{"query": "{ __typename }"}]',
    "NaN": b'{"query": "{ __typename }", "variables": {"a": NaN}}',
    "a 5000-digit integer": b'{"query": "{ __typename }", "variables": {"a": ' + b"9" * 5000 + b"}}",
    "deep JSON": b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "no query": b"{}",
    "a query that is none": b'{"query": 1}',
    "variables that are a list": b'{"query": "{ __typename }", "variables": []}',
    "an operation name that is a number": b'{"query": "{ __typename }", "operationName": 1}',
    "an operation that does not exist": b'{"query": "query A { __typename }", "operationName": "B"}',
    "two operations and no name": b'{"query": "query A { __typename } query B { __typename }"}',
    "a subscription": b'{"query": "subscription { x }"}',
    "an unnamed surrogate": b'{"query": "query A { __typename }", "operationName": "\\ud800"}',
    "a surrogate in the query": b'{"query": "{ __typename } # \\ud800"}',
    "a NUL in the query": b'{"query": "{ __typename } # \\u0000"}',
}


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_a_body_that_is_no_request_is_refused(api: Api, name: str) -> None:
    for accept in (JSON, GRAPHQL_JSON):
        answer = await post(api, BAD_BODIES[name], accept=accept)

        assert answer.status_code in (200, 400), answer.text
        document = answer.json()
        assert "data" not in document
        assert document["errors"][0]["extensions"]["code"] in (
            *("BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"),
        )
        assert accept == JSON or answer.status_code == 400


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ customers(first: 99999999999999999999) { nodes { id } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ customers(first: " + "9" * 5000 + ") { nodes { id } } }", "GRAPHQL_VALIDATION_FAILED"),
        ('{ planByCode(code: "\\u0000") { id } }', "BAD_USER_INPUT"),
        ("{ a" * 5000 + "}" * 5000, "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_a_document_that_is_wrong_says_so(api: Api, query: str, code: str) -> None:
    answer = await post(api, json.dumps({"query": query}), accept=GRAPHQL_JSON)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == code


CREATE_PLAN = "mutation ($input: CreatePlanInput!) { createPlan(input: $input) { plan { id } userErrors { code } } }"
CREATE_CUSTOMER = (
    "mutation ($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } userErrors { code } } }"
)


@pytest.mark.parametrize("amount", [2**53, -(2**53), 1.5, "100", True, None, [1], 1e300, 10**400])
async def test_an_amount_that_is_no_amount_is_bad_user_input(api: Api, sessions: Sessions, amount: Any) -> None:
    plan = {"code": "pro", "name": "Pro", "amountCents": amount, "currency": "EUR"}

    answer = await post(api, json.dumps({"query": CREATE_PLAN, "variables": {"input": plan}}), accept=GRAPHQL_JSON)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await count(sessions, Plan) == 0


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", "\udfff b"])
@pytest.mark.parametrize("field", ["name", "email", "externalId", "taxId"])
async def test_text_that_the_database_cannot_keep_is_bad_user_input(
    api: Api, sessions: Sessions, field: str, bad: str
) -> None:
    customer = {"name": "Ada", "email": "ada@example.com", field: bad}
    body = {"query": CREATE_CUSTOMER, "variables": {"input": customer}}

    answer = await post(api, json.dumps(body))

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await count(sessions, Customer) == 0


@pytest.mark.parametrize("literal", ['"a\\u0000b"', '"\\u{0}"'])
async def test_a_literal_can_spell_what_the_database_cannot_keep(api: Api, sessions: Sessions, literal: str) -> None:
    document = f'mutation {{ createCustomer(input: {{name: {literal}, email: "a@b.de"}}) {{ __typename }} }}'

    answer = await post(api, json.dumps({"query": document}))

    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await count(sessions, Customer) == 0


async def test_a_body_beyond_the_limit_is_refused(api: Api) -> None:
    filling = " " * (256 * 1024)

    async def in_pieces() -> AsyncIterator[bytes]:
        yield b'{"query": "{ __typename }'
        for _ in range(64):
            yield filling[:8192].encode()

    whole = await post(api, f'{{"query": "{{ __typename }} {filling}"}}')
    streamed = await api.client.post("/graphql", content=in_pieces(), headers={"content-type": JSON})
    fitting = await post(api, f'{{"query": "{{ __typename }} {filling[:200_000]}"}}')

    assert (whole.status_code, streamed.status_code, fitting.status_code) == (413, 413, 200)


async def test_a_list_of_any_length_is_one_parameter(database_url: str, clock: TestClock) -> None:
    query = "query ($status: [InvoiceStatus!]) { invoices(filter: {status: $status}) { totalCount } }"

    async with api_over(Database(database_url), clock, Settings(limits=Limits(values=50_000))) as api:
        answer = await api.post(query, status=["OPEN"] * 33_000)

    assert answer.json()["data"] == {"invoices": {"totalCount": 0}}


async def test_what_the_database_cannot_do_now_is_told_by_its_cause(
    api: Api, sessions: Sessions, database_url: str, clock: TestClock
) -> None:
    customer_id = await api.a_customer()
    rename = 'mutation ($id: ID!) { updateCustomer(input: {id: $id, name: "B"}) { userErrors { code } } }'

    async def code_under(setting: str) -> str:
        """Returns the error code of a request whose database connections have this setting."""

        def set_up(connection: Any, _record: object) -> None:
            connection.cursor().execute(f"SET {setting}")
            connection.commit()

        database = Database(database_url)
        event.listen(database.engine.sync_engine, "connect", set_up)
        async with api_over(database, clock) as hampered:
            return str((await hampered.post(rename, id=customer_id)).json()["errors"][0]["extensions"]["code"])

    async with sessions.begin() as session:
        await session.execute(text("SELECT 1 FROM customers FOR UPDATE"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(db.database, "CHANGE_TIMEOUT_SECONDS", 1)
            locked = await code_under("lock_timeout = '50ms'")
        slow = await code_under("statement_timeout = '50ms'")
    read_only = await code_under("default_transaction_read_only = on")

    assert (locked, slow, read_only) == ("OVERLOADED", "TIMEOUT", "UNAVAILABLE")


async def test_an_exhausted_pool_is_overload_and_the_process_is_well(database_url: str, clock: TestClock) -> None:
    database = Database(database_url, DatabaseSettings(pool_size=1, pool_timeout_seconds=0.1))
    async with (
        api_over(database, clock) as api,
        database.sessions() as session,
        database.answers_in(Scope("test")) as answers,
    ):
        await session.execute(text("SELECT 1"))
        await plans_by_id(answers, [])
        answer = await api.post("{ customers { nodes { id } } }")
        health = {path: (await api.client.get(path)).status_code for path in ("/health", "/health/db", "/ready")}

    assert answer.json()["errors"][0]["extensions"]["code"] == "OVERLOADED"
    assert health == {"/health": 200, "/health/db": 503, "/ready": 503}


async def test_nested_queries_share_a_pool_of_one(database_url: str, clock: TestClock) -> None:
    """A request that kept its session while it waits for a loader would block forever."""
    query = """{ customers { totalCount nodes { subscriptions { totalCount nodes {
        plan { id } invoices { nodes { lines { id } } }
    } } } } }"""
    async with api_over(Database(database_url, pool_size=1), clock) as api:
        await api.a_subscription()
        answers = await asyncio.gather(*(api(query) for _ in range(8)))

    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize(
    "instant",
    ["2026-01-31", "2026-01-31T12:00:00", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59", 1],
)
async def test_an_instant_that_is_none_is_bad_user_input(api: Api, instant: Any) -> None:
    answer = await api.post(
        "query ($from: DateTime!) { customers(filter: {createdAt: {from: $from}}) { nodes { id } } }",
        **{"from": instant},
    )

    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON),
        (f"{JSON}, {GRAPHQL_JSON};q=0.9", JSON),
        (f"{GRAPHQL_JSON}; charset=utf-8, {JSON}", GRAPHQL_JSON),
        (f"text/event-stream, {GRAPHQL_JSON}, {JSON}", GRAPHQL_JSON),
        ("text/plain, */*;q=0.1", JSON),
    ],
)
async def test_the_answer_has_the_media_type_asked_for(api: Api, accept: str | None, media_type: str) -> None:
    headers = {} if accept is None else {"accept": accept}
    if accept is None:
        del api.client.headers["accept"]
    answer = await post(api, '{"query": "{ __typename }"}', **headers)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert answer.json()["data"] == {"__typename": "Query"}


async def test_a_request_that_http_refuses(api: Api) -> None:
    query = '{"query": "{ __typename }"}'

    statuses = {
        "text": (await post(api, query, **{"content-type": "text/plain"})).status_code,
        "image": (await post(api, query, accept="image/png")).status_code,
        "put": (await api.client.put("/graphql", content=query)).status_code,
        "nowhere": (await api.client.get("/nowhere")).status_code,
        "mutation by GET": (
            await api.client.get(
                "/graphql", params={"query": 'mutation { archivePlan(input: {id: ""}) { __typename } }'}
            )
        ).status_code,
        "query by GET": (
            await api.client.get(
                "/graphql", params={"query": "{ __typename }"}, headers={"graphql-require-preflight": "1"}
            )
        ).status_code,
        "query by GET of any page": (await api.client.get("/graphql?query={__typename}")).status_code,
    }

    assert statuses == {
        "text": 415,
        "image": 406,
        "put": 405,
        "nowhere": 404,
        "mutation by GET": 400,
        "query by GET": 200,
        "query by GET of any page": 400,
    }


async def test_a_failing_server_tells_the_log_and_not_the_client(
    clock: TestClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with api_over(Database("postgresql://nobody:secret@127.0.0.1:1/nothing"), clock) as api:
        answer = await api.post("{ customers { nodes { id } } }")
        health = {path: (await api.client.get(path)).status_code for path in ("/health", "/health/db", "/ready")}

    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "UNAVAILABLE"
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
    assert [record.getMessage() for record in caplog.records if record.name == "billing.requests"] == [
        "operation failed"
    ]
    assert "secret" not in answer.text + caplog.text
    assert health == {"/health": 200, "/health/db": 503, "/ready": 503}


async def test_health_of_a_server_that_is_well(api: Api) -> None:
    answers = {path: (await api.client.get(path)).json() for path in ("/health", "/health/db", "/ready")}

    assert answers == {"/health": {"status": "ok"}, "/health/db": {"database": "ok"}, "/ready": {"ready": True}}


async def test_a_server_before_its_migrations_is_not_ready(empty_database_url: str, clock: TestClock) -> None:
    async with api_over(Database(empty_database_url), clock) as api:
        answer = await api.client.get("/ready")

    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reason": "migrations pending"}


async def test_a_server_goes_on_when_a_newer_version_has_migrated(api: Api, database: Database) -> None:
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer = await api.client.get("/ready")
    async with database.sessions.begin() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    older = await api.client.get("/ready")

    assert newer.json() == {"ready": True}
    assert older.json() == {"ready": False, "reason": "migrations pending"}


async def test_a_browser_gets_the_playground_and_a_program_does_not(api: Api) -> None:
    page = await api.client.get("/graphql", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    program = await api.client.get("/graphql", headers={"accept": "*/*"})

    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert program.status_code == 400


async def test_two_authorizations_are_none(api: Api) -> None:
    headers = [("authorization", "Bearer a"), ("authorization", "Bearer b")]

    answer = await api.client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)

    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error == {
        "message": "The request has several Authorization headers: send one.",
        "extensions": {"code": "BAD_USER_INPUT"},
    }


async def test_a_file_of_the_playground_is_compressed_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    compressions = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            nonlocal compressions
            compressions += 1
            return function(*arguments, **options)

        return counting

    for name in ("compress", "compressobj"):
        monkeypatch.setattr(zlib, name, counted(getattr(zlib, name)))
    file = next((BUILT / "assets").glob("index-*.js"))
    url = f"/static/playground/assets/{file.name}"

    answers = [await api.client.get(url, headers={"accept-encoding": "gzip"}) for _ in range(3)]
    plain = await api.client.get(url, headers={"accept-encoding": "identity"})
    part = await api.client.get(url, headers={"accept-encoding": "gzip", "range": "bytes=0-9"})
    head = await api.client.head(url, headers={"accept-encoding": "gzip"})
    same = await api.client.get(url, headers={"accept-encoding": "gzip", "if-none-match": plain.headers["etag"]})

    assert compressions == 1
    assert {answer.content for answer in answers} == {plain.content} == {file.read_bytes()}
    assert {int(answer.headers["content-length"]) < len(plain.content) / 2 for answer in answers} == {True}
    assert [answer.headers.get("content-encoding") for answer in (*answers, plain, part, head, same)] == [
        *("gzip", "gzip", "gzip", None, None, "gzip", None)
    ]
    assert {answer.headers["vary"] for answer in (*answers, plain, part, head)} == {"Accept-Encoding"}
    assert (part.status_code, part.content) == (206, plain.content[:10])
    assert same.status_code == 304
