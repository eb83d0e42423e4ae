"""The playground in a real browser: its tabs do the main job, and it sends no requests to other hosts."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Locator, Page, Request, Response, async_playwright, expect

from billing.enums import ApiKeyScope
from db.database import Database
from graph.server.app import create_app
from graph.settings import Settings
from tests.access.conftest import a_key
from tests.support import PATIENCE_SECONDS, TestClock, patient

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-quic"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
PATIENCE_MS = 1000 * PATIENCE_SECONDS
READ = """
    name => window.__MONACO.editor.getModels().find(model => model.uri.path.endsWith(name)).getValue()
"""


@asynccontextmanager
async def listening(database: Database, clock: TestClock, settings: Settings) -> AsyncIterator[str]:
    """URL of a server on a real socket."""
    app = create_app(database, settings=patient(settings), clock=clock)
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@pytest.fixture
async def address(database: Database, clock: TestClock) -> AsyncIterator[str]:
    async with listening(database, clock, Settings()) as url:
        yield url


@pytest.fixture
async def keyed_address(database: Database, clock: TestClock) -> AsyncIterator[str]:
    """Like `address`, but the server requires API keys."""
    async with listening(database, clock, Settings(requires_key=True)) as url:
        yield url


@pytest.fixture
async def token(database: Database, clock: TestClock) -> str:
    return (await a_key(database, clock, ApiKeyScope.ADMIN)).token


@pytest.fixture
async def other_token(database: Database, clock: TestClock) -> str:
    return (await a_key(database, clock, ApiKeyScope.ADMIN)).token


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
            name = json.loads(request.post_data or "")["operationName"]
            self.sent.append((name, request.headers.get("authorization")))

    @property
    def key(self) -> Locator:
        return self.page.get_by_label("API key", exact=True)

    async def give_key(self, key: str) -> None:
        """Enters an API key, and waits until the schema was loaded with it."""
        async with self.page.expect_response(introspection):
            await self.key.fill(key)

    async def run_tab(self, title: str) -> Any:
        """Runs the operation of a tab. Returns the `data` that the result pane shows."""
        await self.page.locator(".graphiql-tab-button", has_text=title).click()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not re.search(rf"\b{title}\b", await self.page.evaluate(READ, "operation.graphql")):
                await self.page.wait_for_timeout(50)
        # The page reads a new text after a timer of 100 ms, which was started before this one and so ends before it.
        await self.page.evaluate("new Promise(done => setTimeout(done, 300))")
        async with self.page.expect_response(lambda response: response.request.method == "POST") as answer:
            await self.page.locator(".graphiql-execute-button").click()
        await (await answer.value).finished()
        return await self.shown()

    async def shown(self) -> Any:
        """Waits until the result pane shows `data`, and returns it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while '"data"' not in (text := await self.page.evaluate(READ, "response.json")):
                await self.page.wait_for_timeout(50)
        return json.loads(text)["data"]


def introspection(response: Response) -> bool:
    return "__schema" in (response.request.post_data or "")


