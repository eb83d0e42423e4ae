"""Fixtures for webhooks: a receiver, the API of a server that may send to it, and a worker that delivers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from db.database import Database
from graph.server.app import create_app
from graph.settings import Settings
from services.webhooks import worker
from services.webhooks.sending import Sender
from tests.support import PATIENCE_SECONDS, Api, TestClock, patient
from tests.webhooks.receiver import Receiver, receiving


@pytest.fixture(autouse=True)
def polls_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.05)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@asynccontextmanager
async def api_with(
    database: Database, clock: TestClock, settings: Settings, *, token: str | None = None
) -> AsyncIterator[Api]:
    """Yields a client of a server with these settings."""
    transport = httpx.ASGITransport(create_app(database, settings=patient(settings), clock=clock))
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        yield Api(client)


@pytest.fixture
async def api(database: Database, clock: TestClock) -> AsyncIterator[Api]:
    """Client of the API of a server that may send webhooks to private addresses."""
    async with api_with(database, clock, Settings(webhook_private_targets=True)) as client:
        yield client


@asynccontextmanager
async def delivering(database: Database, clock: TestClock, sender: Sender | None = None) -> AsyncIterator[None]:
    """Runs a worker during the block."""
    async with sender or Sender(private_targets=True) as used:
        task = asyncio.create_task(worker.deliver_forever(database, clock, used))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Made:
    """A webhook endpoint that a test created."""

    id: str
    secret: str


async def an_endpoint(api: Api, url: str, **fields: Any) -> Made:
    made = await api.mutate("createWebhookEndpoint", "webhookEndpoint { id } secret", url=url, **fields)
    assert made["userErrors"] == []
    return Made(made["webhookEndpoint"]["id"], made["secret"])


DELIVERY = "id messageId type status attempts nextAttemptAt responseStatus responseHead error body"


async def deliveries(api: Api, endpoint: Made, selection: str = DELIVERY, **filter_by: Any) -> list[Any]:
    """Returns the deliveries of an endpoint, oldest first."""
    data = await api(
        "query ($id: ID!, $filter: WebhookDeliveryFilter) { webhookEndpoint(id: $id) {"
        f" deliveries(first: 100, filter: $filter) {{ nodes {{ {selection} }} }} }} }}",
        id=endpoint.id,
        filter=filter_by or None,
    )
    found: list[Any] = data["webhookEndpoint"]["deliveries"]["nodes"]
    return found


async def until_attempted(api: Api, endpoint: Made, attempts: int, *, seconds: float = PATIENCE_SECONDS) -> list[Any]:
    """Waits until all deliveries of an endpoint have finished, or have had this many attempts."""
    async with asyncio.timeout(seconds):
        while True:
            found = await deliveries(api, endpoint)
            if found and all(each["status"] != "PENDING" or each["attempts"] >= attempts for each in found):
                return found
            await asyncio.sleep(0.05)


async def status_of(api: Api, endpoint: Made) -> Any:
    data = await api(
        "query ($id: ID!) { webhookEndpoint(id: $id) { status disabledReason } }",
        id=endpoint.id,
    )
    return data["webhookEndpoint"]
