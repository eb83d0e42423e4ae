"""Concurrent clients that sell subscriptions and record payments for as long as a test lasts."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.support import PATIENCE_SECONDS

SELL = """
    mutation ($customer: ID!, $plan: ID!, $key: String!) {
      createSubscription(input: {customerId: $customer, planId: $plan, idempotencyKey: $key}) {
        subscription { id }
        invoice { id amountCents }
        userErrors { code message }
      }
    }
"""
PAY = """
    mutation ($customer: ID!, $cents: Cents!, $key: String!) {
      recordPayment(
        input: {customerId: $customer, amountCents: $cents, currency: "EUR", method: CARD, idempotencyKey: $key}
      ) {
        payment { id }
        userErrors { code message }
      }
    }
"""
CREATE = """
    mutation ($email: String!, $key: String!) {
      createCustomer(input: {name: "Ada", email: $email, idempotencyKey: $key}) {
        customer { id }
        userErrors { code message }
      }
    }
"""
PLAN = """
    mutation ($code: String!) {
      createPlan(input: {code: $code, name: "Pro", amountCents: 2900, currency: "EUR"}) {
        plan { id }
        userErrors { code message }
      }
    }
"""
READ = """
    query {
      customers(last: 10) { nodes { subscription { plan { code } } invoices { nodes { number amountCents } } } }
    }
"""


@dataclass
class Traffic:
    """Requests of clients to a server, and the objects it acknowledged."""

    url: str
    acknowledged: list[dict[str, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    answered: int = 0

    def say(self, type_: str, id_: str) -> None:
        self.acknowledged.append({"type": type_, "id": id_})

    def write(self, path: Path, count: int) -> None:
        """Writes the first `count` objects in the format of `billing verify --acknowledged`."""
        path.write_text("".join(json.dumps(said) + "\n" for said in self.acknowledged[:count]))

    async def until_answered(self, more: int) -> None:
        """Waits until `more` further requests were answered."""
        enough = self.answered + more
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.answered < enough:
                assert not self.failed, self.failed[0]
                await asyncio.sleep(0.01)

    async def ask(self, client: httpx.AsyncClient, query: str, **variables: Any) -> Any:
        """Sends a query and returns the `data` of the response. Records and raises failures."""
        try:
            answer = await client.post(f"{self.url}/graphql", json={"query": query, "variables": variables})
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            self.failed.append(repr(error))
            raise
        if answer.status_code != 200 or "errors" in document:
            self.failed.append(answer.text)
            raise AssertionError(answer.text)
        for payload in document["data"].values():
            if payload.get("userErrors"):
                self.failed.append(answer.text)
        self.answered += 1
        return document["data"]

    async def sell_and_collect(self, client: httpx.AsyncClient, plan: str) -> None:
        """Runs through the life of one customer."""
        made = await self.ask(client, CREATE, email=f"{uuid4().hex}@example.com", key=uuid4().hex)
        customer = made["createCustomer"]["customer"]["id"]
        self.say("Customer", customer)
        sold = (await self.ask(client, SELL, customer=customer, plan=plan, key=uuid4().hex))["createSubscription"]
        self.say("Subscription", sold["subscription"]["id"])
        self.say("Invoice", sold["invoice"]["id"])
        paid = await self.ask(client, PAY, customer=customer, cents=2900, key=uuid4().hex)
        self.say("Payment", paid["recordPayment"]["payment"]["id"])
        await self.ask(client, READ)


@asynccontextmanager
async def traffic(url: str, *, clients: int = 4) -> AsyncIterator[Traffic]:
    """Runs `clients` concurrent clients during the block. Failures are collected in `failed`."""
    found = Traffic(url)
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        made = await found.ask(client, PLAN, code=uuid4().hex)
        plan = made["createPlan"]["plan"]["id"]
        stop = asyncio.Event()

        async def work() -> None:
            while not stop.is_set():
                await found.sell_and_collect(client, plan)

        workers = [asyncio.create_task(work()) for _ in range(clients)]
        try:
            yield found
        finally:
            stop.set()
            await asyncio.gather(*workers, return_exceptions=True)
