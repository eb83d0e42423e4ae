"""The dashboard in a browser, as tests use it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Browsed
from tests.clients.node import installed_packages

AXE = "axe-core/axe.min.js"

# The rules of WCAG and axe's best practices, without exceptions.
VIOLATIONS = """
    async () => (await axe.run(document)).violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`
    )
"""


class Dashboard:
    """A window with the dashboard of the server at `address`."""

    def __init__(self, address: str, browsed: Browsed) -> None:
        self.address = address
        self.browsed = browsed
        self.page: Page = browsed.page

    async def open(self, path: str = "/") -> None:
        """Opens a page, and waits until nothing is loading any more."""
        await self.page.goto(f"{self.address}{path}")
        await self.settle()

    async def settle(self) -> None:
        await self.page.wait_for_load_state("networkidle")
        await expect(self.page.locator("[aria-busy=true]")).to_have_count(0)
        await expect(self.page.locator("h1")).to_be_visible()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)

    def field(self, label: str) -> Locator:
        """Returns a field of the dialog. Labels of required fields end with a star."""
        return self.dialog.get_by_role("textbox", name=re.compile(rf"^{re.escape(label)}(?: \*)?$"))

    async def fill(self, texts: Mapping[str, str]) -> None:
        """Fills in fields of the dialog, by their labels."""
        for label, text in texts.items():
            await self.field(label).fill(text)

    async def choose(self, label: str, option: str) -> None:
        """Chooses an option of a field of the dialog."""
        await (
            self.dialog.get_by_role("combobox", name=label)
            .or_(self.dialog.get_by_role("textbox", name=label))
            .first.click()
        )
        await self.page.get_by_role("option", name=option).click()

    async def submit(self, name: str) -> None:
        """Submits the dialog, and waits until it is closed."""
        await self.dialog.get_by_role("button", name=name, exact=True).click()
        await expect(self.dialog).to_have_count(0)

    async def said(self, text: str) -> None:
        """Waits for the note about an action."""
        await expect(self.page.locator(".notes")).to_contain_text(text)

    async def violations(self) -> list[str]:
        """Returns what axe finds on the page, with every rule."""
        await self.page.evaluate((installed_packages() / AXE).read_text())
        found: list[str] = await self.page.evaluate(VIOLATIONS)
        return found

    def operations(self) -> list[str]:
        """Returns the names of the operations that were sent so far, and forgets them."""
        names = [name for name, _ in self.browsed.sent]
        self.browsed.sent.clear()
        return names

    def assert_quiet(self) -> None:
        """Asserts that the console has no message, and that no other host was asked."""
        assert self.browsed.complaints == []
        assert self.browsed.hosts <= {self.address.removeprefix("http://")}


async def document_of(page: Page) -> tuple[str, Any]:
    """Returns the document and the variables that “Show as GraphQL” shows."""
    await page.get_by_role("button", name="Show as GraphQL").click()
    texts = [await page.get_by_label(label, exact=True).inner_text() for label in ("Document", "Variables")]
    return texts[0], json.loads(texts[1])
