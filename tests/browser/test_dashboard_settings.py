"""The pages of the dashboard for plans, coupons, API keys and settings."""

from typing import Literal

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Browsed
from tests.browser.dashboard import Dashboard
from tests.support import Api

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def dashboard(address: str, browsed: Browsed) -> Dashboard:
    return Dashboard(address, browsed)


async def an_invoice(api: Api) -> str:
    """Returns the id of the OPEN invoice of a new subscription of Ada."""
    customer_id, plan_id = await api.a_customer(name="Ada"), await api.a_plan(name="Pro", amountCents=2900)
    made = await api.mutate("createSubscription", "invoice { id }", customerId=customer_id, planId=plan_id)
    invoice_id: str = made["invoice"]["id"]
    return invoice_id


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_pages_are_accessible(dashboard: Dashboard, api_at: Api, scheme: Literal["light", "dark"]) -> None:
    await api_at.a_plan()
    await api_at.mutate("createCoupon", "coupon { id }", code="ten", name="Ten", percentOff="10", duration="FOREVER")
    await api_at.mutate("updateSeller", "seller { id }", legalName="Acme GmbH", homeCountry="DE")
    rate = {"name": "VAT", "kind": "VAT", "category": "S", "percent": "19"}
    made = await api_at.mutate("createTaxRate", "taxRate { id }", **rate)
    assert made["userErrors"] == []
    await dashboard.page.emulate_media(color_scheme=scheme)
    found: dict[str, list[str]] = {}

    # For invoices and runs, see tests.browser.test_dashboard_invoices.
    paths = ("/plans", "/coupons", "/keys", "/settings")
    for path in paths:
        await dashboard.open(path)
        found[path] = await dashboard.violations()

    assert found == {path: [] for path in paths}
    dashboard.assert_quiet()


async def test_no_page_is_wider_than_a_phone(dashboard: Dashboard, api_at: Api) -> None:
    invoice_id = await an_invoice(api_at)
    await dashboard.page.set_viewport_size({"width": 390, "height": 844})

    for path in ("/invoices", f"/invoices/{invoice_id}", "/plans", "/coupons", "/runs", "/keys", "/settings"):
        await dashboard.open(path)
        assert await dashboard.page.evaluate("document.documentElement.scrollWidth") == 390, path


async def test_the_seller_and_a_tax_rate(dashboard: Dashboard, api_at: Api) -> None:
    await dashboard.open("/settings")

    await dashboard.button("Edit").click()
    await dashboard.fill({"Legal name": "Acme GmbH", "Home country": "Germany"})
    await dashboard.dialog.get_by_role("button", name="Save as a new version").click()
    await expect(dashboard.dialog.get_by_text("country", exact=False).last).to_be_visible()
    await expect(dashboard.field("Home country")).to_have_attribute("aria-invalid", "true")
    await dashboard.fill({"Home country": "DE"})
    await dashboard.submit("Save as a new version")
    await dashboard.said("Version 1 is in force.")

    await dashboard.button("New tax rate").click()
    await dashboard.fill({"Name": "VAT", "Percent": "19"})
    await dashboard.submit("Create tax rate")
    await expect(dashboard.row("VAT")).to_contain_text("19%")

    data = await api_at("{ seller { legalName homeCountry } taxRates { nodes { name percent category } } }")
    assert data["seller"] == {"legalName": "Acme GmbH", "homeCountry": "DE"}
    assert data["taxRates"]["nodes"] == [{"name": "VAT", "percent": "19", "category": "S"}]
    dashboard.assert_quiet()


