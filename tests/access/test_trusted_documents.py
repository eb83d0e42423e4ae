"""Trusted documents: clients name a document by its hash. The server can be set to reject all others."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from db.access.transactions import Sessions
from db.database import Database
from db.models import Plan
from graph.schema.root import core_schema
from graph.server.app import create_app
from graph.server.dashboard import dashboard_documents
from graph.server.query_documents import QueryDocuments
from graph.server.trusted import TrustedDocumentsError
from graph.settings import Limits, Settings
from tests.access.conftest import Serving
from tests.support import Api, a_plan, count, stored

QUERY = "query Plans($first: Int!) { plans(first: $first) { nodes { code } } }"
MUTATION = (
    'mutation { createPlan(input: {code: "new", name: "New", amountCents: 1, currency: "EUR"}) '
    "{ plan { code } userErrors { code } } }"
)
TWO = "query One { plans { totalCount } } query Two { customers { totalCount } }"

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def persisted(text: str) -> dict[str, Any]:
    """Returns the `extensions` of a request as Apollo's clients send them."""
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}}


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """File with trusted documents in the format of graphql-codegen."""
    file = tmp_path / "persisted-documents.json"
    file.write_text(json.dumps({hash_of(text): text for text in (QUERY, MUTATION, TWO)}))
    return file


@pytest.fixture
async def plan(sessions: Sessions) -> Plan:
    found: Plan = await stored(sessions, a_plan(code="pro"))
    return found


@pytest.fixture
async def lenient(serving: Serving, plan: Plan, documents: Path) -> Api:
    """Client of a server with one plan that accepts other documents too."""
    return (await serving(Settings(trusted_documents=documents)))(None)


@pytest.fixture
async def strict(serving: Serving, plan: Plan, documents: Path) -> Api:
    """Client of a server with one plan that accepts trusted documents only."""
    return (await serving(Settings(trusted_documents=documents, trusted_only=True)))(None)


async def post(api: Api, **members: Any) -> httpx.Response:
    return await api.client.post("/graphql", json=members)


async def get(api: Api, **parameters: Any) -> httpx.Response:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    return await api.client.get("/graphql", params=texts, headers={"graphql-require-preflight": "1"})


def refusal_of(answer: httpx.Response) -> tuple[int, str]:
    """Returns the status and error code of a request that was not executed."""
    document = answer.json()
    [error] = document["errors"]
    assert "data" not in document
    return answer.status_code, error["extensions"]["code"]


