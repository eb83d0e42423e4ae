"""Corrections of money in the dashboard, by clicks: the balance, credit notes, and amounts at both ends."""

import pytest
from playwright.async_api import expect

from billing.limits import MAX_CENTS
from tests.browser.conftest import Browsed
from tests.browser.dashboard import Dashboard
from tests.support import Api


@pytest.fixture
def dashboard(address: str, browsed: Browsed) -> Dashboard:
    return Dashboard(address, browsed)


async def test_the_balance_is_raised_and_pays_an_open_invoice(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer(name="Grace Hopper")
    await api_at.a_subscription(customer_id)
    page = dashboard.page
    await dashboard.open(f"/customers/{customer_id}")

    await dashboard.button("More actions").click()
    await page.get_by_role("menuitem", name="Adjust balance").click()
    await dashboard.fill({"Amount": "30.00", "Reason": "Goodwill"})
    await dashboard.submit("Adjust balance")
    await dashboard.said("The balance was adjusted.")

    await expect(dashboard.row("€29.00")).to_contain_text("Paid")
    await page.get_by_role("tab", name="Balance ledger").click()
    await expect(dashboard.row("Adjustment")).to_contain_text("€30.00")
    await expect(dashboard.row("Applied to an invoice")).to_contain_text("€1.00")

    await dashboard.button("More actions").click()
    await page.get_by_role("menuitem", name="Adjust balance").click()
    await dashboard.fill({"Amount": "-1.01", "Reason": "Correction"})
    await dashboard.dialog.get_by_role("button", name="Adjust balance", exact=True).click()
    await expect(dashboard.dialog).to_contain_text("balance")
    await expect(dashboard.field("Amount")).to_have_attribute("aria-invalid", "true")
    await dashboard.fill({"Amount": "-1.00"})
    await dashboard.submit("Adjust balance")
    found = await api_at("query ($id: ID!) { customer(id: $id) { balanceCents } }", id=customer_id)
    assert found == {"customer": {"balanceCents": 0}}
    dashboard.assert_quiet()


async def test_a_paid_invoice_is_credited_and_the_money_refunded(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer(name="Grace Hopper")
    await api_at.a_subscription(customer_id)
    payment = {"customerId": customer_id, "amountCents": 2900, "currency": "EUR", "reference": "T-1"}
    await api_at.mutate("recordPayment", "payment { id }", **payment)
    page = dashboard.page
    await dashboard.open(f"/customers/{customer_id}")

    await dashboard.row("€29.00").get_by_role("button", name="Credit note").click()
    await page.get_by_label("Back as a refund").check()
    await dashboard.fill({"Reason": "Canceled order"})
    await expect(dashboard.dialog.get_by_role("region")).to_contain_text("To refund€29.00")
    await dashboard.submit("Issue credit note")
    await page.get_by_role("tab", name="Credit notes").click()
    note = dashboard.row("Canceled order")
    await expect(note).to_contain_text("€0.00")

    await page.get_by_role("tab", name="Payments").click()
    await dashboard.row("T-1").get_by_role("button", name="Refund").click()
    await dashboard.choose("Credit note", "C0001")
    await dashboard.fill({"Amount": "29.00"})
    await dashboard.submit("Record refund")
    await dashboard.said("The refund was recorded.")

    found = await api_at(
        "query ($id: ID!) { customer(id: $id) {"
        " balanceCents creditNotes { nodes { amountCents refundCents refundedCents } } } }",
        id=customer_id,
    )
    note_of_all = {"amountCents": 2900, "refundCents": 2900, "refundedCents": 2900}
    assert found["customer"] == {"balanceCents": 0, "creditNotes": {"nodes": [note_of_all]}}
    dashboard.assert_quiet()


@pytest.mark.parametrize(
    ("currency", "cents", "typed", "shown"),
    [
        ("EUR", 1, "0.01", "€0.01"),
        ("EUR", MAX_CENTS, "90,071,992,547,409.91", "€90,071,992,547,409.91"),
        ("JPY", MAX_CENTS, "9007199254740991", "¥9,007,199,254,740,991"),
        ("KWD", 1, "0.001", "KWD 0.001"),
    ],
)
async def test_amounts_at_both_ends(
    dashboard: Dashboard, api_at: Api, currency: str, cents: int, typed: str, shown: str
) -> None:
    customer_id = await api_at.a_customer(name="Grace Hopper")
    line = {"description": "Licence", "unitAmountCents": cents}
    made = await api_at.mutate(
        "createInvoice", "invoice { id }", customerId=customer_id, currency=currency, lines=[line]
    )
    invoice_id = made["invoice"]["id"]
    await api_at.mutate("finalizeInvoice", "invoice { id }", id=invoice_id)
    await dashboard.open(f"/invoices/{invoice_id}")
    document = dashboard.page.get_by_role("article", name="Invoice")
    assert shown in (await document.inner_text()).replace("\xa0", " ")

    await dashboard.button("Record payment").click()
    await dashboard.fill({"Amount": typed})
    await dashboard.submit("Record payment")

    found = await api_at("query ($id: ID!) { invoice(id: $id) { status amountDueCents } }", id=invoice_id)
    assert found["invoice"] == {"status": "PAID", "amountDueCents": 0}
    dashboard.assert_quiet()
