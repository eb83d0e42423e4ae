"""Makes screenshots of each page of the dashboard, in light, in dark, and on a phone: `./dev screenshots [FOLDER]`.

They are of a new database with demo data. Look at them after a change of the dashboard.
"""

import argparse
import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import httpx
from playwright.async_api import Page, async_playwright

from db.database import Database
from db.embedded import EmbeddedPostgres
from db.migrations import migrate
from graph.server.app import wall_clock
from graph.settings import Settings
from tests.browser.conftest import CHROMIUM, FLAGS, Browsed, listening
from tests.browser.dashboard import Dashboard
from tests.support import Api

LOOKS: dict[str, tuple[Literal["light", "dark"], int, int]] = {
    "light": ("light", 1440, 900),
    "dark": ("dark", 1440, 900),
    "phone": ("light", 390, 844),
}
"""Color scheme, width and height of the window, by the name that the files end with."""

FILL = "mutation { createDemoData(input: {customers: 120}) { customers userErrors { message } } }"
SHOWN = """{
  customers(filter: {subscriptionStatus: [ACTIVE]}, first: 1) { nodes { id } }
  invoices(filter: {status: [OPEN]}, first: 1) { nodes { id } }
}"""


async def pages(api: Api) -> dict[str, str]:
    """Returns the addresses of all pages by name."""
    data = await api(SHOWN)
    [customer], [invoice] = data["customers"]["nodes"], data["invoices"]["nodes"]
    return {
        "overview": "/",
        "customers": "/customers",
        "customer": f"/customers/{customer['id']}",
        "customer-payments": f"/customers/{customer['id']}?tab=payments",
        "invoices": "/invoices",
        "invoice": f"/invoices/{invoice['id']}",
        **{name: f"/{name}" for name in ("plans", "coupons", "runs", "webhooks", "keys", "settings")},
    }


async def change_plan(page: Page) -> None:
    """Opens the dialog in which a person compares two plans."""
    await page.get_by_role("button", name="Change plan").click()
    await page.get_by_role("textbox", name="Quantity").fill("20")
    await page.wait_for_timeout(1500)


async def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as data, EmbeddedPostgres(Path(data) / "postgres") as postgres:
        await migrate(postgres.url)
        database = Database(postgres.url)
        async with (
            listening(database, wall_clock, Settings()) as url,
            httpx.AsyncClient(base_url=url, timeout=60) as client,
        ):
            api = Api(client)
            await shoot(url, folder, {"first-steps": "/"})
            await api(FILL)
            await shoot(url, folder, await pages(api))
        await database.close()


async def shoot(url: str, folder: Path, paths: dict[str, str]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        for look, (scheme, width, height) in LOOKS.items():
            context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            dashboard = Dashboard(url, Browsed(await context.new_page()))
            for name, path in paths.items():
                await dashboard.open(path)
                await dashboard.page.wait_for_timeout(500)
                await dashboard.page.screenshot(path=folder / f"{name}-{look}.png", full_page=look == "phone")
                if name == "customer":
                    await change_plan(dashboard.page)
                    await dashboard.page.screenshot(path=folder / f"change-plan-{look}.png")
            await context.close()
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev screenshots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"))
    asyncio.run(make(parser.parse_args().folder))
