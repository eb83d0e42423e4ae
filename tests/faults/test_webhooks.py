"""Webhooks while the processes that deliver them, and the receiver, are killed again and again."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from db.database import Database
from graph.server.app import create_app, wall_clock
from graph.settings import Settings
from tests.faults.processes import end_all
from tests.support import PATIENCE_SECONDS, Api, patient
from tests.webhooks.conftest import an_endpoint
from tests.webhooks.receiver import Received, Receiver, receiving

ROOT = Path(__file__).parents[2]
TIMES = int(os.environ.get("TEST_TIMES", "1"))
"""Set it to 5 for 1,000 events and 50 kills."""
EVENTS = 200 * TIMES
KILLS = 10 * TIMES
SECONDS = 300 * TIMES
"""Maximum time until everything must have arrived: claims of killed processes expire after half a minute."""

FEED = """
    query ($after: String) {
      events(after: $after) {
        nodes { id objectType objectId version }
        pageInfo { hasNextPage endCursor }
      }
    }
"""


DELIVER = ("deliver",)
SERVE = ("serve", "--port", "0")


def deliverer(url: str, arguments: tuple[str, ...] = DELIVER) -> subprocess.Popen[bytes]:
    settings = {"BILLING_WEBHOOK_PRIVATE_TARGETS": "on", "BILLING_AUTH": "off", "BILLING_RENEW": "off"}
    environment = {**os.environ, "DATABASE_URL": url, **settings}
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    settings = patient(Settings(webhook_private_targets=True))
    transport = httpx.ASGITransport(create_app(database, settings=settings, clock=wall_clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client)


async def test_nothing_is_lost_reordered_or_changed(api: Api, database_url: str) -> None:
    chance = random.Random(11)
    accepted: list[Received] = []
    lost: set[str] = set()

    async def respond(request: web.Request, received: Received) -> web.Response:
        if received.id not in lost and chance.random() < 0.05:
            # The receiver dies before or after it has stored the message, and its response is lost. Only once for each
            # message: after the second failure, the server waits five minutes.
            lost.add(received.id)
            if chance.random() < 0.5:
                accepted.append(received)
            assert request.transport is not None
            request.transport.abort()
        accepted.append(received)
        return web.Response()

    async with receiving() as receiver:
        receiver.respond = respond
        await an_endpoint(api, receiver.url)
        processes = [deliverer(database_url, arguments) for arguments in (DELIVER, SERVE)]
        try:
            changing = asyncio.create_task(change(api))
            for kill in range(KILLS):
                await asyncio.sleep(chance.uniform(0.2, 3))
                killed = processes.pop(0)
                killed.send_signal(signal.SIGKILL)
                killed.wait()
                processes.append(deliverer(database_url, SERVE if kill % 2 else DELIVER))
            await changing
            events = await all_events(api)
            async with asyncio.timeout(SECONDS), receiver.changed:
                await receiver.changed.wait_for(lambda: {each.id for each in accepted} >= events.keys())
        finally:
            end_all(processes, signal.SIGTERM)

    assert {each.id for each in receiver.got} == events.keys()
    bodies = defaultdict(set)
    for each in receiver.got:
        bodies[each.id].add(each.body)
    assert {len(each) for each in bodies.values()} == {1}
    assert_in_order(accepted)


async def change(api: Api) -> None:
    """Makes at least `EVENTS` events about a few objects."""
    customers = [await api.a_customer() for _ in range(20)]
    plan_id = await api.a_plan()
    for customer_id in customers[:10]:
        await api.a_subscription(customer_id, plan_id)
    for number in range(EVENTS // len(customers)):
        for customer_id in customers:
            await api.mutate("updateCustomer", "customer { id }", id=customer_id, name=f"Ada {number}")
        await asyncio.sleep(0.3)


async def all_events(api: Api) -> dict[str, tuple[str, int]]:
    """Returns the object and version of all events by id, except those about endpoints."""
    found: dict[str, tuple[str, int]] = {}
    after = None
    while True:
        page = (await api(FEED, after=after))["events"]
        nodes = [each for each in page["nodes"] if each["objectType"] != "WEBHOOK_ENDPOINT"]
        found |= {each["id"]: (each["objectId"], each["version"]) for each in nodes}
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"] and len(found) >= EVENTS:
            return found
        await asyncio.sleep(0.1)


def assert_in_order(accepted: list[Received]) -> None:
    """Asserts that each version of an object was first accepted after all versions before it."""
    newest: defaultdict[str, int] = defaultdict(int)
    for each in accepted:
        object_id, version = each.data["objectId"], each.data["version"]
        assert version <= newest[object_id] + 1, each.body
        newest[object_id] = max(newest[object_id], version)


async def test_a_stop_finishes_the_attempts_in_progress(api: Api, database_url: str, receiver: Receiver) -> None:
    begun = asyncio.Event()

    async def respond(_request: web.Request, _received: Received) -> web.Response:
        begun.set()
        await asyncio.sleep(1)
        return web.Response()

    receiver.respond = respond
    await an_endpoint(api, receiver.url)
    await api.a_customer()
    process = deliverer(database_url)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await begun.wait()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    finally:
        end_all([process], signal.SIGKILL)

    data = await api("{ webhookEndpoints { deliveries { nodes { status attempts } } } }")
    assert data["webhookEndpoints"][0]["deliveries"]["nodes"] == [{"status": "SUCCEEDED", "attempts": 1}]
    assert len(receiver.got) == 1


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found
