"""Live streams while servers are restarted and killed, through PgBouncer, and over a restored database.

Each client goes on after the last event that it received, and must get every event exactly once, in the order of the
feed.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from db.database import Database
from graph.server.app import create_app, wall_clock
from tests.cli.conftest import billing
from tests.faults.processes import Server, Servers, children_of
from tests.faults.test_backup_files import backup, source  # noqa: F401 - fixtures
from tests.faults.test_pgbouncer import pgbouncer, through  # noqa: F401 - a fixture
from tests.live.conftest import Client, streaming
from tests.support import PATIENCE_SECONDS, Api, events_settle, patient

STREAM = "subscription ($after: String) { events(after: $after) { cursor node { id } } }"
FEED = "query ($after: String) { events(first: 100, after: $after) { edges { cursor node { id } } } }"
CLOSED = (ConnectionClosed, InvalidHandshake, OSError, EOFError, httpx.TransportError)
"""The errors of a client whose server stops, or that finds none."""


class Follower:
    """A client that reads the feed from a cursor on, from one of several servers, until it is stopped."""

    def __init__(self, urls: Sequence[str], cursor: str, *, number: int) -> None:
        self.cursor = cursor
        self.got: list[str] = []
        self.codes: list[int | None] = []
        """Close codes of its WebSockets."""
        self.interruptions = 0
        self._urls = itertools.cycle([*urls[number % len(urls) :], *urls[: number % len(urls)]])
        self._follow = self._by_websocket if number % 4 < 2 else self._by_events

    async def run(self) -> None:
        while True:
            with suppress(*CLOSED):
                await self._follow(next(self._urls).removeprefix("http://"))
            self.interruptions += 1
            await asyncio.sleep(0.05)

    async def _by_websocket(self, address: str) -> None:
        async with connect(f"ws://{address}/graphql", subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
            client = Client(socket)
            await client.begin()
            await client.subscribe(query=STREAM, after=self.cursor)
            try:
                while True:
                    self._take(await client.event())
            except ConnectionClosed:
                self.codes.append(socket.close_code)

    async def _by_events(self, address: str) -> None:
        async with streaming(address, STREAM, after=self.cursor) as results:
            async for result in results:
                self._take(result["data"]["events"])

    def _take(self, edge: dict[str, Any]) -> None:
        self.got.append(edge["node"]["id"])
        self.cursor = edge["cursor"]


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with client_of(database) as found:
        yield found


@asynccontextmanager
async def client_of(database: Database) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(create_app(database, settings=patient(), clock=wall_clock))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Api(client)


async def cursor_of(api: Api) -> str:
    cursor: str = (await api("{ eventsCursor }"))["eventsCursor"]
    return cursor


@asynccontextmanager
async def changing(api: Api) -> AsyncIterator[None]:
    """Makes events until the end of the block."""

    async def change() -> None:
        while True:
            await api.a_subscription()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(change())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_after(api: Api, cursor: str, database: Database) -> list[str]:
    """Returns the ids of all events after a cursor."""
    await events_settle(database)
    found: list[str] = []
    while edges := (await api(FEED, after=cursor))["events"]["edges"]:
        found += [edge["node"]["id"] for edge in edges]
        cursor = edges[-1]["cursor"]
    return found


async def until_all_have(followers: Sequence[Follower], expected: Sequence[str]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(len(each.got) < len(expected) for each in followers):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [each.got == expected for each in followers] == [True] * len(followers)


@asynccontextmanager
async def following(urls: Sequence[str], cursor: str, number: int) -> AsyncIterator[list[Follower]]:
    """Runs clients. Half of them use WebSockets, the others server-sent events."""
    followers = [Follower(urls, cursor, number=each) for each in range(number)]
    tasks = [asyncio.create_task(each.run()) for each in followers]
    try:
        yield followers
    finally:
        failures = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert failures == []


async def more(followers: Sequence[Follower]) -> None:
    """Waits until each client has got more events than now."""
    before = [len(each.got) for each in followers]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while any(len(each.got) <= count for each, count in zip(followers, before, strict=True)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_open_streams_lose_nothing_while_two_servers_are_restarted_in_turn(
    api: Api, database: Database, database_url: str, servers: Servers
) -> None:
    pair = [await servers.start(DATABASE_URL=database_url) for _ in range(2)]
    start = await cursor_of(api)
    async with following([server.url for server in pair], start, 8) as followers:
        async with changing(api):
            await more(followers)
            for server in pair:
                await restarted(server)
                await more(followers)
        await until_all_have(followers, await all_after(api, start, database))

    codes = [code for each in followers for code in each.codes]
    assert codes, "some used a server that was restarted"
    assert set(codes) == {1012}, "clients reconnect after this code"
    assert any(each.interruptions for each in followers if not each.codes), "so do those of server-sent events"


async def restarted(server: Server) -> None:
    server.send(signal.SIGTERM)
    assert await server.ended() == 0
    server.start()
    await server.ready()


async def test_streams_of_several_workers_outlive_a_worker_that_is_killed(
    api: Api, database: Database, database_url: str, servers: Servers
) -> None:
    server = await servers.start("--workers", "2", DATABASE_URL=database_url)
    start = await cursor_of(api)
    async with following([server.url], start, 12) as followers:
        async with changing(api):
            await more(followers)
            for worker in children_of(server.pid):
                os.kill(worker, signal.SIGKILL)
                await more(followers)
        await until_all_have(followers, await all_after(api, start, database))

    assert any(each.interruptions for each in followers)


async def test_streams_through_pgbouncer(
    api: Api,
    database: Database,
    database_url: str,
    pgbouncer: int,  # noqa: F811
    servers: Servers,
) -> None:
    url = through(pgbouncer, database_url)
    server = await servers.start(DATABASE_URL=url, BILLING_PGBOUNCER="on")
    start = await cursor_of(api)
    async with following([server.url], start, 8) as followers:
        async with changing(api):
            for _ in range(5):
                await more(followers)
        await until_all_have(followers, await all_after(api, start, database))

    assert not any(each.interruptions for each in followers)


async def test_a_stream_goes_on_in_a_restored_database(
    backup: Path,  # noqa: F811
    source: str,  # noqa: F811
    empty_database_url: str,
    servers: Servers,
) -> None:
    """Its cursor is from the database that was copied, and from after the copy was taken."""
    copied, restored = Database(source), Database(empty_database_url)
    try:
        async with client_of(copied) as api:
            await api.a_plan()
            await events_settle(copied)
            cursor = await cursor_of(api)
        assert billing("restore", str(backup), DATABASE_URL=empty_database_url).returncode == 0
        server = await servers.start(DATABASE_URL=empty_database_url, BILLING_RENEW="off")
        async with client_of(restored) as api, following([server.url], cursor, 2) as followers:
            for _ in range(3):
                await api.a_subscription()
            expected = await all_after(api, cursor, restored)
            assert len(expected) == 15
            await until_all_have(followers, expected)
    finally:
        await copied.close()
        await restored.close()
