"""Concurrent clients of a server, with the responses they get and the time these take."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx

from tests.cli.conftest import Served, billing
from tests.faults.database.postgres import Postgres
from tests.support import PATIENCE_SECONDS

WITHIN_SECONDS = 2 + 23
"""Upper bound for a response, in seconds: two, plus a margin for slow machines. The next timeouts take 30 or more."""
CONNECTIONS = 12
"""Number of connections the server has, in both pools."""
CROWD = 30

READ = "{ customers(first: 5) { nodes { id name } } }"
SUBSCRIBE = (
    "mutation { createSubscription(input: {"
    'customerId: "01a2125c-7b7d-74c2-b1f9-fab6d09299a4", planId: "01a2125c-7b7d-74c2-b1f9-fab6d09299a4"'
    "}) { userErrors { code } } }"
)
"""Rejected because there is no such customer. Finding that out needs a lock."""
CREATE = (
    "mutation ($email: String!) { createCustomer(input: {name: "
    '"Ada", email: $email, idempotencyKey: $email}) { customer { id } userErrors { code } } }'
)


@dataclass
class Answered:
    """A response, and the time it took."""

    status: int
    document: Any
    headers: httpx.Headers
    seconds: float

    @property
    def is_overloaded(self) -> bool:
        codes = [error["extensions"]["code"] for error in self.document.get("errors", [])]
        return self.status == 503 and codes == ["OVERLOADED"]


@dataclass
class Asking:
    """A client of the server, with the ids acknowledged to it."""

    served: Served
    client: httpx.AsyncClient
    acknowledged: list[str]

    async def ask(self, query: str, **variables: object) -> Answered:
        began = monotonic()
        answer = await self.client.post("/graphql", json={"query": query, "variables": variables})
        return Answered(answer.status_code, answer.json(), answer.headers, monotonic() - began)

    async def create(self) -> Answered:
        answered = await self.ask(CREATE, email=f"{uuid4().hex}@example.com")
        if answered.status == 200 and "errors" not in answered.document:
            self.acknowledged.append(answered.document["data"]["createCustomer"]["customer"]["id"])
        return answered

    async def crowd(self) -> list[Answered]:
        """Sends reads and writes concurrently, more than there are connections."""
        return list(await asyncio.gather(*(self.create() if n % 2 else self.ask(READ) for n in range(CROWD))))

    async def crowd_is_served(self) -> None:
        """Asserts that every request is served. Requests that are rejected because the server is busy are retried."""
        waiting: set[int] = set(range(CROWD))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while waiting:
                asked = sorted(waiting)
                answers = await asyncio.gather(*(self.create() if n % 2 else self.ask(READ) for n in asked))
                served = {n: answer for n, answer in zip(asked, answers, strict=True) if not answer.is_overloaded}
                assert_served(list(served.values()))
                waiting -= served.keys()

    async def status(self, path: str) -> int:
        return (await self.health(path))[0]

    async def health(self, path: str) -> tuple[int, Any]:
        began = monotonic()
        answer = await self.client.get(path)
        assert monotonic() - began < WITHIN_SECONDS, path
        return answer.status_code, answer.json()

    def assert_unavailable(self, answers: list[Answered], code: str = "UNAVAILABLE") -> None:
        """Asserts that each response came in time and tells the client to retry."""
        assert {answer.status for answer in answers} == {503}, [answer.document for answer in answers]
        codes = {error["extensions"]["code"] for answer in answers for error in answer.document["errors"]}
        assert codes == {code}
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        assert max(answer.seconds for answer in answers) < WITHIN_SECONDS


@asynccontextmanager
async def asking(served: Served) -> AsyncIterator[Asking]:
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as client:
        yield Asking(served, client, [])


def assert_served(answers: list[Answered]) -> None:
    assert [answer.document for answer in answers if answer.status != 200 or "errors" in answer.document] == []


async def assert_well_but_not_ready(there: Asking, trouble: str = "unavailable") -> None:
    assert await there.status("/health") == 200
    assert await there.health("/health/db") == (503, {"database": trouble})
    assert await there.health("/ready") == (503, {"ready": False, "reason": f"database {trouble}"})


def assert_nothing_lost(there: Asking, postgres: Postgres) -> None:
    """Asserts that every acknowledged customer is stored and that `billing verify` finds nothing wrong."""
    # Several tests may share this data folder.
    file = postgres.folder / "acknowledged"
    file.write_text("".join(json.dumps({"type": "Customer", "id": one}) + "\n" for one in there.acknowledged))
    verified = billing("verify", "--acknowledged", str(file), DATABASE_URL=postgres.url)
    assert verified.returncode == 0, verified.stdout + verified.stderr
