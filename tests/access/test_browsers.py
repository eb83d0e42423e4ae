"""Cross-site requests: other sites' pages can do nothing with a user's browser unless the server lists their origin."""

import json
from typing import Any

import httpx
import pytest

from billing.enums import ApiKeyScope
from db.access.transactions import Sessions
from db.database import Database
from db.models import Plan
from graph.settings import Settings
from services.settings import RateLimit
from tests.access.conftest import Serving, a_key
from tests.support import Api, TestClock, count

LISTED = ("https://app.example.com", "http://localhost:5173")
OTHERS = (
    "https://other.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.test",
    "https://evil-app.example.com",
    "null",
)
QUERY = "{ __typename }"
MUTATION = 'mutation { createPlan(input: {code: "x", name: "X", amountCents: 1, currency: "EUR"}) { plan { id } } }'
JSON = "application/json"


@pytest.fixture
async def listing(serving: Serving) -> Api:
    """Client of a server that lists two origins."""
    return (await serving(Settings(cors_origins=LISTED, cors_headers=("X-Tenant", "x-other"))))(None)


async def preflight(api: Api, origin: str, method: str = "POST", headers: str = "authorization, content-type") -> Any:
    """Sends the preflight request that a browser sends before a cross-origin request."""
    return await api.client.options(
        "/graphql",
        headers={
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": headers,
        },
    )


async def get(api: Api, query: str = QUERY, /, **headers: str) -> httpx.Response:
    return await api.client.get(
        "/graphql", params={"query": query}, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def listed(text: str) -> set[str]:
    return {part.strip().lower() for part in text.split(",") if part.strip()}


def listed_in(answer: httpx.Response, header: str) -> set[str]:
    return listed(answer.headers.get(header, ""))


def opens(answer: httpx.Response) -> bool:
    """Returns True if the headers allow a browser to show the response to a page of another site."""
    return "access-control-allow-origin" in answer.headers or "access-control-allow-credentials" in answer.headers


async def test_a_listed_origin_may_send_requests_with_a_token(listing: Api) -> None:
    for origin in LISTED:
        for method, headers in (("POST", "authorization, content-type"), ("GET", "graphql-require-preflight")):
            answer = await preflight(listing, origin, method, headers)

            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == origin
            assert method.lower() in listed_in(answer, "access-control-allow-methods")
            assert listed_in(answer, "access-control-allow-headers") >= listed(headers)
            assert "origin" in listed_in(answer, "vary")
            # The page itself sends the token, so the browser's credentials are not needed.
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [
        *("apollo-require-preflight", "x-apollo-operation-name", "apollographql-client-name"),
        *("apollographql-client-version", "traceparent", "tracestate", "sentry-trace", "baggage", "x-request-id"),
        *("x-tenant", "x-other"),
    ],
)
async def test_a_listed_origin_may_send_what_libraries_add_and_a_setting_names(listing: Api, header: str) -> None:
    answer = await preflight(listing, LISTED[0], headers=f"content-type, {header}")

    assert answer.status_code == 200
    assert header in listed_in(answer, "access-control-allow-headers")


async def test_a_listed_origin_may_query_by_get_and_no_other(listing: Api) -> None:
    browser = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors"}

    answers = {origin: await get(listing, origin=origin, **browser) for origin in (*LISTED, *OTHERS)}

    assert {origin: answer.status_code for origin, answer in answers.items()} == {
        **dict.fromkeys(LISTED, 200),
        **dict.fromkeys(OTHERS, 400),
    }


async def test_a_listed_origin_may_not_send_what_the_server_does_not_take(listing: Api) -> None:
    answers = [
        await preflight(listing, LISTED[0], "DELETE"),
        await preflight(listing, LISTED[0], headers="content-type, x-of-my-own"),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]


async def test_another_origin_is_told_nothing(listing: Api) -> None:
    for origin in OTHERS:
        asked = await preflight(listing, origin)
        answered = await listing.client.post("/graphql", json={"query": QUERY}, headers={"origin": origin})

        assert asked.status_code == 400
        assert [opens(asked), opens(answered)] == [False, False], origin


