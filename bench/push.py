"""Webhooks and live streams under load: how late they are, what they cost, and how much one of each keeps up with."""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from aiohttp import web
from websockets.asyncio.client import connect

from bench.database import BILLING
from bench.measuring import percentile
from bench.operations import operation_of
from bench.processes import resident_bytes, used_by
from bench.renewals import fill as fill_due
from bench.report import save
from bench.trials import Trial, trial
from db.database import Database
from graph.server.websocket import PROTOCOL

RATE = 200
"""Number of events per second."""
SECONDS = 20
STREAMS = 100
BACKLOG = 5_000
DUE = 20_000
DOWN_SECONDS = 60

MOST_LAG_SECONDS = 2.0
MOST_SLOWDOWN = 2.0

SUBSCRIPTION = "subscription ($after: String) { events(after: $after) { cursor node { objectId version type } } }"

WRITE = """
WITH changed AS (
  UPDATE customers SET version = version + 1, updated_at = now() WHERE id = $1 RETURNING id, version
)
INSERT INTO events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at, recorded_at)
SELECT uuidv7(), id, 'CUSTOMER_UPDATED', 'CUSTOMER', id, version, 'bench', '{name}', now(), now() FROM changed
RETURNING object_id::text, version
"""
"""Changes a customer, with its event, as `updateCustomer` does."""


