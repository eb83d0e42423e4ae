"""Invoices, billing runs and holds in the dashboard, by clicks."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from db.access.transactions import Sessions
from db.models import BillingHold
from tests.browser.conftest import Browsed
from tests.browser.dashboard import Dashboard
from tests.support import Api, TestClock, stored

MOST_LINES = 100

# Types into all lines, as a person would: one after the other takes a browser a minute.
TYPE_LINES = """
    () => {
        const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
        for (const [number, line] of document.querySelectorAll("fieldset").entries()) {
            const [description, , price] = line.querySelectorAll("input");
            for (const [input, text] of [[description, `Part ${number + 1}`], [price, "1.01"]]) {
                set.call(input, text);
                input.dispatchEvent(new Event("input", { bubbles: true }));
            }
        }
    }
"""


@pytest.fixture
def dashboard(address: str, browsed: Browsed) -> Dashboard:
    return Dashboard(address, browsed)


async def an_open_invoice(api_at: Api, **customer: str) -> tuple[str, str]:
    """Subscribes a customer. Returns the invoice's id and number."""
    customer_id = await api_at.a_customer(**customer)
    await api_at.a_subscription(customer_id)
    found = await api_at(
        "query ($id: ID!) { customer(id: $id) { invoices { nodes { id number } } } }",
        id=customer_id,
    )
    (invoice,) = found["customer"]["invoices"]["nodes"]
    return invoice["id"], invoice["number"]


async def test_an_invoice_is_voided_and_reissued(dashboard: Dashboard, api_at: Api) -> None:
    invoice_id, number = await an_open_invoice(api_at, name="Ada <b>Lovelace</b>")
    page = dashboard.page
    await dashboard.open(f"/invoices/{invoice_id}")
    document = page.get_by_role("article", name="Invoice")
    await expect(document).to_contain_text("Ada <b>Lovelace</b>")
    await expect(document).to_contain_text("€29.00")

    await dashboard.button("More actions").click()
    await page.get_by_role("menuitem", name="Void").click()
    await expect(dashboard.dialog).to_contain_text(f"{number} counts as never owed")
    await dashboard.submit("Void the invoice")
    await dashboard.said(f"The invoice {number} was voided.")

    await dashboard.button("Reissue").click()
    await dashboard.submit("Reissue")
    await expect(document).to_contain_text("Replaced by")
    await page.get_by_role("link", name="Open the new invoice").click()
    await expect(document).to_contain_text("Replaces")
    await expect(document).to_contain_text(number)
    dashboard.assert_quiet()


async def test_a_part_of_an_invoice_is_credited_after_a_preview(dashboard: Dashboard, api_at: Api) -> None:
    invoice_id, number = await an_open_invoice(api_at)
    page = dashboard.page
    await dashboard.open(f"/invoices/{invoice_id}")

    await dashboard.button("More actions").click()
    await page.get_by_role("menuitem", name="Credit note").click()
    await page.get_by_label("A part of it").check()
    await dashboard.fill({"Amount": "9.00", "Reason": "Late delivery"})
    preview = dashboard.dialog.get_by_role("region", name=f"Credit note for {number}")
    await expect(preview).to_contain_text("Lowers the amount due€9.00")
    await dashboard.submit("Issue credit note")

    await expect(page.get_by_role("article", name="Invoice")).to_contain_text("Amount due€20.00")
    await expect(dashboard.row("Late delivery")).to_contain_text("€9.00")
    dashboard.assert_quiet()


async def test_a_payment_pays_the_invoice_on_whose_page_it_is_recorded(dashboard: Dashboard, api_at: Api) -> None:
    first, _ = await an_open_invoice(api_at)
    customer_id = (await api_at("query ($id: ID!) { invoice(id: $id) { customer { id } } }", id=first))["invoice"][
        "customer"
    ]["id"]
    line = {"description": "Setup", "unitAmountCents": 2900}
    made = await api_at.mutate("createInvoice", "invoice { id }", customerId=customer_id, currency="EUR", lines=[line])
    second = made["invoice"]["id"]
    await api_at.mutate("finalizeInvoice", "invoice { id }", id=second)
    await dashboard.open(f"/invoices/{second}")

    await dashboard.button("Record payment").click()
    await expect(dashboard.field("Amount")).to_have_value("29.00")
    await dashboard.submit("Record payment")
    await dashboard.said("A payment of €29.00 was recorded.")

    statuses = await api_at(
        "query ($first: ID!, $second: ID!) {"
        " first: invoice(id: $first) { status } second: invoice(id: $second) { status } }",
        first=first,
        second=second,
    )
    assert statuses == {"first": {"status": "OPEN"}, "second": {"status": "PAID"}}
    dashboard.assert_quiet()