@pytest.fixture
async def browsed(address: str) -> AsyncIterator[Browsed]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is needed: apt-get install chromium")
        pytest.skip("Chromium is not installed (Debian's package: chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        context = await browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        yield Browsed(await context.new_page())
        await browser.close()


async def test_the_tabs_of_the_playground_do_the_main_job(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")
    await browsed.page.wait_for_load_state("networkidle")

    customer = await browsed.run_tab("CreateCustomer")
    plan = await browsed.run_tab("CreatePlan")
    subscription = await browsed.run_tab("CreateSubscription")
    nested = await browsed.run_tab("Customers")
    payment = await browsed.run_tab("RecordPayment")
    again = await browsed.run_tab("CreateCustomer")

    assert customer["createCustomer"]["userErrors"] == []
    assert plan["createPlan"]["userErrors"] == []
    made = subscription["createSubscription"]
    assert made["userErrors"] == []
    assert made["invoice"]["status"] == "OPEN"
    assert made["invoice"]["amountCents"] == plan["createPlan"]["plan"]["amountCents"]
    [found] = nested["customers"]["nodes"]
    assert found["id"] == customer["createCustomer"]["customer"]["id"]
    [invoice] = found["subscriptions"]["nodes"][0]["invoices"]["nodes"]
    assert invoice["number"] == made["invoice"]["number"]
    [allocation] = payment["recordPayment"]["payment"]["allocations"]
    assert allocation["invoice"] == {"number": invoice["number"], "status": "PAID", "amountDueCents": 0}
    assert [error["code"] for error in again["createCustomer"]["userErrors"]] == ["EMAIL_TAKEN"]
    assert browsed.hosts == {address.removeprefix("http://")}
    assert browsed.complaints == []


async def test_the_tabs_of_the_playground_let_a_year_go_by(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")
    await browsed.page.wait_for_load_state("networkidle")

    await browsed.run_tab("CreatePlan")
    await browsed.run_tab("CreateTestClock")
    await browsed.run_tab("CreateTestCustomer")
    subscription = await browsed.run_tab("CreateTestSubscription")
    year = await browsed.run_tab("AdvanceTestClock")

    assert subscription["createSubscription"]["subscription"]["status"] == "TRIALING"
    clock = year["advanceTestClock"]["testClock"]
    assert (clock["status"], clock["frozenAt"]) == ("READY", "2027-01-31T00:00:00Z")
    [customer] = clock["customers"]["nodes"]
    assert customer["subscription"]["status"] == "PAST_DUE"
    # The trial, and every 30 days of the remaining 351.
    assert [invoice["amountCents"] for invoice in customer["invoices"]["nodes"]] == [0, *[5800] * 12]
    assert browsed.complaints == []


async def test_the_first_tab_runs_without_a_click_on_it(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")
    await browsed.page.wait_for_load_state("networkidle")

    await browsed.page.locator(".graphiql-execute-button").click()

    assert (await browsed.shown())["createCustomer"]["userErrors"] == []


async def test_the_explorer_and_the_documentation_open(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")

    await browsed.page.get_by_role("button", name="Show Documentation Explorer").click()
    await browsed.page.wait_for_selector(".graphiql-plugin >> text=Query")
    await browsed.page.get_by_role("button", name="Show GraphiQL Explorer").click()
    await browsed.page.wait_for_selector(".graphiql-plugin >> text=createCustomer")

    assert browsed.complaints == []


async def test_the_documentation_opens_with_what_the_schema_says_of_itself(address: str, browsed: Browsed) -> None:
    await open_page(address, browsed.page)

    await browsed.page.get_by_role("button", name="Show Documentation Explorer").click()

    await expect(browsed.page.locator(".graphiql-plugin")).to_contain_text("Subscription billing: customers, plans")


async def test_the_sign_between_quantity_and_plan_is_not_marked(address: str, browsed: Browsed) -> None:
    """Monaco highlights × as a character that could be confused with x."""
    await open_page(address, browsed.page)
    await browsed.page.evaluate(WRITE, "# 2 × Pro")
    await expect(browsed.page.locator(".graphiql-query-editor .view-line", has_text="2 × Pro")).to_be_visible()

    await browsed.page.wait_for_function(UNMARKED)


WRITE = """
    text => window.__MONACO.editor.getModels().find(each => each.uri.path.endsWith('.graphql')).setValue(text)
"""
UNMARKED = """
    () => {
        const editors = window.__MONACO.editor.getEditors()
        return editors.length >= 3 &&
            editors.every(each => each.getRawOptions().unicodeHighlight?.ambiguousCharacters === false)
    }
"""


async def test_a_narrow_window_has_room_for_a_query_and_its_answer(address: str, browsed: Browsed) -> None:
    await browsed.page.set_viewport_size({"width": 800, "height": 700})
    await open_page(address, browsed.page)
    await browsed.page.get_by_role("button", name="Show Documentation Explorer").click()

    sizes = {
        name: await browsed.page.locator(f"{name} .monaco-editor").first.bounding_box()
        for name in (".graphiql-query-editor", ".graphiql-editor-tool", ".result-window")
    }

    for name, size in sizes.items():
        assert size is not None
        assert (size["width"] > 350, size["height"] > 80) == (True, True), (name, size)
    assert await browsed.page.evaluate("document.documentElement.scrollWidth") == 800


async def open_page(address: str, page: Page) -> None:
    async with page.expect_response(introspection):
        await page.goto(f"{address}/graphql")
    await page.wait_for_selector(".graphiql-query-editor .view-line")


async def test_a_key_goes_with_every_request_until_it_is_cleared(address: str, browsed: Browsed, token: str) -> None:
    await open_page(address, browsed.page)
    await browsed.give_key(token)
    await browsed.run_tab("CreatePlan")
    async with browsed.page.expect_response(introspection):
        await browsed.page.get_by_role("button", name="Clear API key").click()
    await expect(browsed.key).to_be_focused()
    await browsed.run_tab("Customers")

    assert browsed.sent == [
        ("IntrospectionQuery", None),
        ("IntrospectionQuery", f"Bearer {token}"),
        ("CreatePlan", f"Bearer {token}"),
        ("IntrospectionQuery", None),
        ("Customers", None),
    ]
    assert await browsed.page.evaluate("sessionStorage.length") == 0
    assert browsed.complaints == []


async def test_a_key_lives_as_long_as_its_tab_and_is_kept_nowhere_else(
    address: str, browsed: Browsed, token: str
) -> None:
    await open_page(address, browsed.page)
    await browsed.give_key(token)
    await browsed.run_tab("CreatePlan")

    browsed.sent.clear()
    async with browsed.page.expect_response(introspection):
        await browsed.page.reload()
    await expect(browsed.key).to_have_value(token)
    assert browsed.sent == [("IntrospectionQuery", f"Bearer {token}")]

    other = Browsed(await browsed.page.context.new_page())
    await open_page(address, other.page)
    await expect(other.key).to_have_value("")
    assert other.sent == [("IntrospectionQuery", None)]
    # Neither the history of requests nor any other storage that outlives the tab.
    assert token not in await browsed.page.evaluate("JSON.stringify(localStorage) + document.cookie")


async def test_an_authorization_among_the_headers_goes_before_the_key(
    address: str, browsed: Browsed, token: str, other_token: str
) -> None:
    await open_page(address, browsed.page)
    await browsed.give_key(token)

    await browsed.page.locator(".graphiql-editor-tools button", has_text="Headers").click()
    await browsed.page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden)").click()
    await browsed.page.keyboard.insert_text(json.dumps({"authorization": f"Bearer {other_token}"}))
    await browsed.page.locator(".graphiql-execute-button").click()
    await browsed.shown()

    assert browsed.sent[-1] == ("CreateCustomer", f"Bearer {other_token}")


async def test_a_server_that_wants_a_key_has_the_page_say_so(keyed_address: str, browsed: Browsed, token: str) -> None:
    notice = browsed.page.get_by_role("status")
    await open_page(keyed_address, browsed.page)

    await expect(notice).to_have_text("This server wants an API key. Enter one below.")
    await browsed.give_key(token[:-2])
    await expect(notice).to_have_text("The server refuses this API key.")
    await browsed.key.clear()
    await browsed.give_key(token)
    await expect(notice).to_be_empty()

    assert "UNAUTHENTICATED" not in await browsed.page.evaluate(READ, "response.json")
    await browsed.page.get_by_role("button", name="Show Documentation Explorer").click()
    await browsed.page.wait_for_selector(".graphiql-plugin >> text=Mutation")
    assert (await browsed.run_tab("CreatePlan"))["createPlan"]["userErrors"] == []