async def test_no_origin_is_listed_by_default(api: Api) -> None:
    for origin in (*LISTED, *OTHERS, "http://billing.test"):
        asked = await preflight(api, origin)
        answered = await api.client.post("/graphql", json={"query": QUERY}, headers={"origin": origin})
        names = [*asked.headers, *answered.headers]

        assert (asked.status_code, asked.headers["allow"]) == (405, "GET, POST")
        assert answered.json()["data"] == {"__typename": "Query"}
        assert [name for name in names if name.startswith("access-control")] == []


async def test_a_listed_origin_may_read_answers_of_every_kind(
    serving: Serving, database: Database, clock: TestClock
) -> None:
    limit = RateLimit(rows_per_second=0.1, burst=1)
    client = await serving(Settings(requires_key=True, cors_origins=LISTED[:1], rate_limit=limit))
    key = client((await a_key(database, clock, ApiKeyScope.READ)).token)
    origin = {"origin": LISTED[0]}

    answers = {
        200: await key.client.post("/graphql", json={"query": QUERY}, headers=origin),
        429: await key.client.post("/graphql", json={"query": QUERY}, headers=origin),
        401: await client(None).client.post("/graphql", json={"query": QUERY}, headers=origin),
        405: await client(None).client.put("/graphql", headers=origin),
    }

    assert {status: answer.status_code for status, answer in answers.items()} == {each: each for each in answers}
    for answer in answers.values():
        assert answer.headers["access-control-allow-origin"] == LISTED[0]
        assert listed_in(answer, "vary") == {"accept", "authorization", "origin"}
    assert "retry-after" in listed_in(answers[429], "access-control-expose-headers")
    assert "retry-after" in answers[429].headers


async def test_a_preflight_needs_no_key(serving: Serving) -> None:
    """Browsers never send credentials with a preflight request."""
    client = (await serving(Settings(requires_key=True, cors_origins=LISTED)))(None)

    assert (await preflight(client, LISTED[0])).status_code == 200


