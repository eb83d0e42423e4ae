"""The main job in the dashboard, by clicks: from an empty database to a paid invoice, and a change of plan."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import READ, Browsed
from tests.browser.dashboard import Dashboard, document_of
from tests.support import Api


@pytest.fixture
def dashboard(address: str, browsed: Browsed) -> Dashboard:
    return Dashboard(address, browsed)


async def test_three_steps_lead_to_an_invoice_and_its_payment(dashboard: Dashboard) -> None:
    page = dashboard.page
    await dashboard.open()
    await expect(page.get_by_role("heading", name="Welcome")).to_be_visible()

    await dashboard.button("Create a plan").click()
    await dashboard.fill({"Name": "Pro", "Code": "pro", "Price": "29.00"})
    await dashboard.submit("Create plan")
    await dashboard.said("The plan was created.")

    await dashboard.button("Create a customer").click()
    await dashboard.fill({"Name": "Ada <b>Lovelace</b>", "E-mail address": "ada@example.com"})
    await dashboard.submit("Create customer")
    await page.get_by_role("link", name="Open the customer").first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Ada <b>Lovelace</b>")

    await dashboard.button("Subscribe").click()
    await dashboard.choose("Plan", "Pro")
    await dashboard.fill({"Quantity": "2"})
    preview = dashboard.dialog.get_by_role("region", name="Invoice")
    await expect(preview).to_contain_text("€58.00")
    await dashboard.submit("Subscribe")
    await dashboard.said("The subscription was created.")
    await expect(page.get_by_text("Active")).to_be_visible()
    invoice = dashboard.row("€58.00")
    await expect(invoice).to_contain_text("Open")

    await dashboard.button("Record payment").click()
    await expect(dashboard.field("Amount")).to_have_value("58.00")
    await dashboard.fill({"Reference": "T-1"})
    await dashboard.submit("Record payment")
    await dashboard.said("A payment of €58.00 was recorded.")
    await expect(invoice).to_contain_text("Paid")
    await page.get_by_role("tab", name="Payments").click()
    await expect(dashboard.row("T-1")).to_contain_text("€58.00")

    dashboard.assert_quiet()


async def test_a_change_of_plan_is_compared_before_it_is_made(dashboard: Dashboard, api_at: Api) -> None:
    basic = await api_at.a_plan(name="Basic", code="basic", amountCents=1000, interval="MONTH")
    pro = await api_at.a_plan(name="Pro", code="pro", amountCents=3000, interval="MONTH")
    customer_id = await api_at.a_customer(name="Grace Hopper")
    await api_at.a_subscription(customer_id, basic)
    page = dashboard.page
    await dashboard.open(f"/customers/{customer_id}")
    dashboard.operations()

    await dashboard.button("Change plan").click()
    await dashboard.choose("Plan", "Pro")

    today, then, invoice = (
        dashboard.dialog.get_by_role("region", name=name, exact=True) for name in ("Today", "New", "Invoice now")
    )
    await expect(today).to_contain_text("€10.00 / month")
    await expect(then).to_contain_text("€30.00 / month")
    await expect(invoice).to_contain_text("€20.00")
    document, variables = await document_of(page)
    assert re.match(r"mutation ChangeSubscription\(\$input: ChangeSubscriptionInput!\) {", document)
    assert "__typename" not in document
    assert variables["input"]["planId"] == pro

    await dashboard.submit("Change")
    await dashboard.said("The subscription was changed.")
    await expect(page.get_by_role("definition").filter(has_text="Pro").first).to_be_visible()
    dashboard.assert_quiet()


async def test_the_playground_opens_with_the_document_and_does_not_run_it(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer(name="Grace Hopper")
    page = dashboard.page
    await dashboard.open(f"/customers/{customer_id}")
    await dashboard.button("More actions").click()
    await page.get_by_role("menuitem", name="Archive").click()
    await page.get_by_role("button", name="Show as GraphQL").click()

    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="Open in the playground").click()
    playground = Browsed(await opened.value)
    await playground.page.wait_for_selector(".graphiql-query-editor .view-line")
    await expect(playground.page.locator(".graphiql-query-editor")).to_contain_text("ArchiveCustomer")

    assert (await playground.page.evaluate(READ, "variables.json")).count(customer_id) == 1
    assert [name for name, _ in playground.sent if name != "IntrospectionQuery"] == []
    data = await api_at("query ($id: ID!) { customer(id: $id) { archivedAt } }", id=customer_id)
    assert data["customer"]["archivedAt"] is None


async def test_a_cancellation_shows_when_it_ends_and_can_be_undone(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer(name="Grace Hopper")
    await api_at.a_subscription(customer_id)
    page = dashboard.page
    await dashboard.open(f"/customers/{customer_id}")

    await dashboard.button("Subscription: More actions").click()
    await page.get_by_role("menuitem", name="Cancel").click()
    await expect(dashboard.dialog).to_contain_text("The subscription ends on")
    await dashboard.submit("Cancel the subscription")
    await dashboard.said("The cancellation was scheduled.")
    await expect(page.get_by_text("Ends on")).to_be_visible()

    await dashboard.button("Subscription: More actions").click()
    await page.get_by_role("menuitem", name="Undo cancellation").click()
    await dashboard.submit("Undo the cancellation")
    await expect(page.get_by_text("Ends on")).to_have_count(0)
    dashboard.assert_quiet()


async def test_a_payment_is_refunded_and_reversed(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer(name="Grace Hopper")
    await api_at.a_subscription(customer_id)
    payment = {"customerId": customer_id, "amountCents": 3900, "currency": "EUR", "allowOverpayment": True}
    await api_at.mutate("recordPayment", "payment { id }", **payment)
    page = dashboard.page
    await dashboard.open(f"/customers/{customer_id}?tab=payments")

    await dashboard.button("Refund").click()
    await dashboard.fill({"Amount": "ten"})
    await expect(dashboard.dialog.get_by_role("button", name="Record refund")).to_be_disabled()
    await expect(dashboard.dialog).to_contain_text("Write an amount like 12.05.")
    await dashboard.fill({"Amount": "10.00"})
    await dashboard.submit("Record refund")
    await expect(dashboard.row("Bank transfer")).to_contain_text("€10.00")

    await dashboard.button("Reverse").click()
    await dashboard.dialog.get_by_role("button", name="Reverse the payment").click()
    await expect(dashboard.field("Reason")).to_have_attribute("aria-invalid", "true")
    await dashboard.fill({"Reason": "Returned"})
    await dashboard.submit("Reverse the payment")
    await expect(dashboard.row("Bank transfer")).to_contain_text("€39.00")
    await page.get_by_role("tab", name="Invoices").click()
    await expect(dashboard.row("€29.00")).to_contain_text("Open")
    dashboard.assert_quiet()


async def test_a_customer_gets_a_vat_number_that_is_confirmed_and_a_tax_rate(dashboard: Dashboard, api_at: Api) -> None:
    await api_at.mutate("updateSeller", "seller { id }", legalName="Acme GmbH", homeCountry="DE")
    rate = {"name": "VAT", "kind": "VAT", "category": "S", "percent": "7"}
    assert (await api_at.mutate("createTaxRate", "taxRate { id }", **rate))["userErrors"] == []
    customer_id = await api_at.a_customer(name="Ada Lovelace")
    await dashboard.open(f"/customers/{customer_id}")

    await dashboard.button("Edit").click()
    await dashboard.dialog.get_by_role("button", name="Add a VAT number").click()
    await dashboard.fill({"Country (two letters)": "FR", "Number": "FR40303265045"})
    await dashboard.dialog.get_by_label("Tax rates").click()
    await dashboard.page.get_by_role("option", name="VAT 7%").click()
    await dashboard.field("Number").click()  # Closes the options.
    await dashboard.submit("Save")
    await expect(dashboard.page.get_by_text("FR40303265045", exact=True)).to_be_visible()

    await dashboard.button("More actions").click()
    await dashboard.page.get_by_role("menuitem", name="Confirm FR40303265045").click()
    await dashboard.submit("Confirm")
    await expect(dashboard.page.get_by_text("FR40303265045 (confirmed)")).to_be_visible()

    data = await api_at("query ($id: ID!) { customer(id: $id) { version taxRates { name } } }", id=customer_id)
    assert data["customer"] == {"version": 3, "taxRates": [{"name": "VAT"}]}
    dashboard.assert_quiet()


async def test_earlier_subscriptions_are_listed(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer(name="Ada Lovelace")
    for name in ("Basic", "Pro"):
        plan_id = await api_at.a_plan(name=name)
        made = await api_at.mutate("createSubscription", "subscription { id }", customerId=customer_id, planId=plan_id)
        subscription_id = made["subscription"]["id"]
        if name == "Basic":
            await api_at.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)
    await dashboard.open(f"/customers/{customer_id}")

    await dashboard.page.get_by_role("tab", name="Subscriptions").click()

    rows = dashboard.page.get_by_role("tabpanel").get_by_role("row")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(1)).to_contain_text("Pro")
    await expect(rows.nth(2)).to_contain_text("Basic")
    await expect(rows.nth(2)).to_contain_text("Canceled")
    dashboard.assert_quiet()
