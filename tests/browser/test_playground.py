"""The playground in a real browser: the main job by its own tabs, and no request to any other host."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Page, Request, async_playwright

from db.database import Database
from graph.app import create_app
from tests.support import TestClock

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-quic"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
PATIENCE_MS = 120_000
READ = """
    name => window.__MONACO.editor.getModels().find(model => model.uri.path.endsWith(name)).getValue()
"""


@pytest.fixture
async def address(database: Database, clock: TestClock) -> AsyncIterator[str]:
    """The address of a server on a real socket."""
    config = uvicorn.Config(create_app(database, clock=clock), port=0, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


class Browsed:
    """A page, and all it said and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
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

    async def run_tab(self, title: str) -> Any:
        """The answer that the result pane shows after the operation of a tab was run."""
        await self.page.locator(".graphiql-tab-button", has_text=title).click()
        await self.page.wait_for_timeout(300)
        async with self.page.expect_response(lambda response: response.request.method == "POST") as answer:
            await self.page.locator(".graphiql-execute-button").click()
        await (await answer.value).finished()
        return await self.shown()

    async def shown(self) -> Any:
        """The `data` that the result pane shows, once it does."""
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while '"data"' not in (text := await self.page.evaluate(READ, "response.json")):
                await self.page.wait_for_timeout(50)
        return json.loads(text)["data"]


@pytest.fixture
async def browsed(address: str) -> AsyncIterator[Browsed]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is needed: apt-get install chromium")
        pytest.skip("Chromium is not installed (Debian's package: chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        yield Browsed(page)
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
    # The trial, and every 30 days of the 351 that are left.
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
