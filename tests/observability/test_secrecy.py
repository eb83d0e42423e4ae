"""Tests that log lines, metrics and spans never contain personal data or secrets.

The test sends all kinds of requests with words that occur nowhere else, makes the server fail in many ways, and then
searches the output for these words.
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing.enums import ApiKeyScope
from db.database import Database
from db.driver.urls import asyncpg_url
from db.embedded import EmbeddedPostgres
from services.api_keys import Issued
from tests.access.conftest import a_key
from tests.cli.conftest import Serve, Served
from tests.observability.conftest import Collector, gone
from tests.support import PATIENCE_SECONDS, TestClock

WORD = "telltale"
"""Prefix of every word that must not be disclosed, in upper or lower case."""

PASSWORD = f"{WORD}-password"


def word(kind: str) -> str:
    return f"{WORD}-{kind}"


def a_customer(number: int) -> dict[str, Any]:
    return {
        "name": word(f"name-{number}"),
        "email": f"{word(f'mail-{number}')}@example.com",
        "externalId": word(f"external-{number}"),
        "taxId": word("tax"),
        "address": {
            "line1": word("line1"),
            "line2": word("line2"),
            "postalCode": word("code"),
            "city": word("city"),
            "region": word("region"),
            "country": "DE",
        },
        "metadata": [{"key": word("key"), "value": word("value")}],
        "idempotencyKey": word(f"idempotency-{number}"),
    }


CREATE = """
mutation Create($input: CreateCustomerInput!) {
  createCustomer(input: $input) { customer { id name email taxId address { city } } userErrors { code message } }
}
"""
UPDATE = """
mutation Update($input: UpdateCustomerInput!) {
  updateCustomer(input: $input) { customer { id name } userErrors { code message } }
}
"""
PLAN = """
mutation Plan($input: CreatePlanInput!) { createPlan(input: $input) { plan { id } userErrors { code message } } }
"""
SUBSCRIBE = """
mutation Subscribe($input: CreateSubscriptionInput!) {
  createSubscription(input: $input) { subscription { id } userErrors { code message } }
}
"""
PAY = """
mutation Pay($input: RecordPaymentInput!) {
  recordPayment(input: $input) { payment { id } userErrors { code message } }
}
"""
BILL = """
mutation Bill($input: CreateInvoiceInput!) {
  createInvoice(input: $input) { invoice { id } userErrors { code message } }
}
"""
KEY = """
mutation Key($input: CreateApiKeyInput!) { createApiKey(input: $input) { token apiKey { id } userErrors { code } } }
"""
SESSION = """
mutation Session($input: CreateCustomerSessionInput!) {
  createCustomerSession(input: $input) { token userErrors { code } }
}
"""
BY_EMAIL = "query ByEmail($email: String!) { customerByEmail(email: $email) { id name } }"
CUSTOMERS = """
query Customers($after: String) {
  customers(first: 1, after: $after, orderBy: {field: NAME}) {
    pageInfo { endCursor }
    nodes { id name email metadata { key value } invoices { nodes { id billTo { name } } } }
  }
}
"""


class Driver:
    """A client with an API key."""

    def __init__(self, served: Served, token: str, client: httpx.Client) -> None:
        self.url = f"{served.url}/graphql"
        self.client = client
        client.headers["authorization"] = f"Bearer {token}"
        self.secrets = {token, b64encode(token.encode()).decode()}

    def ask(self, query: str, **variables: Any) -> Any:
        return self.client.post(self.url, json={"query": query, "variables": variables}).json()

    def made(self, query: str, **input: Any) -> Any:
        """Sends a mutation that must succeed. Returns its payload."""
        answer = self.ask(query, input=input)
        assert "errors" not in answer, answer
        [payload] = answer["data"].values()
        assert payload["userErrors"] == []
        return payload

    def codes(self, query: str, **variables: Any) -> set[str]:
        """Returns the error codes of a response."""
        answer = self.ask(query, **variables)
        return {error["extensions"]["code"] for error in answer["errors"]}


def succeed(driver: Driver) -> str:
    """Sends many requests that succeed. Returns the id of a customer."""
    customer = driver.made(CREATE, **a_customer(1))["customer"]["id"]
    driver.made(UPDATE, id=customer, name=word("renamed"), metadata=[{"key": word("k"), "value": word("v")}])
    plan = driver.made(PLAN, code="pro", name="Pro", amountCents=100, currency="EUR")["plan"]["id"]
    driver.made(SUBSCRIBE, customerId=customer, planId=plan, idempotencyKey=word("subscribe"))
    line = {"description": word("description"), "unitAmountCents": 5}
    driver.made(BILL, customerId=customer, currency="EUR", lines=[line])
    driver.made(
        PAY, customerId=customer, amountCents=1, currency="EUR", reference=word("reference"), allowOverpayment=True
    )
    for query, fields in (
        (KEY, {"name": word("key-name"), "scope": "READ"}),
        (SESSION, {"customerId": customer}),
    ):
        driver.secrets.add(driver.made(query, **fields)["token"])
    assert driver.ask(BY_EMAIL, email=a_customer(1)["email"])["data"]["customerByEmail"]["id"] == customer
    page = driver.ask(CUSTOMERS)["data"]["customers"]
    assert page["nodes"][0]["metadata"][0]["value"] == word("v")
    # The cursor contains the name.
    assert driver.ask(CUSTOMERS, after=page["pageInfo"]["endCursor"])["data"]["customers"]["nodes"] == []
    return str(customer)


def be_refused(driver: Driver) -> None:
    """Sends many requests that are rejected, each with confidential words."""
    refused = driver.ask(CREATE, input={**a_customer(2), "email": a_customer(1)["email"]})
    assert refused["data"]["createCustomer"]["userErrors"][0]["code"] == "EMAIL_TAKEN"
    for wrong in (
        {**a_customer(3), "email": word("no-address")},
        {**a_customer(3), "idempotencyKey": word("idempotency-1")},
        {**a_customer(3), "name": word("x") * 1000},
    ):
        assert driver.ask(CREATE, input=wrong)["data"]["createCustomer"]["userErrors"]
    assert driver.codes(CREATE, input={**a_customer(3), word("field"): 1}) == {"BAD_USER_INPUT"}
    assert driver.codes(CREATE, input={**a_customer(3), "netDays": word("days")}) == {"BAD_USER_INPUT"}
    assert driver.codes(CUSTOMERS, after=word("cursor")) == {"BAD_USER_INPUT"}
    assert driver.codes(f'{{ customerByEmail(email: "{word("literal")}") {{ {WORD} }} }}') == {
        "GRAPHQL_VALIDATION_FAILED"
    }
    assert driver.codes(f'{{ customerByEmail(email: "{word("literal")}" }}') == {"GRAPHQL_PARSE_FAILED"}
    client, url = driver.client, driver.url
    statuses = [
        client.post(url, content=f'{{"query": "{word("body")}'.encode(), headers=JSON).status_code,
        client.post(url, content=f"\xff{word('latin')}".encode("latin-1"), headers=JSON).status_code,
        client.post(url, json={"query": BY_EMAIL}, headers={"authorization": f"Bearer {word('token')}"}).status_code,
        client.post(url, json={"query": BY_EMAIL}, headers={"authorization": f"Basic {word('basic')}"}).status_code,
        client.get(
            url,
            params={"query": BY_EMAIL, "variables": f'{{"email": "{word("query")}@example.com"}}'},
            headers={"graphql-require-preflight": "1"},
        ).status_code,
        client.get(f"{url}/{word('path')}", params={WORD: WORD}).status_code,
        client.post(url, json={"query": BY_EMAIL}, headers={"x-request-id": f"{word('id')}@x y"}).status_code,
        client.request(WORD.upper(), url).status_code,
        client.get(url.replace("graphql", "metrics"), headers={"authorization": word("scrape")}).status_code,
    ]
    assert statuses == [400, 400, 401, 401, 200, 404, 200, 400, 401]


JSON = {"content-type": "application/json"}


async def break_rules(driver: Driver, database: Database, customer: str) -> None:
    """Makes PostgreSQL reject rows for reasons unknown to the server. The error messages contain these rows."""
    forbid = "ALTER TABLE {} ADD CONSTRAINT of_the_test CHECK ({}) NOT VALID"
    for table, rule in (("customers", f"name NOT LIKE '{WORD}-name-4%'"), ("payments", "reference IS NULL")):
        async with database.sessions.begin() as session:
            await session.execute(text(forbid.format(table, rule)))
    failures = [
        await asyncio.to_thread(driver.codes, CREATE, input=a_customer(4)),
        await asyncio.to_thread(
            driver.codes,
            PAY,
            input={"customerId": customer, "amountCents": 1, "currency": "EUR", "reference": word("reference")},
        ),
    ]
    # Reading fails as well, because a column is missing.
    async with database.sessions.begin() as session:
        await session.execute(text("ALTER TABLE customers RENAME email_key TO other_key"))
    failures.append(await asyncio.to_thread(driver.codes, BY_EMAIL, email=a_customer(1)["email"]))
    async with database.sessions.begin() as session:
        await session.execute(text("ALTER TABLE customers RENAME other_key TO email_key"))
    assert failures == [{"INTERNAL_SERVER_ERROR"}] * 3


async def fail_renewals(database: Database) -> None:
    """Makes it impossible to store what is due, and waits until a renewal run has failed."""
    async with database.sessions.begin() as session:
        await session.execute(
            text("ALTER TABLE invoices ADD CONSTRAINT of_the_test CHECK (kind <> 'RECURRING') NOT VALID")
        )
        await session.execute(
            text(
                "UPDATE subscriptions SET next_billing_at = next_billing_at - interval '40 days',"
                " current_period_start = current_period_start - interval '40 days',"
                " current_period_end = current_period_end - interval '40 days'"
            )
        )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with database.sessions() as session:
                if await session.scalar(text("SELECT count(*) FROM billing_holds")):
                    return
            await asyncio.sleep(0.1)


def told(served: Served, collector: Collector, postgres: Path) -> Iterator[tuple[str, str]]:
    """Yields all output that could disclose a word, each with the name of its source."""
    yield "the log", served.said.read_text()
    yield "spans", b"".join(collector.bodies).decode("latin-1")
    for path in postgres.glob("*log*"):
        if path.is_file():
            yield "the log of PostgreSQL", path.read_text(errors="replace")


@pytest.mark.parametrize("plans", ["on", "off"])
async def test_nobody_is_named_and_no_secret_told(
    serve: Serve,
    database: Database,
    database_url: str,
    server: EmbeddedPostgres,
    collector: Collector,
    clock: TestClock,
    plans: str,
) -> None:
    key: Issued = await a_key(database, clock, ApiKeyScope.ADMIN)
    with_password = asyncpg_url(database_url).set(password=PASSWORD).render_as_string(hide_password=False)
    served = serve(
        environment={
            "DATABASE_URL": with_password,
            "BILLING_METRICS": "on",
            "BILLING_SLOW_MS": "1",
            "BILLING_LOG_REQUESTS": "on",
            "BILLING_RENEW_EVERY": "0.2",
            "BILLING_FAST_EXECUTOR": plans,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
    )
    with httpx.Client(timeout=PATIENCE_SECONDS) as client:
        driver = Driver(served, key.token, client)
        customer = await asyncio.to_thread(succeed, driver)
        await asyncio.to_thread(be_refused, driver)
        await break_rules(driver, database, customer)
        await fail_renewals(database)
        async with gone(server, database_url):
            lost = await asyncio.to_thread(driver.codes, BY_EMAIL, email=a_customer(1)["email"])
            assert lost == {"UNAVAILABLE"}
        metrics = driver.client.get(f"{served.url}/metrics").text
    assert served.stop() == 0

    everything = [*told(served, collector, Path(server.folder)), ("metrics", metrics)]
    assert len(everything) >= 4, "the log of PostgreSQL is among them"
    log = everything[0][1]
    for said in ("operation failed", "slow operation", "cannot be renewed", "of_the_test", "SQLSTATE", "UNAVAILABLE"):
        assert said in log, f"it is not proved: no line says {said!r}"
    assert "billing_errors_total" in metrics
    assert any(span.name == "mutation Create" for span in collector.spans)
    for where, what in everything:
        for secret in (WORD, *driver.secrets):
            found = what.lower().find(secret.lower())
            assert found < 0, f"{where}: {what[max(0, found - 500) : found + 100]}"
