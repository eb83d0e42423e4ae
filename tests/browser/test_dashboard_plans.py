"""The life of a plan and of a coupon in the dashboard, by clicks."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Browsed
from tests.browser.dashboard import Dashboard
from tests.support import Api

PLANS = "{ plans { nodes { name code amountCents currency interval intervalCount trialDays netDays archivedAt } } }"
COUPONS = "{ coupons { nodes { code amountOffCents currency duration periods maxRedemptions archivedAt } } }"


@pytest.fixture
def dashboard(address: str, browsed: Browsed) -> Dashboard:
    return Dashboard(address, browsed)


async def test_a_plan_is_created_edited_archived_and_unarchived(dashboard: Dashboard, api_at: Api) -> None:
    page = dashboard.page
    await dashboard.open("/plans")
    await expect(page.get_by_text("No plans yet")).to_be_visible()

    await dashboard.button("New plan").click()
    await dashboard.fill({"Name": "Pro", "Code": "pro", "Price": "1200", "Trial days": "14"})
    await dashboard.choose("Currency", "JPY")
    await dashboard.fill({"Every": "3"})
    await dashboard.submit("Create plan")
    await expect(dashboard.row("pro")).to_contain_text("¥1,200")
    await expect(dashboard.row("pro")).to_contain_text("3 months")

    await dashboard.button("Actions for Pro").click()
    await page.get_by_role("menuitem", name="Edit").click()
    await dashboard.fill({"Name": "Professional", "Days to pay": "30"})
    await dashboard.submit("Save")
    await dashboard.said("The plan was saved.")

    await dashboard.button("Actions for Professional").click()
    await page.get_by_role("menuitem", name="Archive", exact=True).click()
    await dashboard.submit("Archive")
    await dashboard.said("The plan was archived.")
    await expect(dashboard.row("Professional")).to_have_count(0)
    [plan] = (await api_at(PLANS))["plans"]["nodes"]
    assert plan.pop("archivedAt") is not None
    assert plan == {
        "name": "Professional",
        "code": "pro",
        "amountCents": 1200,
        "currency": "JPY",
        "interval": "MONTH",
        "intervalCount": 3,
        "trialDays": 14,
        "netDays": 30,
    }

    await page.get_by_role("combobox", name="Archived").click()
    await page.get_by_role("option", name="Archived", exact=True).click()
    await dashboard.button("Actions for Professional").click()
    await page.get_by_role("menuitem", name="Unarchive").click()
    await dashboard.submit("Unarchive")
    await dashboard.said("The plan was unarchived.")
    assert (await api_at(PLANS))["plans"]["nodes"][0]["archivedAt"] is None
    dashboard.assert_quiet()


async def test_a_code_that_is_taken_is_said_at_its_field(dashboard: Dashboard, api_at: Api) -> None:
    await api_at.a_plan(name="Pro", code="pro")
    await dashboard.open("/plans")

    await dashboard.button("New plan").click()
    await dashboard.fill({"Name": "Other", "Code": "pro", "Price": "5"})
    await dashboard.dialog.get_by_role("button", name="Create plan").click()

    await expect(dashboard.field("Code")).to_have_attribute("aria-invalid", "true")
    assert len((await api_at(PLANS))["plans"]["nodes"]) == 1


async def test_a_coupon_is_created_redeemed_removed_and_archived(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer(name="Grace Hopper")
    subscription_id = await api_at.a_subscription(customer_id)
    page = dashboard.page
    await dashboard.open("/coupons")

    await dashboard.button("New coupon").click()
    await dashboard.fill({"Name": "Spring", "Code": "spring"})
    await dashboard.choose("Discount", "An amount in each billing period")
    await dashboard.fill({"Amount": "5.00", "Redemptions at most": "3"})
    await dashboard.choose("Duration", "Some billing periods")
    await dashboard.fill({"Number of periods": "2"})
    await dashboard.submit("Create coupon")
    await expect(dashboard.row("SPRING")).to_contain_text("€5.00")
    [coupon] = (await api_at(COUPONS))["coupons"]["nodes"]
    assert coupon == {
        "code": "SPRING",
        "amountOffCents": 500,
        "currency": "EUR",
        "duration": "PERIODS",
        "periods": 2,
        "maxRedemptions": 3,
        "archivedAt": None,
    }

    await dashboard.open(f"/customers/{customer_id}?tab=discounts")
    await dashboard.button("More actions").click()
    await page.get_by_role("menuitem", name="Redeem coupon").click()
    await dashboard.fill({"Code": "SPRING"})
    await dashboard.submit("Redeem")
    await dashboard.said("The coupon Spring was redeemed.")
    await expect(dashboard.row("Spring")).to_contain_text("2 periods")
    found = await api_at(
        "query ($id: ID!) { subscription(id: $id) { discounts { nodes { coupon { code } } } } }", id=subscription_id
    )
    assert found["subscription"]["discounts"]["nodes"] == [{"coupon": {"code": "SPRING"}}]

    await dashboard.row("Spring").get_by_role("button", name="Remove").click()
    await dashboard.submit("Remove")
    await dashboard.said("The discount was removed.")
    await expect(dashboard.row("Spring").get_by_role("button", name="Remove")).to_have_count(0)

    await dashboard.open("/coupons")
    await page.get_by_role("link", name="Spring").click()
    await expect(dashboard.row("Grace Hopper")).to_be_visible()
    await dashboard.button("Archive").click()
    await dashboard.submit("Archive")
    await expect(dashboard.button("Archive")).to_have_count(0)
    [coupon] = (await api_at(COUPONS))["coupons"]["nodes"]
    assert coupon["archivedAt"] is not None
    dashboard.assert_quiet()
