"""Tests that clients generated from `schema.graphql` do the main job with a running server.

Each creates a plan, customers and subscriptions, retries a mutation with its idempotency key, handles a rejection,
reads the invoices, and pages through a list. Its output comes from generated code only.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from db.embedded import EmbeddedPostgres
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.clients.conftest import serving, succeeded
from tests.clients.node import Workspace, run, unavailable
from tests.clients.python_packages import python_with_packages


@pytest.fixture(scope="module")
def python_client(workspace: Workspace) -> tuple[Path, Path]:
    """An interpreter, and a folder with the package that ariadne-codegen generates from `operations.graphql`."""
    python, folder = python_with_packages(), workspace.folder / "python"
    for source in ("operations.graphql", "schema.graphql"):
        folder.joinpath(source).symlink_to(workspace.folder / source)
    succeeded(run(str(python), "-m", "ariadne_codegen", "--config", "codegen.toml", folder=folder))
    return python, folder


def test_apollo_client_does_the_main_job(built: Workspace, endpoint: str) -> None:
    did_the_main_job(endpoint, succeeded(built.run("node", "run.mjs", "./built/apollo.js", endpoint)))


def test_urql_does_the_main_job(built: Workspace, endpoint: str) -> None:
    did_the_main_job(endpoint, succeeded(built.run("node", "run.mjs", "./built/urql.js", endpoint)))


def test_a_client_that_sends_hashes_sends_none_twice(
    built: Workspace, endpoint: str, server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Without trusted documents, the server rejects the first hash once. With them, the client only sends hashes."""
    without = asked_three_times(built, endpoint)
    texts = {each["query"] for sent in without.values() for each in sent if "query" in each}
    documents = tmp_path / "documents.json"
    documents.write_text(json.dumps({sha256(text.encode()).hexdigest(): text for text in texts}))
    with serving(server.url, tmp_path, BILLING_TRUSTED_DOCUMENTS=str(documents)) as trusting:
        with_them = asked_three_times(built, trusting)

    for client, sent in without.items():
        assert ["query" in each for each in sent] == [False, True, True, True], client
    for client, sent in with_them.items():
        assert [set(each) for each in sent] == [{"hash"}] * 3, client


def asked_three_times(built: Workspace, endpoint: str) -> dict[str, list[dict[str, str]]]:
    """Runs one document three times with each client. Returns the requests by client."""
    outcome = json.loads(succeeded(built.run("node", "run.mjs", "./built/persisted.js", endpoint)))
    assert outcome["found"] == [{"customer": None}] * 6
    sent: dict[str, list[dict[str, str]]] = outcome["sent"]
    return sent


def test_relay_does_the_main_job(built: Workspace, endpoint: str) -> None:
    did_the_main_job(endpoint, succeeded(built.run("node", "run.mjs", "./relay/built/billing.js", endpoint)))


def test_ariadne_codegen_does_the_main_job(python_client: tuple[Path, Path], endpoint: str) -> None:
    python, folder = python_client

    did_the_main_job(endpoint, succeeded(run(str(python), "main_job.py", endpoint, folder=folder)))


def test_the_types_of_ariadne_codegen_are_strict(python_client: tuple[Path, Path]) -> None:
    python, folder = python_client
    mypy = (sys.executable, "-m", "mypy", "--strict", "--no-warn-unused-ignores", "--config-file", "")

    succeeded(run(*mypy, "--python-executable", str(python), "main_job.py", folder=folder))


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serves the files of a folder over HTTP. Yields the URL."""
    handler = partial(QuietFiles, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_clients_do_the_main_job_in_a_browser_on_another_origin(
    built: Workspace, server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Like a frontend served by Vite, with an API on another origin that needs no key."""
    if CHROMIUM is None:
        unavailable("This test needs Chromium (Debian's package: chromium).")
    succeeded(built.run("node_modules/.bin/vite", "build", "--logLevel=warn", "--outDir=site"))
    with (
        site(built.folder / "site") as page_url,
        serving(server.url, tmp_path, BILLING_CORS_ORIGINS=page_url) as endpoint,
    ):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
            page = browser.new_page()
            page.goto(page_url)
            page.wait_for_function("window.mainJobs")
            did = {name: page.evaluate(IN_BROWSER, [name, endpoint]) for name in ("apollo", "urql", "relay")}
            traced = page.evaluate(TRACED, endpoint)
            browser.close()
        for outcome in did.values():
            did_the_main_job(endpoint, json.dumps(outcome))
    assert traced == {"data": {"__typename": "Query"}, "extensions": {"cost": {"nodes": 0, "rows": 0, "limit": 20000}}}


