"""Runs the documents and commands of README.md and docs/first-hour.md, and compares the responses that they show."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing.limits import MAX_SESSION_SECONDS
from db.database import Database
from graph.settings import Settings
from tests.cli.conftest import ROOT, Serve, serve
from tests.live.conftest import caught_up, listening, streaming
from tests.support import PATIENCE_SECONDS, Api, TestClock

__all__ = ["serve"]

README = (ROOT / "README.md").read_text()
FIRST_HOUR = (ROOT / "docs" / "first-hour.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def shape(value: Any) -> Any:
    """Returns `value` with placeholders for parts that differ between runs: instants and invoice number prefixes."""
    text = json.dumps(value)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<instant>", text)
    return json.loads(re.sub(r'"[0-9A-Z]{10}-(\d{4})"', r'"<prefix>-\1"', text))


def test_a_customer_session_is_as_long_as_it_says() -> None:
    assert f"a customer session of at most {MAX_SESSION_SECONDS // 60} minutes" in FIRST_HOUR


async def test_the_documents_of_the_readme_run_and_answer_as_it_says(api: Api) -> None:
    create, subscribe = blocks(README, "graphql")
    *_, read, open_session, _, _ = blocks(FIRST_HOUR, "graphql")
    [said] = [json.loads(block)["data"] for block in blocks(README, "json")]

    made = await api(create)
    subscribed = await api(
        subscribe, customerId=made["createCustomer"]["customer"]["id"], planId=made["createPlan"]["plan"]["id"]
    )
    found = await api(read)
    opened = await api(open_session, customer=made["createCustomer"]["customer"]["id"])

    assert opened["createCustomerSession"]["token"].startswith("bs_")
    assert made["createCustomer"]["userErrors"] == made["createPlan"]["userErrors"] == []
    assert shape(subscribed) == shape(said)
    assert found["invoices"]["totalCount"] == 1
    assert found["invoices"]["nodes"][0]["subscription"] == {"plan": {"code": "pro"}}


async def test_the_year_of_the_first_hour_goes_by(api: Api) -> None:
    make_clock, make_customer, let_it_go_by, *_ = blocks(FIRST_HOUR, "graphql")

    clock = (await api(make_clock))["createTestClock"]["testClock"]["id"]
    made = await api(make_customer, clock=clock)
    year = await api(
        let_it_go_by,
        clock=clock,
        customer=made["createCustomer"]["customer"]["id"],
        plan=made["createPlan"]["plan"]["id"],
    )

    subscription = year["createSubscription"]["subscription"]
    assert subscription["status"] == "PENDING"
    assert [each["asOf"] for each in subscription["upcomingInvoices"]] == [
        *("2026-02-14T00:00:00Z", "2026-03-14T00:00:00Z"),
    ]
    advanced = year["advanceTestClock"]["testClock"]
    assert advanced["status"] == "READY"
    [customer] = advanced["customers"]["nodes"]
    assert customer["invoices"]["totalCount"] == 12
    assert {invoice["amountCents"] for invoice in customer["invoices"]["nodes"]} == {1000}


async def test_the_webhook_and_the_stream_of_the_first_hour(database: Database, clock: TestClock) -> None:
    *_, add_webhook, follow = blocks(FIRST_HOUR, "graphql")
    async with (
        listening(database, clock, Settings(webhook_private_targets=True)) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as client,
        streaming(address, follow) as results,
    ):
        api = Api(client)
        added = await api(add_webhook)
        await caught_up(address)
        customer_id = await api.a_customer()
        await api.a_subscription(customer_id)
        await api.mutate("recordPayment", "payment { id }", customerId=customer_id, amountCents=2900, currency="EUR")
        found = (await anext(results))["data"]["events"]["node"]

    assert added["createWebhookEndpoint"]["userErrors"] == []
    assert added["createWebhookEndpoint"]["secret"].startswith("whsec_")
    assert found["type"] == "INVOICE_PAID"
    assert found["object"]["number"]


def test_what_the_pages_and_the_playground_make_does_not_collide() -> None:
    shown = [*blocks(README, "graphql"), *blocks(FIRST_HOUR, "graphql")]
    tabs = [path.read_text() for path in sorted((ROOT / "web/graphiql/src/tabs").glob("*.json"))]
    # A tab may also use what it makes.
    made = [set(re.findall(r'"?(?:email|code)"?: "([^"]+)"', text)) for text in (*shown, *tabs)]
    names = [name for each in made for name in each]

    assert len(names) > 5
    assert sorted(names) == sorted(set(names))


@pytest.mark.slow
def test_the_commands_on_keys_work_as_they_stand(serve: Serve, data_dir: Path) -> None:
    commands = [line.removeprefix("$ ") for line in FIRST_HOUR.splitlines() if line.startswith("$ ./dev billing keys")]
    there = {**os.environ, "BILLING_DATA_DIR": str(data_dir)}
    serve(environment={"BILLING_DATA_DIR": str(data_dir)})

    def paste(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=there, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    create, show, revoke = commands
    token = paste(create)
    [line] = paste(show).splitlines()
    paste(re.sub(r"\S+$", line.split()[0], revoke))

    assert token.startswith("bk_")
    assert "  backend" in line
    assert "revoked" in paste(show)


def test_every_command_of_the_server_is_written_as_it_is_typed_in_a_checkout() -> None:
    typed = re.findall(r"^\$ (.*)$", README + FIRST_HOUR, re.MULTILINE)

    assert len(typed) >= 8
    assert [line for line in typed if not line.startswith("./dev ")] == []


def test_the_tabs_of_the_playground_are_explained() -> None:
    files = (ROOT / "web/graphiql/src/tabs").glob("*.graphql")
    tabs = [path.read_text() for path in sorted(files, key=lambda path: int(path.name.split("-")[0]))]
    rows = re.findall(r"^\| (Create\w+.*?|Customers|\w+Payment|Advance\w+|Redeem\w+) \|", FIRST_HOUR, re.MULTILINE)

    assert ", ".join(rows).split(", ") == [
        re.findall(r"^(?:query|mutation) (\w+)", tab, re.MULTILINE)[0] for tab in tabs
    ]
