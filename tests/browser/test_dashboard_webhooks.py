"""Webhook endpoints and their messages in the dashboard, by clicks."""

from collections.abc import AsyncIterator
from typing import Literal

import httpx
import pytest
from playwright.async_api import expect

from db.database import Database
from graph.settings import Settings
from tests.browser.conftest import Browsed, listening
from tests.browser.dashboard import Dashboard
from tests.support import PATIENCE_SECONDS, Api, TestClock
from tests.webhooks.conftest import delivering
from tests.webhooks.receiver import receiving


@pytest.fixture
async def local(database: Database, clock: TestClock, browsed: Browsed) -> AsyncIterator[Dashboard]:
    """The dashboard of a server that may send webhooks to private addresses."""
    async with listening(database, clock, Settings(webhook_private_targets=True)) as url:
        yield Dashboard(url, browsed)


async def test_an_endpoint_is_created_tested_replayed_and_deleted(
    local: Dashboard, database: Database, clock: TestClock
) -> None:
    page = local.page
    async with receiving() as receiver:
        await local.open("/webhooks")
        await expect(page.get_by_text("No webhook endpoints yet")).to_be_visible()

        await local.button("New endpoint").click()
        await local.fill({"URL": "ftp://example.com", "Description": "The shop"})
        await local.dialog.get_by_role("button", name="Create endpoint").click()
        await expect(local.field("URL")).to_have_attribute("aria-invalid", "true")
        await local.fill({"URL": f"{receiver.url}/hooks"})
        await (
            local.dialog.get_by_role("combobox", name="Events")
            .or_(local.dialog.get_by_role("textbox", name="Events"))
            .first.fill("invoice paid")
        )
        await page.get_by_role("option", name="Invoice paid").click()
        await page.keyboard.press("Escape")
        await local.dialog.get_by_role("button", name="Create endpoint").click()
        secret = await page.get_by_label("Secret", exact=True).inner_text()
        assert secret.startswith("whsec_")
        await local.button("I have copied it").click()
        await expect(local.row(receiver.url)).to_contain_text("1 type")

        await page.get_by_role("link", name=receiver.url).click()
        await expect(page.get_by_text("No messages yet")).to_be_visible()
        await local.button("Send test").click()
        await local.submit("Send")
        async with delivering(database, clock):
            await receiver.wait(1)
            await page.wait_for_timeout(300)
            await page.evaluate("window.dispatchEvent(new Event('focus'))")
            await expect(local.row("Test")).to_contain_text("Succeeded")
            await local.button("Show the message Test").click()
            await expect(page.get_by_label("Message", exact=True)).to_contain_text('"type": "TEST"')
            await page.keyboard.press("Escape")

            await local.button("Send again").click()
            await local.submit("Send again")
            await receiver.wait(2)
        assert receiver.got[0].id == receiver.got[1].id
    local.assert_quiet()


async def test_an_endpoint_is_disabled_enabled_rotated_edited_and_deleted(local: Dashboard) -> None:
    page = local.page
    async with httpx.AsyncClient(base_url=local.address, timeout=PATIENCE_SECONDS) as client:
        made = await Api(client).mutate(
            "createWebhookEndpoint", "webhookEndpoint { id } secret", url="http://127.0.0.1:9/hooks"
        )
    await local.open(f"/webhooks/{made['webhookEndpoint']['id']}")

    await local.button("More actions").click()
    await page.get_by_role("menuitem", name="Disable").click()
    await local.submit("Disable")
    await expect(page.get_by_text("Somebody disabled it.")).to_be_visible()
    await local.button("Enable").click()
    await local.submit("Enable")
    await expect(page.get_by_text("Somebody disabled it.")).to_have_count(0)

    await local.button("More actions").click()
    await page.get_by_role("menuitem", name="New secret").click()
    await local.dialog.get_by_role("button", name="Create secret").click()
    assert await page.get_by_label("Secret", exact=True).inner_text() != made["secret"]
    await local.button("I have copied it").click()

    await local.button("Edit").click()
    await local.fill({"Description": "The new shop"})
    await local.submit("Save")
    await expect(page.get_by_text("The new shop")).to_be_visible()

    await local.button("More actions").click()
    await page.get_by_role("menuitem", name="Delete").click()
    await local.submit("Delete")
    await expect(page.get_by_text("No webhook endpoints yet")).to_be_visible()
    local.assert_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_are_accessible(local: Dashboard, scheme: Literal["light", "dark"]) -> None:
    page = local.page
    async with httpx.AsyncClient(base_url=local.address, timeout=PATIENCE_SECONDS) as client:
        api = Api(client)
        made = await api.mutate(
            "createWebhookEndpoint", "webhookEndpoint { id }", url=f"http://127.0.0.1:9/{'x' * 300}", description="Shop"
        )
        endpoint = made["webhookEndpoint"]["id"]
        await api.mutate("sendTestWebhook", "webhookDelivery { id }", id=endpoint)
    await page.emulate_media(color_scheme=scheme)
    found = {}

    for path in ("/webhooks", f"/webhooks/{endpoint}"):
        await local.open(path)
        found[path] = await local.violations()
    await local.button("Edit").click()
    await expect(local.dialog).to_be_visible()
    await page.wait_for_timeout(400)
    found["dialog"] = await local.violations()
    await page.keyboard.press("Escape")
    await local.button("Show the message Test").click()
    await expect(local.dialog).to_be_visible()
    await page.wait_for_timeout(400)
    found["message"] = await local.violations()

    assert {name: problems for name, problems in found.items() if problems} == {}
    await page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/webhooks", f"/webhooks/{endpoint}"):
        await local.open(path)
        assert await page.evaluate("document.documentElement.scrollWidth") == 390, path
    local.assert_quiet()
