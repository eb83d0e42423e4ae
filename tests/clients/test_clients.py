"""Clients as they are generated from `schema.graphql` do the main job with a running server.

Each makes a plan, customers and subscriptions, sends a mutation again with its idempotency key, is refused, reads what
was billed, and pages on. What it prints comes from generated code only.
"""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from db.embedded import EmbeddedPostgres
from tests.clients.conftest import serving
from tests.clients.node import Workspace, run
from tests.clients.python_packages import python_with_packages


def succeeded(process: subprocess.CompletedProcess[str]) -> str:
    """What a command wrote, which must not fail."""
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def built(workspace: Workspace, generated: Path) -> Workspace:
    """With the programs for Apollo Client and urql, as strict TypeScript compiles them."""
    succeeded(workspace.run("node_modules/.bin/tsc", "--project", "tsconfig.clients.json"))
    return workspace


@pytest.fixture(scope="module")
def python_client(workspace: Workspace) -> tuple[Path, Path]:
    """An interpreter, and a folder with the package that ariadne-codegen writes for `operations.graphql`."""
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
    """Without trusted documents it is told so once. With them, a hash is all that it sends."""
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
    """What each client sent for one document, three times."""
    outcome = json.loads(succeeded(built.run("node", "run.mjs", "./built/persisted.js", endpoint)))
    assert outcome["found"] == [{"customer": None}] * 6
    sent: dict[str, list[dict[str, str]]] = outcome["sent"]
    return sent


def test_relay_does_the_main_job(workspace: Workspace, endpoint: str) -> None:
    folder = workspace.folder / "relay"
    succeeded(run("../node_modules/.bin/relay-compiler", folder=folder))
    succeeded(run("../node_modules/.bin/tsc", "--noEmit", folder=folder))
    succeeded(run("node", "build.mjs", folder=folder))
    succeeded(run("../node_modules/.bin/tsc", folder=folder))

    did_the_main_job(endpoint, succeeded(workspace.run("node", "run.mjs", "./relay/built/billing.js", endpoint)))


def test_ariadne_codegen_does_the_main_job(python_client: tuple[Path, Path], endpoint: str) -> None:
    python, folder = python_client

    did_the_main_job(endpoint, succeeded(run(str(python), "main_job.py", endpoint, folder=folder)))


def test_the_types_of_ariadne_codegen_are_strict(python_client: tuple[Path, Path]) -> None:
    python, folder = python_client
    mypy = (sys.executable, "-m", "mypy", "--strict", "--no-warn-unused-ignores", "--config-file", "")

    succeeded(run(*mypy, "--python-executable", str(python), "main_job.py", folder=folder))


def did_the_main_job(endpoint: str, printed: str) -> None:
    """Holds what a client prints against what it was to do, and against what the server has."""
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
    """A document without what caching clients ask for themselves."""
    match document:
        case dict():
            return {name: without_type_names(value) for name, value in document.items() if name != "__typename"}
        case list():
            return [without_type_names(item) for item in document]
    return document