WAYS: dict[str, dict[str, Any]] = {
    "documentId": {"documentId": hash_of(QUERY)},
    "documentId with the name of the hash": {"documentId": f"sha256:{hash_of(QUERY)}"},
    "Apollo's extension": {"extensions": persisted(QUERY)},
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_document_is_named_in_each_way_by_post_and_by_get(lenient: Api, strict: Api, way: str) -> None:
    answers = [
        await send(api, **WAYS[way], variables={"first": 1}) for api in (lenient, strict) for send in (post, get)
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.json()["data"] for answer in answers] == [{"plans": {"nodes": [{"code": "pro"}]}}] * 4


@pytest.mark.parametrize("with_a_file", [True, False])
async def test_the_documents_of_the_dashboard_are_trusted_whatever_file_is_named(
    serving: Serving, documents: Path, with_a_file: bool
) -> None:
    settings = Settings(trusted_documents=documents if with_a_file else None, trusted_only=with_a_file)
    api = (await serving(settings))(None)
    [session] = [key for key, text in dashboard_documents().items() if text.startswith("query Session ")]

    answers = [await post(api, extensions={"persistedQuery": {"sha256Hash": session}}) for _ in range(2)]

    assert [answer.json()["data"]["viewer"]["scope"] for answer in answers] == ["ADMIN"] * 2


def test_the_documents_of_the_dashboard_are_valid_and_named_by_their_hashes() -> None:
    documents = QueryDocuments(core_schema, Limits())

    for key, text in dashboard_documents().items():
        assert (hash_of(text), documents.of(text).errors) == (key, ())


async def test_an_operation_of_a_trusted_document_is_named_as_in_any(strict: Api) -> None:
    named = [await post(strict, documentId=hash_of(TWO), operationName=name) for name in ("One", "Two")]
    unnamed = await post(strict, documentId=hash_of(TWO))

    assert [answer.json()["data"] for answer in named] == [
        {"plans": {"totalCount": 1}},
        {"customers": {"totalCount": 0}},
    ]
    assert refusal_of(unnamed)[1] == "GRAPHQL_VALIDATION_FAILED"


async def test_variables_of_a_trusted_document_are_checked_as_in_any(strict: Api) -> None:
    answer = await strict.client.post(
        "/graphql",
        json={"documentId": hash_of(QUERY), "variables": {"first": "many"}},
        headers={"accept": GRAPHQL_JSON},
    )

    assert refusal_of(answer)[0] == 400


UNKNOWN: dict[str, dict[str, Any]] = {
    "an id": {"documentId": "unknown"},
    "a hash": {"documentId": "0" * 64},
    "a hash with its name": {"documentId": "sha256:" + "0" * 64},
    "another kind of hash": {"documentId": f"md5:{hash_of(QUERY)}"},
    "a prefix of a hash": {"documentId": hash_of(QUERY)[:-1]},
    "Apollo's extension": {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
}


async def test_an_unknown_document_is_not_found(lenient: Api, strict: Api) -> None:
    refused = {
        name: {refusal_of(await send(api, **members)) for api in (lenient, strict) for send in (post, get)}
        for name, members in UNKNOWN.items()
    }

    assert refused == {name: {(400, "PERSISTED_QUERY_NOT_FOUND")} for name in UNKNOWN}


async def test_a_server_without_trusted_documents_finds_none(api: Api) -> None:
    """The error message is the one on which Apollo's clients fall back to sending full documents."""
    answers = [await send(api, **way) for way in (*WAYS.values(), *UNKNOWN.values()) for send in (post, get)]

    assert {refusal_of(answer) for answer in answers} == {(400, "PERSISTED_QUERY_NOT_SUPPORTED")}
    assert {answer.json()["errors"][0]["message"] for answer in answers} == {"PersistedQueryNotSupported"}


async def test_an_unknown_document_has_status_400_in_either_media_type(strict: Api) -> None:
    for accept in (JSON, GRAPHQL_JSON):
        answer = await strict.client.post("/graphql", json={"documentId": "unknown"}, headers={"accept": accept})

        assert refusal_of(answer) == (400, "PERSISTED_QUERY_NOT_FOUND")
        assert answer.json()["errors"][0]["message"] == "PersistedQueryNotFound"
        assert answer.headers["content-type"] == f"{accept}; charset=utf-8"


async def test_what_names_no_document_is_bad_input(lenient: Api) -> None:
    wrong: list[dict[str, Any]] = [{"documentId": 1}, {"documentId": ["x"]}, {"extensions": "x"}, {"extensions": []}]

    refused = [refusal_of(await post(lenient, query=QUERY, **members)) for members in wrong]

    assert refused == [(400, "BAD_USER_INPUT")] * 4


async def test_an_extension_that_names_no_document_is_left_alone(lenient: Api) -> None:
    others: list[dict[str, Any]] = [
        {},
        {"persistedQuery": None},
        {"persistedQuery": "x"},
        {"persistedQuery": {"sha256Hash": 1}},
        {"clientLibrary": {"name": "@apollo/client"}},
    ]

    answers = [await post(lenient, query=QUERY, variables={"first": 1}, extensions=each) for each in others]

    assert [answer.json()["data"] for answer in answers] == [{"plans": {"nodes": [{"code": "pro"}]}}] * 5


async def test_other_documents_are_taken_where_nothing_forbids_them(lenient: Api) -> None:
    answers = [await send(lenient, query="{ plans { totalCount } }") for send in (post, get)]

    assert [answer.json()["data"] for answer in answers] == [{"plans": {"totalCount": 1}}] * 2


OTHER: list[dict[str, Any]] = [
    {"query": "{ plans { totalCount } }"},
    {"query": "{ __schema { types { name } } }"},
    {"query": "{ __typename }"},
    {"query": "{"},
    {"query": QUERY, "variables": {"first": 1}},
    {"query": MUTATION},
    {},
]


async def test_no_other_document_is_taken_where_only_trusted_ones_are(strict: Api, sessions: Sessions) -> None:
    """The full text of a trusted document is rejected too: clients must send its id."""
    refused = [refusal_of(await send(strict, **members)) for members in OTHER for send in (post, get)]

    assert refused == [(400, "BAD_USER_INPUT")] * 14
    assert await count(sessions, Plan) == 1


async def test_a_text_beside_the_name_of_a_trusted_document_is_not_run(strict: Api, sessions: Sessions) -> None:
    answer = await post(strict, documentId=hash_of(QUERY), query=MUTATION, variables={"first": 1})

    assert answer.json()["data"] == {"plans": {"nodes": [{"code": "pro"}]}}
    assert await count(sessions, Plan) == 1


@pytest.mark.parametrize("way", [{"documentId": hash_of(MUTATION)}, {"extensions": persisted(MUTATION)}])
async def test_a_trusted_mutation_is_run_by_post_and_not_by_get(
    strict: Api, sessions: Sessions, way: dict[str, Any]
) -> None:
    by_get = await get(strict, **way)
    before = await count(sessions, Plan)
    by_post = await post(strict, **way)

    assert refusal_of(by_get) == (405, "BAD_USER_INPUT")
    assert before == 1
    assert by_post.json()["data"]["createPlan"] == {"plan": {"code": "new"}, "userErrors": []}
    assert await count(sessions, Plan) == 2


UNUSABLE = {
    b"": "cannot be read",
    b"{": "cannot be read",
    b'{"a": "\xff"}': "cannot be read",
    b"[" * 100_000: "cannot be read",
    b'["{ __typename }"]': "must be a JSON object",
    b'{"a": 1}': "must be a JSON object",
    b'{"a": "{ nothing }"}': "document a is not valid",
    b'{"a": "{"}': "document a is not valid",
    b'{"a": ""}': "document a is not valid",
    b'{"a": "{ __typename } # ' + b"x" * 15_000 + b'"}': "document a is not valid",
}


async def test_a_file_that_cannot_be_used_is_refused_at_the_start(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "documents.json"
    for content, reason in UNUSABLE.items():
        file.write_bytes(content)

        with pytest.raises(TrustedDocumentsError, match=reason) as refused:
            create_app(database, settings=Settings(trusted_documents=file))

        assert "\n" not in str(refused.value)


async def test_a_file_that_is_not_there_is_refused_at_the_start(database: Database, tmp_path: Path) -> None:
    with pytest.raises(TrustedDocumentsError, match=r"missing\.json"):
        create_app(database, settings=Settings(trusted_documents=tmp_path / "missing.json"))
