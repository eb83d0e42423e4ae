"""Fixtures for the playground and the dashboard in a real browser."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, Locator, Page, Request, Response, async_playwright, expect

from db.database import Database
from graph.schema.fields.context import Clock
from graph.server.app import create_app
from graph.settings import Settings
from tests.support import PATIENCE_SECONDS, Api, TestClock, live_of, patient

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-quic"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
PATIENCE_MS = 1000 * PATIENCE_SECONDS
expect.set_options(timeout=PATIENCE_MS)
READ = """
    name => window.__MONACO.editor.getModels().find(model => model.uri.path.endsWith(name)).getValue()
"""
WRITE = """
    ([name, text]) => window.__MONACO.editor.getModels().find(model => model.uri.path.endsWith(name)).setValue(text)
"""
# The page reads a new text after a timer of 100 ms, which was started before this one and so ends before it.
SETTLE = "new Promise(done => setTimeout(done, 300))"


@asynccontextmanager
async def listening(database: Database, clock: Clock, settings: Settings) -> AsyncIterator[str]:
    """URL of a server on a real socket."""
    app = create_app(database, settings=patient(settings), clock=clock)
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    watching = asyncio.create_task(live_of(app).run())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving
    watching.cancel()


@pytest.fixture
async def address(database: Database, clock: TestClock) -> AsyncIterator[str]:
    async with listening(database, clock, Settings()) as url:
        yield url


@pytest.fixture
async def api_at(address: str) -> AsyncIterator[Api]:
    """Client of the server at `address`."""
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_SECONDS) as client:
        yield Api(client)


class Browsed:
    """A page, with its console messages and its requests."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.sent: list[tuple[str, str | None]] = []
        """Name of each operation that was sent, with its `Authorization` header."""
        page.on("console", lambda message: self.complain(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self.note)

    def complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def note(self, request: Request) -> None:
        scheme, _, rest = request.url.partition("://")
        if scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(rest.split("/")[0])
        if request.method == "POST":
            name = json.loads(request.post_data or "").get("operationName") or "(anonymous)"
            self.sent.append((name, request.headers.get("authorization")))

    @property
    def key(self) -> Locator:
        return self.page.get_by_label("API key", exact=True)

    async def give_key(self, key: str) -> None:
        """Enters an API key, and waits until the schema was loaded with it."""
        async with self.page.expect_response(introspection):
            await self.key.fill(key)

    async def open_tab(self, title: str) -> None:
        await self.page.locator(".graphiql-tab-button", has_text=title).click()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not re.search(rf"\b{title}\b", await self.page.evaluate(READ, "operation.graphql")):
                await self.page.wait_for_timeout(50)
        await self.page.evaluate(SETTLE)

    async def write(self, name: str, text: str) -> None:
        """Replaces the text of an editor."""
        await self.page.evaluate(WRITE, [name, text])
        await self.page.evaluate(SETTLE)

    async def run_tab(self, title: str) -> Any:
        """Runs the operation of a tab. Returns the `data` that the result pane shows."""
        await self.open_tab(title)
        async with self.page.expect_response(lambda response: response.request.method == "POST") as answer:
            await self.page.locator(".graphiql-execute-button").click()
        await (await answer.value).finished()
        return await self.shown()

    async def shown(self, key: str = "data") -> Any:
        """Waits until the result pane shows `data`, or another key of a response, and returns it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while f'"{key}"' not in (text := await self.page.evaluate(READ, "response.json")):
                await self.page.wait_for_timeout(50)
        return json.loads(text)[key]

    async def variables(self, title: str) -> Any:
        """Opens a tab. Returns the input that its Variables show."""
        await self.open_tab(title)
        return json.loads(await self.page.evaluate(READ, "variables.json"))["input"]


def introspection(response: Response) -> bool:
    return "__schema" in (response.request.post_data or "")


async def open_page(address: str, page: Page) -> None:
    async with page.expect_response(introspection):
        await page.goto(f"{address}/graphql")
    await page.wait_for_selector(".graphiql-query-editor .view-line")


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is needed: apt-get install chromium")
        pytest.skip("Chromium is not installed (Debian's package: chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest.fixture
async def browsed(chromium: Browser) -> AsyncIterator[Browsed]:
    context = await chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield Browsed(await context.new_page())
    await context.close()