IN_BROWSER = "([name, url]) => window.mainJobs[name](url)"
TRACED = """
    url => fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json', traceparent: '00-1-1-01', tracestate: 'a=b', baggage: 'a=b',
        'sentry-trace': '1-1-1', 'apollographql-client-name': 'web', 'apollographql-client-version': '1',
      },
      body: JSON.stringify({ query: '{ __typename }' }),
    }).then(answer => answer.json())
"""


def did_the_main_job(endpoint: str, printed: str) -> None:
    """Compares the output of a client with the expected result and with the server's data."""
    outcome = without_type_names(json.loads(printed))
    subscription_id = outcome["created"]["subscription"]["id"]
    invoice_id = outcome["created"]["invoice"]["id"]
    number = outcome["created"]["invoice"]["number"]
    customer_id = outcome["customer"]["id"]
    [subscription] = outcome["customer"]["subscriptions"]["nodes"]
    [invoice] = subscription["invoices"]["nodes"]
    [line] = invoice["lines"]

    assert outcome["created"] == {
        "subscription": {"id": subscription_id, "status": "ACTIVE"},
        "invoice": {
            "id": invoice_id,
            "number": number,
            "status": "OPEN",
            "currency": "EUR",
            "amountCents": 5800,
            "amountDueCents": 5800,
        },
        "userErrors": [],
    }
    assert outcome["retried"] == outcome["created"]
    assert outcome["refused"] == {
        "subscription": None,
        "invoice": None,
        "userErrors": [
            {
                "code": "CUSTOMER_ALREADY_SUBSCRIBED",
                "message": "This customer already has a live subscription.",
                "field": ["input", "customerId"],
            }
        ],
    }
    assert (subscription["id"], invoice["id"], invoice["number"]) == (subscription_id, invoice_id, number)
    assert (line["description"], line["amountCents"]) == ("2 × Pro", 5800)
    assert outcome["sizes"] == [2, 1, 3]
    assert outcome["failed"] == "BAD_USER_INPUT"
    assert stored(endpoint, subscription_id) == {
        "customer": {"id": customer_id, "subscriptions": {"totalCount": 1}, "invoices": {"totalCount": 1}},
        "plan": {"subscriptions": {"totalCount": 3}},
        "invoices": {"nodes": [{"id": invoice_id, "number": number, "amountCents": 5800}]},
    }


def stored(endpoint: str, subscription_id: str) -> Any:
    query = """query ($id: ID!) {
      subscription(id: $id) {
        customer { id subscriptions { totalCount } invoices { totalCount } }
        plan { subscriptions { totalCount } }
        invoices { nodes { id number amountCents } }
      }
    }"""
    answer = httpx.post(endpoint, json={"query": query, "variables": {"id": subscription_id}}, timeout=30)
    return answer.json()["data"]["subscription"]


def without_type_names(document: Any) -> Any:
    """Returns a copy of the document without `__typename`, which caching clients add to their queries."""
    match document:
        case dict():
            return {name: without_type_names(value) for name, value in document.items() if name != "__typename"}
        case list():
            return [without_type_names(item) for item in document]
    return document
