"""Clients that behave like frontends: they retry a mutation with the same idempotency key on another server until they
get a response.

The acknowledged objects are recorded and compared with the database at the end.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from db.database import single_connection
from tests.faults.processes import ROOT
from tests.support import PATIENCE_SECONDS

GIVE_UP_SECONDS = PATIENCE_SECONDS
ATTEMPT_SECONDS = 30
"""Timeout in seconds for a response, after which the client tries another server."""

SENT_AGAIN = {"UNAVAILABLE", "TIMEOUT"}
"""Error codes that tell the client to retry the same request."""

VERSIONED = "id version"
SELECTIONS = {
    "createCustomer": f"customer {{ {VERSIONED} }}",
    "createPlan": f"plan {{ {VERSIONED} }}",
    "createSubscription": f"subscription {{ {VERSIONED} }} invoice {{ {VERSIONED} }}",
    "changeSubscription": f"subscription {{ {VERSIONED} }} invoice {{ {VERSIONED} }}",
    "cancelSubscription": f"subscription {{ {VERSIONED} }} invoice {{ {VERSIONED} }}",
    "recordPayment": f"payment {{ id }} customer {{ {VERSIONED} }}",
    "createTestClock": f"testClock {{ {VERSIONED} }}",
    "advanceTestClock": f"testClock {{ {VERSIONED} status }}",
}
"""Selection for each mutation: the objects that it acknowledges."""


class NotAnsweredError(Exception):
    """No server returned a valid response for a long time."""


@dataclass
class Record:
    """Objects acknowledged to clients, with counts and timings of their requests."""

    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    answered: int = 0
    sent_again: Counter[str] = field(default_factory=Counter)
    slowest_attempt: float = 0.0
    slowest_answer: float = 0.0
    failures: list[str] = field(default_factory=list)

    def note(self, payload: dict[str, Any]) -> None:
        """Records the objects of a payload."""
        for name, found in payload.items():
            if name != "userErrors" and found is not None:
                self.acknowledged.append({"type": f"{name[0].upper()}{name[1:]}", **found})

    def ids(self, type_: str) -> set[UUID]:
        return {UUID(each["id"]) for each in self.acknowledged if each["type"] == type_}


class Frontend:
    """A client with one connection, which knows several servers."""

    def __init__(self, urls: Sequence[str], record: Record, *, first: int = 0) -> None:
        self._urls = urls
        self._asked = first
        self._record = record
        self._client = httpx.AsyncClient(timeout=ATTEMPT_SECONDS, limits=httpx.Limits(max_connections=1), verify=False)

    async def mutate(self, name: str, /, **fields: Any) -> Any:
        """Sends a mutation and returns its payload. Raises `NotAnsweredError`."""
        fields = {"idempotencyKey": uuid4().hex, **fields}
        input_type = f"{name[0].upper()}{name[1:]}Input"
        query = (
            f"mutation ($input: {input_type}!) {{ {name}(input: $input) {{ {SELECTIONS[name]} "
            "userErrors { code message } } }"
        )
        payload = (await self.send({"query": query, "variables": {"input": fields}}))[name]
        if payload["userErrors"]:
            self._record.failures.append(f"{name}: {payload['userErrors']}")
            raise NotAnsweredError(self._record.failures[-1])
        self._record.note(payload)
        return payload

    async def send(self, request: dict[str, Any]) -> Any:
        """Sends a request, with retries, and returns the `data` of the response. Raises `NotAnsweredError`."""
        began = time.monotonic()
        attempt = 0
        while True:
            attempt_began = time.monotonic()
            reason, data = await self._attempt(request)
            self._record.slowest_attempt = max(self._record.slowest_attempt, time.monotonic() - attempt_began)
            if reason is None:
                self._record.answered += 1
                self._record.slowest_answer = max(self._record.slowest_answer, time.monotonic() - began)
                return data
            self._record.sent_again[reason] += 1
            if time.monotonic() - began > GIVE_UP_SECONDS:
                self._record.failures.append(f"not answered, the last time: {reason}")
                raise NotAnsweredError(self._record.failures[-1])
            attempt += 1
            self._asked += 1
            await asyncio.sleep(min(1.0, 0.02 * 2**attempt) * random.uniform(0.5, 1))

    async def _attempt(self, request: dict[str, Any]) -> tuple[str | None, Any]:
        """Returns the reason to retry the request, or None and the `data` of the response. Raises
        `NotAnsweredError`.
        """
        url = self._urls[self._asked % len(self._urls)]
        headers = {"Accept": "application/graphql-response+json"}
        try:
            answer = await self._client.post(f"{url}/graphql", json=request, headers=headers)
        except httpx.TransportError as error:
            return type(error).__name__, None
        try:
            document = answer.json()
        except ValueError:
            document = {"errors": [{"message": answer.text}]}
        codes = [error.get("extensions", {}).get("code") for error in document.get("errors", [])]
        if not codes:
            return None, document["data"]
        if set(codes) <= SENT_AGAIN:
            return f"{answer.status_code} {codes[0]}", None
        self._record.failures.append(f"{answer.status_code}: {document}")
        raise NotAnsweredError(self._record.failures[-1])

    async def close(self) -> None:
        await self._client.aclose()


async def offer(frontend: Frontend) -> list[str]:
    """Creates two plans. Returns their ids."""
    prices = (2900, 9900)
    made = [
        await frontend.mutate("createPlan", code=uuid4().hex, name="Pro", amountCents=price, currency="EUR")
        for price in prices
    ]
    return [payload["plan"]["id"] for payload in made]


async def visit(frontend: Frontend, plans: Sequence[str], draw: random.Random) -> None:
    """Runs one customer through subscribing, paying, changing plans and perhaps canceling.

    Some customers are on a test clock instead, which advances by more than a month.
    """
    clock = None
    fields: dict[str, Any] = {}
    if draw.random() < 0.1:
        made = await frontend.mutate("createTestClock", frozenAt="2026-01-31T00:00:00Z")
        clock = fields["testClockId"] = made["testClock"]["id"]
    email = f"{uuid4().hex}@example.com"
    made = await frontend.mutate("createCustomer", name="Ada Lovelace", email=email, **fields)
    customer = made["customer"]["id"]
    made = await frontend.mutate("createSubscription", customerId=customer, planId=plans[0])
    subscription = made["subscription"]["id"]
    if clock is not None:
        await frontend.mutate("advanceTestClock", id=clock, to="2026-03-15T00:00:00Z")
        return
    for _ in range(draw.randint(1, 3)):
        await pay(frontend, customer, draw.randint(1, 5000))
    await frontend.mutate("changeSubscription", id=subscription, planId=plans[1])
    if draw.random() < 0.5:
        await frontend.mutate("cancelSubscription", id=subscription, atPeriodEnd=False, settlement="CREDIT")


@asynccontextmanager
async def at_work(frontends: Sequence[Frontend]) -> AsyncIterator[None]:
    """Runs visits of all clients during the block. On exit, waits for the last visits and closes the clients."""
    plans = await offer(frontends[0])
    over = asyncio.Event()

    async def work(frontend: Frontend, draw: random.Random) -> None:
        while not over.is_set():
            await visit(frontend, plans, draw)

    async with asyncio.TaskGroup() as tasks:
        for number, frontend in enumerate(frontends):
            tasks.create_task(work(frontend, random.Random(number)))
        yield
        over.set()
    for frontend in frontends:
        await frontend.close()


async def pay(frontend: Frontend, customer: str, amount_cents: int) -> None:
    await frontend.mutate(
        "recordPayment", customerId=customer, amountCents=amount_cents, currency="EUR", allowOverpayment=True
    )


async def assert_nothing_is_lost_or_doubled(url: str, record: Record, folder: Path) -> None:
    """Asserts that the database has what was acknowledged and no other customers, subscriptions, payments or test
    clocks.

    Also asserts that no request failed and that `billing verify` finds nothing wrong.
    """
    assert record.failures == []
    said = folder / "acknowledged.jsonl"
    said.write_text("".join(f"{json.dumps(each)}\n" for each in record.acknowledged))
    command = [sys.executable, "-m", "cli.main", "verify", "--acknowledged", str(said)]
    verified = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, capture_output=True, text=True
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert await stored(url, "customers") == record.ids("Customer")
    assert await stored(url, "subscriptions") == record.ids("Subscription")
    assert await stored(url, "payments") == record.ids("Payment")
    assert await stored(url, "test_clocks") == record.ids("TestClock")


async def stored(url: str, table: str) -> set[UUID]:
    """Returns the ids of the rows of a table."""
    async with single_connection(url) as connection:
        return set((await connection.execute(text(f"SELECT id FROM {table}"))).scalars())