async def test_a_draft_of_100_lines_is_created_and_finalized(dashboard: Dashboard, api_at: Api) -> None:
    await api_at.a_customer(name="Grace Hopper")
    page = dashboard.page
    await dashboard.open("/invoices")
    await dashboard.button("New invoice").click()
    await dashboard.dialog.get_by_role("combobox", name="Customer").fill("Grace")
    await page.get_by_role("option", name="Grace Hopper").click()
    add = dashboard.dialog.get_by_role("button", name="Add line")
    for _ in range(MOST_LINES - 1):
        await add.click()
    await expect(add).to_be_disabled()
    await page.evaluate(TYPE_LINES)
    last = dashboard.dialog.get_by_role("group", name=f"Line {MOST_LINES}", exact=True).get_by_label("Description")
    await last.fill("")
    await expect(dashboard.dialog).to_contain_text("€101.00")

    await dashboard.dialog.get_by_role("button", name="Create draft").click()
    await expect(last).to_have_attribute("aria-invalid", "true")
    await last.fill("The last part")
    await dashboard.submit("Create draft")
    await page.get_by_role("link", name="Open the draft").click()
    document = page.get_by_role("article", name="Invoice")
    await expect(document.get_by_role("row")).to_have_count(MOST_LINES + 1)

    await dashboard.button("Finalize").click()
    await expect(dashboard.dialog).to_contain_text("draft of €101.00")
    await dashboard.submit("Finalize")
    await expect(document).to_contain_text("Amount due€101.00")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("-0001")
    dashboard.assert_quiet()