async def write(url: str, number: int, rate: float) -> None:
    """Makes events at a steady rate. Prints for each its object, its version and the time of its commit."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
    customers = [row["id"] for row in await connection.fetch("SELECT id FROM customers ORDER BY id LIMIT 200")]
    began = time.time()
    for index in range(number):
        await asyncio.sleep(max(0.0, began + index / rate - time.time()))
        row = await connection.fetchrow(WRITE, customers[index % len(customers)])
        assert row is not None, "the customer exists"
        print(row["object_id"], row["version"], time.time(), flush=True)
    await connection.close()


@dataclass
class Seen:
    """When each event arrived, by its object and version.

    Messages are parsed later, because parsing would delay the next ones.
    """

    messages: list[tuple[float, str | bytes]] = field(default_factory=list)
    _read: int = 0
    _at: dict[tuple[str, int], float] = field(default_factory=dict)
    _order: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def note(self, message: str | bytes) -> None:
        self.messages.append((time.time(), message))

    @property
    def at(self) -> dict[tuple[str, int], float]:
        """The time of the first arrival."""
        self._read_messages()
        return self._at

    @property
    def order(self) -> dict[str, list[int]]:
        """The versions of each object, in the order in which they arrived."""
        self._read_messages()
        return self._order

    def _read_messages(self) -> None:
        for at, text in self.messages[self._read :]:
            message = json.loads(text)
            node = message["data"] if "data" in message else message["payload"]["data"]["events"]["node"]
            object_id, version = node["objectId"], node["version"]
            self._order[object_id].append(version)
            self._at.setdefault((object_id, version), at)
        self._read = len(self.messages)


@asynccontextmanager
async def receiver(seen: Seen, port: int = 0) -> AsyncIterator[str]:
    """Yields the URL of a receiver of webhooks."""

    async def receive(request: web.Request) -> web.Response:
        seen.note(await request.read())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


class Bench:
    """The server, as this bench uses it."""

    def __init__(self, here: Trial) -> None:
        self.here = here
        self.url = f"127.0.0.1:{here.server.port}"
        self.http = httpx.AsyncClient(base_url=f"http://{self.url}", headers=here.server.headers, timeout=60)

    async def ask(self, query: str, **variables: Any) -> Any:
        answer = (await self.http.post("/graphql", json={"query": query, "variables": variables})).json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def endpoint(self, url: str) -> str:
        made = await self.ask(
            "mutation ($url: String!) { createWebhookEndpoint(input: {url: $url}) {"
            " webhookEndpoint { id } userErrors { message } } }",
            url=url,
        )
        found: str = made["createWebhookEndpoint"]["webhookEndpoint"]["id"]
        return found

    async def do(self, mutation: str, endpoint: str) -> None:
        document = f"mutation ($id: ID!) {{ {mutation}(input: {{id: $id}}) {{ userErrors {{ message }} }} }}"
        await self.ask(document, id=endpoint)

    def writer(self, number: int, rate: float = RATE) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "bench.push", self.here.database.url, str(number), str(rate)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    async def written(self, number: int, rate: float = RATE) -> dict[tuple[str, int], float]:
        """Makes events. Returns the time of each commit, by object and version."""
        process = self.writer(number, rate)
        output, _ = await asyncio.to_thread(process.communicate)
        lines = (line.split() for line in output.splitlines())
        return {(object_id, int(version)): float(at) for object_id, version, at in lines}

    def cpu_seconds(self) -> float:
        return (used_by(self.here.server.pid) or 0) / 1e9

    @asynccontextmanager
    async def streams(self, number: int, seens: Sequence[Seen], after: str | None = None) -> AsyncIterator[None]:
        """Opens streams, each of which notes its events."""
        opened = [asyncio.create_task(self._follow(seens[each], after)) for each in range(number)]
        await asyncio.sleep(2)
        try:
            yield
        finally:
            for task in opened:
                task.cancel()
            await asyncio.gather(*opened, return_exceptions=True)

    async def _follow(self, seen: Seen, after: str | None) -> None:
        options: dict[str, Any] = {"subprotocols": [PROTOCOL], "compression": None}
        async with connect(f"ws://{self.url}/graphql", **options) as socket:
            payload = {"Authorization": self.here.server.headers["Authorization"]}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            subscribe = {"query": SUBSCRIPTION, "variables": {"after": after}}
            await socket.recv()
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": subscribe}))
            async for text in socket:
                if '"type":"next"' in str(text):
                    seen.note(text)

    async def nested_ms(self, seconds: float) -> float:
        """Returns the median time of the nested query in milliseconds, one after the other."""
        operation = operation_of("nested")
        variables = operation.variables(self.here.bench.subjects)[0]
        times = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.perf_counter()
            await self.ask(operation.document, **variables)
            times.append((time.perf_counter() - began) * 1000)
        return statistics.median(times)


async def arrived(seens: Sequence[Seen], expected: int, seconds: float = 120) -> None:
    """Waits until each has seen this many events. Exits if they do not come."""
    until = time.monotonic() + seconds
    while any(len(seen.messages) < expected or len(seen.at) < expected for seen in seens):
        if time.monotonic() > until:
            sys.exit(f"Only {min(len(seen.at) for seen in seens)} of {expected} events arrived.")
        await asyncio.sleep(0.1)


def lags(seens: Sequence[Seen], written: dict[tuple[str, int], float]) -> dict[str, float]:
    late = sorted(seen.at[event] - at for seen in seens for event, at in written.items())
    return {name: round(percentile(late, share), 3) for name, share in (("p50", 50), ("p95", 95), ("max", 100))}


async def measured(bench: Bench) -> dict[str, Any]:
    number = RATE * SECONDS
    found: dict[str, Any] = {"nested_alone_ms": round(await bench.nested_ms(5), 2)}
    show(found)

    seen = Seen()
    async with receiver(seen) as url:
        endpoint = await bench.endpoint(url)
        before = bench.cpu_seconds()
        written = await bench.written(number)
        await arrived([seen], number)
        found["webhook_lag_seconds"] = lags([seen], written)
        found["webhook_cpu_ms"] = round(1000 * (bench.cpu_seconds() - before) / number, 3)
        show(found)

        await bench.do("disableWebhookEndpoint", endpoint)
        await bench.written(BACKLOG, rate=100_000)
        began = time.monotonic()
        await bench.do("enableWebhookEndpoint", endpoint)
        await arrived([seen], number + BACKLOG)
        found["webhooks_per_second"] = round(BACKLOG / (time.monotonic() - began))
        await bench.do("disableWebhookEndpoint", endpoint)
    show(found)

    start = (await bench.ask("{ eventsCursor }"))["eventsCursor"]
    seens = [Seen() for _ in range(STREAMS)]
    async with bench.streams(STREAMS, seens):
        before = bench.cpu_seconds()
        written = await bench.written(number)
        await arrived(seens, number)
        found["stream_lag_seconds"] = lags(seens, written)
        found["stream_cpu_ms_per_event"] = round(1000 * (bench.cpu_seconds() - before) / number, 3)
        found["stream_cpu_ms_per_event_and_stream"] = round(found["stream_cpu_ms_per_event"] / STREAMS, 4)
    show(found)
    alone = Seen()
    async with bench.streams(1, [alone], start):
        await arrived([alone], number)
        found["one_stream_events_per_second"] = round(number / (max(alone.at.values()) - min(alone.at.values())))
    show(found)

    seen, seens = Seen(), [Seen() for _ in range(STREAMS)]
    async with receiver(seen) as url, bench.streams(STREAMS, seens):
        endpoint = await bench.endpoint(url)
        writing = asyncio.create_task(bench.written(number))
        await asyncio.sleep(1)
        found["nested_beside_ms"] = round(await bench.nested_ms(SECONDS - 3), 2)
        written = await writing
        await arrived([seen, *seens], number)
        found["together"] = {"webhook": lags([seen], written), "streams": lags(seens, written)}
        await bench.do("disableWebhookEndpoint", endpoint)
    show(found)
    return found


COUNT = """
SELECT count(*) FROM events AS e, webhook_progress AS p
WHERE p.endpoint_id = $1 AND (e.xid, e.position) > (p.xid, p.position) AND e.object_type <> 'WEBHOOK_ENDPOINT'
"""
ADDED = "SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = $1"


async def outage(bench: Bench) -> dict[str, Any]:
    """Renews subscriptions while the endpoint is down for a minute. Exits unless everything arrives in order."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    database = Database(bench.here.database.url)
    await fill_due(database, DUE)
    await database.close()
    endpoint = await bench.endpoint(f"http://127.0.0.1:{port}/")
    memory = [resident_bytes(bench.here.server.pid)]
    began = time.monotonic()
    renewing = await asyncio.create_subprocess_exec(
        *(*BILLING, "renew"),
        env={**os.environ, "DATABASE_URL": bench.here.database.url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while renewing.returncode is None or time.monotonic() < began + DOWN_SECONDS:
        await asyncio.sleep(0.5)
        memory.append(resident_bytes(bench.here.server.pid))
    connection = await asyncpg.connect(bench.here.database.url.replace("postgresql+asyncpg", "postgresql"))
    expected = await connection.fetchval(COUNT, UUID(endpoint)) + await connection.fetchval(ADDED, UUID(endpoint))
    seen = Seen()
    back, up_again = time.monotonic(), time.time()
    async with receiver(seen, port):
        while len(seen.messages) < expected or len(seen.at) < expected:
            await asyncio.sleep(0.5)
            memory.append(resident_bytes(bench.here.server.pid))
            if time.monotonic() > back + 900:
                sys.exit(f"Only {len(seen.at)} of {expected} messages arrived.")
    await connection.close()
    late = sorted(at - up_again for at in seen.at.values())
    wrong = sum(firsts(versions) != sorted(firsts(versions)) for versions in seen.order.values())
    if wrong:
        sys.exit(f"The versions of {wrong} objects arrived out of order.")
    return {
        "messages": expected,
        "seconds_after_the_outage": {
            name: round(percentile(late, share), 1)
            for name, share in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))
        },
        "megabytes": {"before": round(memory[0] / 1e6), "most": round(max(memory) / 1e6)},
    }


def firsts(versions: Sequence[int]) -> list[int]:
    """Returns the versions of an object, each at its first arrival."""
    return list(dict.fromkeys(versions))


def show(found: dict[str, Any]) -> None:
    name, value = list(found.items())[-1]
    print(f"{name:<36}{value}", flush=True)


def push(name: str) -> None:
    """Measures webhooks and live streams. Exits if they are too late, or if queries become too slow."""

    async def run(here: Trial) -> dict[str, Any]:
        bench = Bench(here)
        async with bench.http:
            found = await measured(bench)
            found["after_an_outage"] = await outage(bench)
            show(found)
            return found

    with trial(subscribers=1) as here:
        found = asyncio.run(run(here))
        facts = here.facts
    print(save(f"{name}-push", facts, **found))
    if found["webhook_lag_seconds"]["max"] > MOST_LAG_SECONDS:
        sys.exit(f"A webhook was more than {MOST_LAG_SECONDS:g} s late.")
    if found["nested_beside_ms"] > MOST_SLOWDOWN * found["nested_alone_ms"]:
        sys.exit(f"The nested query took more than {MOST_SLOWDOWN:g} times as long.")


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
