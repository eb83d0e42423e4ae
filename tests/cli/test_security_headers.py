"""Security headers, and information that no response may contain, over real HTTP for each kind of response."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.database import Database
from graph.server.app import create_app
from graph.server.dashboard import content_security_policy
from graph.server.playground import CONTENT_SECURITY_POLICY
from tests.cli.conftest import Serve, Served
from tests.support import PATIENCE_SECONDS

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
TELLING = re.compile(
    r"(?i)uvicorn|starlette|python|strawberry|asyncpg|postgres|sqlalchemy|(?<![\d.])\d+\.\d+\.\d+(?![\d.])"
)
"""Names and versions of the software used. An IP address has one more number than a version."""

ORIGIN = "https://app.example.com"
HTML = {"accept": "text/html"}
ASSETS = Path(__file__).parents[2] / "graph" / "static" / "playground" / "assets"


def asset(pattern: str) -> str:
    return f"/static/playground/assets/{next(ASSETS.glob(pattern)).name}"


def assert_secure(answer: httpx.Response, policy: str = NOTHING) -> None:
    """Asserts that the response has each of the expected headers exactly once."""
    for name, value in (EXPECTED | {"content-security-policy": policy}).items():
        assert answer.headers.get_list(name) == [value], (answer.request.url, answer.status_code, name)


def assert_tells_nothing(answer: httpx.Response) -> None:
    """Asserts that the response does not reveal the software used. `date` and `etag` are skipped because of their
    digits.
    """
    said = [f"{name}: {value}" for name, value in answer.headers.items() if name not in ("date", "etag")]
    assert "server" not in answer.headers
    assert "x-powered-by" not in answer.headers
    assert TELLING.search("\n".join([*said, answer.text])) is None, answer.text


@pytest.fixture
def served(serve: Serve, database_url: str) -> Served:
    """A server that needs no key and allows pages of one other origin."""
    return serve(environment={"DATABASE_URL": database_url, "BILLING_AUTH": "off", "BILLING_CORS_ORIGINS": ORIGIN})


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client


def test_every_kind_of_answer_has_them(client: httpx.Client) -> None:
    preflight = {"origin": ORIGIN, "access-control-request-method": "POST"}
    query = {"query": "{ __typename }"}
    answers = {
        "a query": (200, client.post("/graphql", json=query)),
        "a query by GET": (200, client.get("/graphql", params=query, headers={"graphql-require-preflight": "1"})),
        "a query of an allowed origin": (200, client.post("/graphql", json=query, headers={"origin": ORIGIN})),
        "health": (200, client.get("/health")),
        "health of the database": (200, client.get("/health/db")),
        "readiness": (200, client.get("/ready")),
        "HEAD": (200, client.head("/health")),
        "a preflight": (200, client.options("/graphql", headers=preflight)),
        "a preflight that is refused": (400, client.options("/graphql", headers=preflight | {"origin": "https://x.y"})),
        "a slash too many": (404, client.get("/graphql/")),
        "no JSON": (400, client.post("/graphql", content=b"{", headers={"content-type": "application/json"})),
        "no GraphQL": (200, client.post("/graphql", json={"query": "{"})),
        "another name": (403, client.post("/graphql", json=query, headers={"host": "other.example.com"})),
        "another token": (401, client.post("/graphql", json=query, headers={"authorization": "Bearer x"})),
        "no such path": (404, client.get("/nothing")),
        "no such file": (404, client.get("/static/playground/assets/nothing.js")),
        "no such file of the dashboard": (404, client.get("/static/dashboard/assets/nothing.js")),
        "outside of the files": (404, client.get("/static/playground/assets/..%2findex.html")),
        "no such method": (405, client.put("/graphql")),
        "no such method elsewhere": (405, client.post("/health")),
        "no media type": (406, client.post("/graphql", json=query, headers={"accept": "image/png"})),
        "too large": (413, client.post("/graphql", json={"query": "{" + " " * 300_000})),
        "another content": (415, client.post("/graphql", content=b"x", headers={"content-type": "text/plain"})),
    }

    assert {name: answer.status_code for name, (_, answer) in answers.items()} == {
        name: status for name, (status, _) in answers.items()
    }
    for _, answer in answers.values():
        assert_secure(answer)
        assert_tells_nothing(answer)


def test_the_playground_and_its_files_have_them_and_a_policy_of_their_own(client: httpx.Client) -> None:
    script = client.get(asset("index-*.js"))
    answers = [
        client.get("/graphql", headers=HTML),
        script,
        client.get(asset("*.css")),
        client.get(asset("*worker*.js"), headers={"accept-encoding": "gzip"}),
        client.get(asset("*.ttf")),
    ]
    unchanged = client.get(asset("index-*.js"), headers={"if-none-match": script.headers["etag"]})

    assert [answer.status_code for answer in answers] == [200] * 5
    assert unchanged.status_code == 304
    for answer in (*answers, unchanged):
        assert_secure(answer, CONTENT_SECURITY_POLICY)
        assert "server" not in answer.headers


def test_each_response_with_the_dashboard_has_a_nonce_of_its_own(client: httpx.Client) -> None:
    pages = [client.get(path) for path in ("/", "/", "/customers", "/customers/1", "/settings")]
    nonces = [re.findall(r'name="csp-nonce" content="([\w-]{22})"', page.text)[0] for page in pages]

    assert [page.status_code for page in pages] == [200] * 5
    assert len(set(nonces)) == 5
    for page, nonce in zip(pages, nonces, strict=True):
        assert_secure(page, content_security_policy(f"'nonce-{nonce}'"))
        assert page.headers["cache-control"] == "no-store"
        assert "<style" not in page.text
        assert "style=" not in page.text


def test_the_files_of_the_dashboard_have_them(client: httpx.Client) -> None:
    page = client.get("/").text
    files = [client.get(path) for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page)]

    assert len(files) > 2
    assert {file.status_code for file in files} == {200}
    for file in files:
        assert_secure(file, content_security_policy("'none'"))
        assert "immutable" in file.headers["cache-control"]


def test_what_is_not_http_is_told_no_more(served: Served) -> None:
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()

    assert answer.startswith("HTTP/1.1 400 ")
    assert "server:" not in answer.lower()
    assert TELLING.search(answer) is None


def test_https_is_asked_for_by_a_setting_alone(serve: Serve, client: httpx.Client, database_url: str) -> None:
    environment = {"DATABASE_URL": database_url, "BILLING_AUTH": "off", "BILLING_HSTS_SECONDS": "31536000"}
    strict = httpx.get(f"{serve(environment=environment).url}/health")

    assert "strict-transport-security" not in client.get("/health").headers
    assert strict.headers["strict-transport-security"] == "max-age=31536000"
    assert_secure(strict)


@asynccontextmanager
async def faulty() -> AsyncIterator[httpx.AsyncClient]:
    """A server that cannot reach its database. Its route `/fault` raises an unhandled error."""

    def fault(_request: Request) -> Response:
        raise RuntimeError("postgresql://ada:s3cret@db/billing")

    app = create_app(Database("postgresql://nobody:s3cret@127.0.0.1:1/nothing"))
    app.routes.insert(0, Route("/fault", fault))
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="critical", server_header=False))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        yield client
    server.should_exit = True
    await serving


async def test_faults_have_them_too() -> None:
    async with faulty() as client:
        answers = {
            "an error that nothing handles": (500, await client.get("/fault")),
            "no database": (503, await client.get("/health/db")),
            "not ready": (503, await client.get("/ready")),
            "no database for a key": (
                503,
                await client.post(
                    "/graphql",
                    json={"query": "{ __typename }"},
                    headers={"authorization": f"Bearer bk_{'0' * 32}_{'A' * 43}"},
                ),
            ),
            "no database for a query": (
                503,
                await client.post("/graphql", json={"query": "{ plans { nodes { id } } }"}),
            ),
        }

    assert {name: answer.status_code for name, (_, answer) in answers.items()} == {
        name: status for name, (status, _) in answers.items()
    }
    for _, answer in answers.values():
        assert_secure(answer)
        assert_tells_nothing(answer)
        assert "s3cret" not in answer.text