async def test_a_draft_gets_another_line_and_is_deleted(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer()
    made = await api_at.mutate("createInvoice", "invoice { id }", customerId=customer_id, currency="JPY")
    page = dashboard.page
    await dashboard.open(f"/invoices/{made['invoice']['id']}")
    await expect(page.get_by_text("This draft has no lines yet.")).to_be_visible()

    await dashboard.button("More actions").click()
    await page.get_by_role("menuitem", name="Add line").click()
    await dashboard.fill({"Description": "Setup", "Unit price": "1200"})
    await dashboard.submit("Add line")
    await expect(dashboard.row("Setup")).to_contain_text("¥1,200")

    await dashboard.button("More actions").click()
    await page.get_by_role("menuitem", name="Delete draft").click()
    await dashboard.submit("Delete draft")
    await expect(page.get_by_text("No invoices yet")).to_be_visible()
    dashboard.assert_quiet()


async def test_invoices_are_found_by_number_and_filters(dashboard: Dashboard, api_at: Api, clock: TestClock) -> None:
    _, ada = await an_open_invoice(api_at, name="Ada")
    clock.now += timedelta(days=20)
    _, grace = await an_open_invoice(api_at, name="Grace")
    page = dashboard.page
    await dashboard.open("/invoices")
    await expect(dashboard.row("€29.00")).to_have_count(2)

    await page.get_by_role("searchbox", name="Number", exact=True).fill(grace)
    await expect(dashboard.row("€29.00")).to_have_count(1)
    await expect(dashboard.row("€29.00")).to_contain_text("Grace")
    await dashboard.button("Clear").click()
    await expect(dashboard.row("€29.00")).to_have_count(2)

    await page.get_by_role("combobox", name="Customer").fill("Ada")
    await page.get_by_role("option", name="Ada").click()
    await expect(dashboard.row("€29.00")).to_have_count(1)
    await page.reload()
    await expect(dashboard.row("€29.00")).to_contain_text(ada)
    await expect(page.get_by_role("combobox", name="Customer")).to_have_value(re.compile("^Ada · "))
    dashboard.assert_quiet()


async def test_an_invoice_is_overdue_when_its_due_day_is_over(
    dashboard: Dashboard, api_at: Api, clock: TestClock
) -> None:
    await an_open_invoice(api_at, name="Ada")
    due_day = (clock.now + timedelta(days=14)).replace(hour=0)

    counts = []
    for now in (due_day + timedelta(hours=23, minutes=59), due_day + timedelta(days=1)):
        await dashboard.page.clock.set_fixed_time(now)
        await dashboard.open("/invoices?status=OVERDUE")
        counts.append(await dashboard.row("€29.00").count())

    assert counts == [0, 1]
    dashboard.assert_quiet()


async def test_invoices_are_filtered_by_the_day_of_issue(dashboard: Dashboard, api_at: Api, clock: TestClock) -> None:
    _, first = await an_open_invoice(api_at, name="Ada")
    day = clock.now.date()
    clock.forward(days=1)
    _, second = await an_open_invoice(api_at, name="Grace")
    rows = dashboard.row("€29.00")

    await dashboard.open(f"/invoices?until={day}")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(first)
    await dashboard.page.get_by_label("Issued from").fill(str(day + timedelta(days=1)))
    await expect(dashboard.page.get_by_text("No invoice matches")).to_be_visible()
    await dashboard.page.get_by_label("until").fill("")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(second)
    dashboard.assert_quiet()


async def test_only_the_document_of_an_invoice_is_printed(dashboard: Dashboard, api_at: Api) -> None:
    invoice_id, _ = await an_open_invoice(api_at)
    page = dashboard.page
    await dashboard.open(f"/invoices/{invoice_id}")

    await page.emulate_media(media="print")

    await expect(page.get_by_role("article", name="Invoice")).to_be_visible()
    await expect(page.get_by_role("navigation")).to_have_count(0)
    await expect(page.get_by_role("button")).to_have_count(0)
    dashboard.assert_quiet()


async def test_an_invoice_is_downloaded(dashboard: Dashboard, api_at: Api, tmp_path: Path) -> None:
    customer_id = await api_at.a_customer()
    lines = [{"description": '=1+1, "so"', "unitAmountCents": 1205, "quantity": 2}]
    made = await api_at.mutate("createInvoice", "invoice { id }", customerId=customer_id, currency="EUR", lines=lines)
    page = dashboard.page
    await dashboard.open(f"/invoices/{made['invoice']['id']}")

    texts = {}
    for kind, name in (("json", "Download as JSON"), ("csv", "Download the lines as CSV")):
        await dashboard.button("More actions").click()
        async with page.expect_download() as download:
            await page.get_by_role("menuitem", name=name).click()
        await (await download.value).save_as(tmp_path / kind)
        texts[kind] = (tmp_path / kind).read_text()

    assert json.loads(texts["json"])["amountCents"] == 2410
    assert "__typename" not in texts["json"]
    assert texts["csv"].splitlines()[1] == '"\'=1+1, ""so""",2,12.05,0.00,24.10,"EUR"'
    dashboard.assert_quiet()


async def test_a_hold_says_why_and_what_to_do(
    dashboard: Dashboard, api_at: Api, sessions: Sessions, clock: TestClock
) -> None:
    customer_id = await api_at.a_customer(name="Grace Hopper")
    subscription_id = await api_at.a_subscription(customer_id)
    await stored(
        sessions,
        BillingHold(
            subscription_id=subscription_id,
            customer_id=customer_id,
            reason="AMOUNT_TOO_LARGE: The amount is too large.",
            attempts=3,
            since=clock.now,
            retry_at=clock.now + timedelta(hours=1),
        ),
    )
    await dashboard.open("/runs")

    held = dashboard.row("Grace Hopper")
    await expect(held).to_contain_text("The amount is too large.")
    await expect(held).to_contain_text("Change the plan, or lower the quantity.")
    await held.get_by_role("link", name="Grace Hopper").click()
    await expect(dashboard.page.get_by_role("heading", level=1)).to_contain_text("Grace Hopper")
    dashboard.assert_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_are_accessible(dashboard: Dashboard, api_at: Api, scheme: str) -> None:
    invoice_id, _ = await an_open_invoice(api_at)
    page = dashboard.page
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = {}
    for path in ("/invoices", f"/invoices/{invoice_id}", "/runs"):
        await dashboard.open(path)
        found[path] = await dashboard.violations()
    await dashboard.open("/invoices")
    await dashboard.button("New invoice").click()
    await expect(dashboard.dialog).to_be_visible()
    await page.wait_for_timeout(300)
    found["dialog"] = await dashboard.violations()

    assert {path: problems for path, problems in found.items() if problems} == {}