async def test_answers_are_not_kept_and_say_what_they_depend_on(api: Api) -> None:
    answers = [
        await api.post(QUERY),
        await api.post("{"),
        await get(api, graphql_require_preflight="1"),
        await get(api),
        await api.client.put("/graphql"),
        await api.client.post("/graphql", json={"query": QUERY}, headers={"accept": "image/png"}),
        await api.client.post("/graphql", json={"query": QUERY}, headers={"authorization": "Bearer nonsense"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 405, 406, 401]
    for answer in answers:
        assert listed_in(answer, "vary") == {"accept", "authorization"}
        assert answer.headers["cache-control"] == "no-store"


PASSES: dict[str, dict[str, str]] = {
    "our own header": {"graphql_require_preflight": "1"},
    "our own header, empty": {"graphql_require_preflight": ""},
    "Apollo's": {"apollo_require_preflight": "true"},
    "the name of an operation, as Apollo sends it": {"x_apollo_operation_name": "Plans"},
    "JSON": {"content_type": JSON},
    "JSON in UTF-8": {"content_type": "Application/JSON; charset=utf-8"},
    "our own header from another site that was let in": {
        "graphql_require_preflight": "1",
        "sec_fetch_site": "cross-site",
        "sec_fetch_mode": "cors",
    },
    "a page of the server itself": {"sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"},
    "a page of the server itself, and nothing else": {"sec_fetch_site": "same-origin", "sec_fetch_mode": "same-origin"},
    "fetch outside of browsers": {"sec_fetch_mode": "cors"},
}

STAYS_OUT: dict[str, dict[str, str]] = {
    "nothing": {},
    "fetch of another site": {"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors"},
    "fetch of a neighbor": {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"},
    "an image": {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
    "an image of the server itself": {"sec_fetch_site": "same-origin", "sec_fetch_mode": "no-cors"},
    "a link": {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"},
    "a bookmark": {"sec_fetch_site": "none", "sec_fetch_mode": "navigate"},
    "fetch of nowhere": {"sec_fetch_site": "none", "sec_fetch_mode": "cors"},
    "a form's content": {"content_type": "application/x-www-form-urlencoded"},
    "a form's files": {"content_type": "multipart/form-data; boundary=x"},
    "text": {"content_type": "text/plain"},
    "text that is called JSON": {"content_type": "text/plain; application/json"},
    "cookies": {"cookie": "session=1"},
    "another language": {"accept_language": "de"},
}


async def test_a_query_by_get_passes_where_no_other_site_can_have_sent_it(api: Api) -> None:
    answers = {name: (await get(api, **headers)).json() for name, headers in PASSES.items()}

    assert {name: answer.get("data") for name, answer in answers.items()} == {
        name: {"__typename": "Query"} for name in PASSES
    }


async def test_a_query_by_get_that_another_site_can_send_is_refused(api: Api) -> None:
    answers = {name: await get(api, **headers) for name, headers in STAYS_OUT.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(STAYS_OUT, 400)
    for answer in answers.values():
        [error] = answer.json()["errors"]
        assert "GraphQL-Require-Preflight" in error["message"]
        assert "data" not in answer.json()


async def test_a_query_by_get_passes_with_a_token(serving: Serving, database: Database, clock: TestClock) -> None:
    """A page of another site cannot send an Authorization header unless its origin is listed."""
    client = await serving(Settings(requires_key=True))
    key = client((await a_key(database, clock, ApiKeyScope.READ)).token)

    answer = await get(key, sec_fetch_site="cross-site", sec_fetch_mode="cors")

    assert answer.json()["data"] == {"__typename": "Query"}


async def test_a_mutation_by_get_is_never_run(api: Api, sessions: Sessions) -> None:
    answers = {name: await get(api, MUTATION, **headers) for name, headers in (PASSES | STAYS_OUT).items()}

    assert {name: answer.status_code for name, answer in answers.items()} == {
        **dict.fromkeys(STAYS_OUT, 400),
        **dict.fromkeys(PASSES, 405),
    }
    assert {answer.headers.get("allow") for name, answer in answers.items() if name in PASSES} == {"POST"}
    assert [answer.text for answer in answers.values() if "data" in answer.json()] == []
    assert await count(sessions, Plan) == 0


async def test_what_a_form_of_another_site_can_post_is_never_run(api: Api, sessions: Sessions) -> None:
    body = json.dumps({"query": MUTATION})
    media_types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", f"text/plain; {JSON}"]

    answers = [await api.client.post("/graphql", content=body, headers={"content-type": each}) for each in media_types]

    assert [answer.status_code for answer in answers] == [415] * 5
    assert await count(sessions, Plan) == 0
    assert (await api.client.post("/graphql", content=body, headers={"content-type": JSON})).status_code == 200
    assert await count(sessions, Plan) == 1


async def test_another_method_is_told_which_ones_there_are(api: Api, sessions: Sessions) -> None:
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "QUERY"):
        answer = await api.client.request(method, "/graphql", json={"query": MUTATION})

        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST"), method
    assert await count(sessions, Plan) == 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost", 200), ("localhost:8000", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("10.0.0.7", 200)),
        *(
            ("billing.internal:8000", 200),
            ("evil.example", 403),
            ("evil.example:8000", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("[::1].evil.example", 400),
            ("a{b}.evil.example", 400),
            ("evil.example:99999", 400),
            ("evil.example:65536", 400),
            ("evil.example:-1", 400),
            ("localhost:80:80", 400),
            ("localhost, evil.example", 400),
            ("evil.example@localhost", 400),
            ("localhost/evil.example", 400),
            ("local host", 400),
            ('"', 400),
            ("", 400),
        ),
    ],
)
async def test_a_server_without_keys_is_asked_by_its_own_names_only(serving: Serving, host: str, status: int) -> None:
    """DNS rebinding: a page could point its own host name at this machine and would then count as same-origin."""
    client = await serving(Settings(hosts=frozenset({"billing.internal"})))

    answer = await client(None).client.post("/graphql", json={"query": QUERY}, headers={"host": host})

    assert answer.status_code == status


async def test_a_server_with_keys_is_asked_by_any_name(serving: Serving, database: Database, clock: TestClock) -> None:
    key = (await serving(Settings(requires_key=True)))((await a_key(database, clock, ApiKeyScope.READ)).token)

    answer = await key.client.post("/graphql", json={"query": QUERY}, headers={"host": "billing.example.com"})

    assert answer.status_code == 200
