"""Backups: a snapshot of one instant of a server under load, restored completely or not at all."""

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from db.backup import read_manifest
from db.embedded import EmbeddedPostgres
from tests.cli.conftest import Serve, Served, billing, serve  # noqa: F401 - a fixture
from tests.conftest import execute, scalar
from tests.faults.traffic import CREATE, traffic
from tests.support import PATIENCE_SECONDS

FEED = """
    query ($after: String) {
      events(first: 100, after: $after) { nodes { id type objectId } pageInfo { endCursor hasNextPage } }
    }
"""
SESSION = """
    mutation ($customer: ID!) {
      createCustomerSession(input: {customerId: $customer, ttlSeconds: 900, permissions: []}) { token }
    }
"""
BURNED = 20_000
BURN = f"""
    DO $$ BEGIN
        FOR number IN 1..{BURNED} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP;
    END $$
"""


async def ask(url: str, query: str, token: str | None = None, **variables: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, headers=headers) as client:
        answer = await client.post(f"{url}/graphql", json={"query": query, "variables": variables})
    document = answer.json()
    assert "errors" not in document, document
    return document["data"]


async def read_feed(url: str, after: str | None = None, *, until: Callable[[list[str]], bool]) -> tuple[list[str], str]:
    """Reads pages behind a cursor until `until` accepts the ids of events found so far.

    Returns these ids and the last cursor.
    """
    found: list[str] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            page = (await ask(url, FEED, after=after))["events"]
            found += [node["id"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"] or after
            if not page["pageInfo"]["hasNextPage"] and until(found):
                return found, str(after)
            await asyncio.sleep(0.02)


async def counted(url: str, tables: list[str]) -> dict[str, int]:
    return {table: await scalar(url, f"SELECT count(*) FROM {table}") for table in tables}


async def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command `billing` without blocking the event loop."""
    return await asyncio.to_thread(billing, *arguments, **environment)


@dataclass
class BackedUp:
    """A server that was backed up under load and kept running, with what clients know about it."""

    url: str
    file: Path
    acknowledged: Path
    """File of the objects that were acknowledged to clients before the backup started."""
    key: str
    """Idempotency key with which a customer in the backup was created, followed by the id of that customer."""
    customer: str
    token: str
    session: str
    feed: list[str]
    cursors: list[str]
    """Event ids of that server's complete feed, followed by the cursor behind each event."""


@pytest.fixture
async def backed_up(serve: Serve, data_dir: Path, tmp_path: Path) -> BackedUp:  # noqa: F811
    served = await asyncio.to_thread(serve, "--data-dir", str(data_dir), "--renew-every", "1")
    with EmbeddedPostgres(data_dir) as postgres:
        database_url = postgres.url
        # Makes the server's transaction ids much higher than those of any new server.
        await execute(database_url, BURN)
        file, acknowledged, key = tmp_path / "first.backup", tmp_path / "acknowledged", uuid4().hex
        token = billing("keys", "create", "--name", "test", "--scope", "admin", "--data-dir", str(data_dir)).stdout
        made = await ask(served.url, CREATE, email="ada@example.com", key=key)
        customer = made["createCustomer"]["customer"]["id"]
        session = (await ask(served.url, SESSION, token.strip(), customer=customer))["createCustomerSession"]["token"]

        async with traffic(served.url) as clients:
            await clients.until_answered(100)
            before = len(clients.acknowledged)
            done = await run("backup", str(file), "--data-dir", str(data_dir))
            assert done.returncode == 0, done.stderr
            await clients.until_answered(40)
        assert clients.failed == []
        clients.write(acknowledged, before)
        assert len(clients.acknowledged) > before + 20

        events = await scalar(database_url, "SELECT count(*) FROM events")
        feed, _ = await read_feed(served.url, until=lambda found: len(found) >= events)
        cursors = await cursors_of(served.url)
        assert len(cursors) == len(feed) == events
    return BackedUp(served.url, file, acknowledged, key, customer, token.strip(), session, feed, cursors)


async def cursors_of(url: str) -> list[str]:
    found: list[str] = []
    while True:
        page = (
            await ask(
                url,
                "query ($after: String) { events(first: 100, after: $after) "
                "{ edges { cursor } pageInfo { hasNextPage } } }",
                after=found[-1] if found else None,
            )
        )["events"]
        found += [edge["cursor"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found


async def test_a_backup_under_load_is_one_instant_and_lives_on_in_another_server(
    serve: Serve,  # noqa: F811
    backed_up: BackedUp,
    data_dir: Path,
) -> None:
    manifest = read_manifest(backed_up.file)
    other = data_dir.with_name(f"{data_dir.name}-other")

    restored = await run("restore", str(backed_up.file), "--data-dir", str(other))

    assert restored.returncode == 0, restored.stderr + restored.stdout
    assert restored.stdout.count("  ok  ") == restored.stdout.count("\n") > 20
    with EmbeddedPostgres(other) as postgres:
        rows = manifest.rows | {"api_keys": manifest.rows["api_keys"] - 1}
        assert await counted(postgres.url, list(rows)) == rows
        assert manifest.rows["payments"] > 15
        # A copy must contain neither customer sessions nor rate limit buckets.
        assert await counted(postgres.url, ["rate_buckets"]) == {"rate_buckets": 0}
    verified = await run("verify", "--acknowledged", str(backed_up.acknowledged), "--data-dir", str(other))
    assert verified.returncode == 0, verified.stdout
    assert "I1  ok" in verified.stdout

    served = await asyncio.to_thread(serve, "--data-dir", str(other), "--no-renew")
    await check_feed(backed_up, served, manifest.rows["events"])
    await check_keys(backed_up, served)
    again = await run("verify", "--data-dir", str(other))
    assert again.returncode == 0, again.stdout


async def check_feed(backed_up: BackedUp, served: Served, events: int) -> None:
    """Asserts that readers can continue from any cursor without missing an event or waiting for one."""
    old = backed_up.feed
    kept, _ = await read_feed(served.url, until=lambda found: len(found) >= events)
    assert len(kept) == events
    assert kept == [event for event in old if event in set(kept)]

    made = await ask(served.url, CREATE, email="grace@example.com", key=uuid4().hex)
    customer = made["createCustomer"]["customer"]["id"]
    [new] = await new_events(served.url, backed_up.cursors[-1], customer)
    # A reader who had read everything, including lost events, finds the new event. A reader who was behind also finds
    # the events before it.
    behind = old.index(kept[-1]) - 7
    rest, _ = await read_feed(served.url, backed_up.cursors[behind], until=lambda found: new in found)
    assert rest == [*(event for event in old[behind + 1 :] if event in set(kept)), new]
    everything, _ = await read_feed(served.url, until=lambda found: new in found)
    assert everything == [*kept, new]


async def new_events(url: str, after: str, customer: str) -> list[str]:
    """Waits for events behind a cursor and returns their ids. All must belong to this customer."""
    found, _ = await read_feed(url, after, until=bool)
    page = (await ask(url, FEED, after=after))["events"]
    assert {node["objectId"] for node in page["nodes"]} == {customer}
    return found


async def check_keys(backed_up: BackedUp, served: Served) -> None:
    """Asserts that API keys still work, sessions do not, and a repeated idempotency key is replayed."""
    replayed = await ask(served.url, CREATE, email="ada@example.com", key=backed_up.key)
    assert replayed["createCustomer"]["customer"]["id"] == backed_up.customer
    await ask(served.url, "{ customers { totalCount } }", backed_up.token)
    async with httpx.AsyncClient() as client:
        headers = {"Authorization": f"Bearer {backed_up.session}"}
        refused = await client.post(f"{served.url}/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert refused.status_code == 401