async def test_vat_numbers_registrations_and_cash_rounding(dashboard: Dashboard, api_at: Api) -> None:
    await api_at.mutate("updateSeller", "seller { id }", legalName="Acme GmbH", homeCountry="DE")
    rate = {"name": "VAT", "kind": "VAT", "category": "S", "percent": "19"}
    await api_at.mutate("createTaxRate", "taxRate { id }", **rate)
    await dashboard.open("/settings")

    await dashboard.button("Edit").click()
    await dashboard.dialog.get_by_role("button", name="Add a VAT number").click()
    await dashboard.fill({"Country (two letters)": "DE", "Number": "DE123"})
    await dashboard.dialog.get_by_role("button", name="Save as a new version").click()
    await expect(dashboard.field("Number")).to_have_attribute("aria-invalid", "true")
    await dashboard.dialog.get_by_role("button", name="Remove: VAT number 1").click()
    await expect(dashboard.dialog.get_by_role("button", name="Add a VAT number")).to_be_focused()
    await dashboard.page.keyboard.press("Enter")
    await expect(dashboard.dialog.get_by_label("Country (two letters)").last).to_be_focused()
    await expect(dashboard.field("Number")).not_to_have_attribute("aria-invalid", "true")
    await dashboard.fill({"Country (two letters)": "DE", "Number": "DE136695976", "Region": "Bavaria"})
    await dashboard.submit("Save as a new version")
    await expect(dashboard.page.get_by_text("DE136695976")).to_be_visible()

    await dashboard.button("Tax registrations").click()
    await dashboard.dialog.get_by_role("button", name="Add a registration").click()
    await dashboard.fill({"Country (two letters)": "DE"})
    await dashboard.dialog.get_by_label("Applies from").fill("2026-01-01T00:00")
    await dashboard.dialog.get_by_label("Tax rates").click()
    await dashboard.page.get_by_role("option", name="VAT 19%").click()
    await dashboard.field("Country (two letters)").click()  # Closes the options.
    assert await dashboard.violations() == []
    await dashboard.submit("Save as a new version")
    await expect(dashboard.page.get_by_text("DE: VAT")).to_be_visible()

    await dashboard.button("Cash rounding").click()
    await dashboard.dialog.get_by_role("button", name="Add a currency").click()
    await dashboard.submit("Save as a new version")
    await expect(dashboard.page.get_by_text("CHF\u00a00.05")).to_be_visible()
    await dashboard.button("Cash rounding").click()
    await dashboard.dialog.get_by_role("button", name="Remove: Currency 1").click()
    await dashboard.submit("Save as a new version")
    await dashboard.said("Version 5 is in force.")

    data = await api_at(
        "{ seller { address { region } taxIds { value } registrations { country region rates { name } }"
        " cashRounding { currency } } }"
    )
    assert data["seller"] == {
        "address": {"region": "Bavaria"},
        "taxIds": [{"value": "DE136695976"}],
        "registrations": [{"country": "DE", "region": None, "rates": [{"name": "VAT"}]}],
        "cashRounding": [],
    }
    dashboard.assert_quiet()


async def test_two_people_who_edit_the_seller_do_not_replace_each_others_changes(
    dashboard: Dashboard, api_at: Api
) -> None:
    await api_at.mutate("updateSeller", "seller { id }", legalName="Acme GmbH", homeCountry="DE")
    await dashboard.open("/settings")
    await dashboard.button("Cash rounding").click()
    await dashboard.dialog.get_by_role("button", name="Add a currency").click()

    await api_at.mutate("updateSeller", "seller { id }", cashRounding=[{"currency": "SEK", "incrementCents": 100}])
    await dashboard.dialog.get_by_role("button", name="Save as a new version").click()
    await expect(dashboard.dialog.get_by_role("alert")).to_contain_text("Nothing was overwritten.")
    await dashboard.dialog.get_by_role("button", name="Load the current values").click()
    await expect(dashboard.page.get_by_text("SEK")).to_be_visible()

    data = await api_at("{ seller { revision cashRounding { currency } } }")
    assert data["seller"] == {"revision": 2, "cashRounding": [{"currency": "SEK"}]}
    dashboard.assert_quiet()


async def test_a_new_key_is_shown_once_and_works_until_it_is_revoked(dashboard: Dashboard, api_at: Api) -> None:
    await dashboard.open("/keys")
    await dashboard.button("New API key").click()
    await dashboard.fill({"Name": "monthly report"})
    await dashboard.dialog.get_by_role("button", name="Create key", exact=True).click()

    token = await dashboard.page.get_by_label("API key", exact=True).first.inner_text()
    headers = {"Authorization": f"Bearer {token}"}
    answer = await api_at.client.post("/graphql", json={"query": "{ viewer { scope } }"}, headers=headers)
    assert answer.json()["data"]["viewer"] == {"scope": "READ"}
    await dashboard.button("I have copied it").click()
    await expect(dashboard.row("monthly report")).to_contain_text("Read only")
    assert token not in await dashboard.page.content()

    await dashboard.row("monthly report").get_by_role("button", name="Revoke").click()
    await dashboard.submit("Revoke")
    await dashboard.said("The key was revoked.")
    await expect(dashboard.row("monthly report").get_by_role("button", name="Revoke")).to_have_count(0)
    dashboard.assert_quiet()
