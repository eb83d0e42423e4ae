"""Each page of the dashboard: accessible in light and dark, without messages on the console, with one document."""

import gzip
import json
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import text

from db.access.transactions import Sessions
from graph.server.dashboard import BUILT
from tests.browser.conftest import PATIENCE_MS, Browsed
from tests.browser.dashboard import Dashboard
from tests.support import Api

MOST_JAVASCRIPT = 350_000
"""Maximum size of the compressed scripts that the overview loads, in bytes."""


@pytest.fixture
def dashboard(address: str, browsed: Browsed) -> Dashboard:
    return Dashboard(address, browsed)


@pytest.fixture
async def customer_id(api_at: Api) -> str:
    """A customer with a subscription, a payment, a credit note, a discount and two scheduled changes."""
    basic = await api_at.a_plan(name="Basic", amountCents=1000, interval="MONTH")
    pro = await api_at.a_plan(name="Pro", amountCents=3000, interval="MONTH")
    await api_at.mutate("createCoupon", "coupon { id }", code="ten", name="Ten", percentOff="10", duration="FOREVER")
    customer_id = await api_at.a_customer(name="Grace Hopper", address={"city": "New York", "country": "US"})
    subscription_id = await api_at.a_subscription(customer_id, pro, quantity=2)
    await api_at.mutate("redeemCoupon", "discount { id }", code="ten", subscriptionId=subscription_id)
    payment = {"customerId": customer_id, "amountCents": 6000, "currency": "EUR", "reference": "T-1"}
    await api_at.mutate("recordPayment", "payment { id }", **payment)
    data = await api_at("query ($id: ID!) { customer(id: $id) { invoices { nodes { id } } } }", id=customer_id)
    [invoice] = data["customer"]["invoices"]["nodes"]
    note = {"invoiceId": invoice["id"], "amountCents": 500, "reason": "Outage"}
    await api_at.mutate("createCreditNote", "creditNote { id }", **note)
    await api_at.mutate("changeSubscription", "subscription { id }", id=subscription_id, planId=basic)
    return customer_id


SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TABS = ("payments", "creditNotes", "discounts", "ledger", "events")


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_pages_are_accessible(
    dashboard: Dashboard, customer_id: str, scheme: Literal["light", "dark"]
) -> None:
    await dashboard.page.emulate_media(color_scheme=scheme)
    found: dict[str, list[str]] = {}

    paths = ("/", "/customers", *(f"/customers/{customer_id}{tab}" for tab in ("", *(f"?tab={tab}" for tab in TABS))))
    for path in paths:
        await dashboard.open(path)
        found[path] = await dashboard.violations()

    assert found == {path: [] for path in paths}
    dashboard.assert_quiet()


DIALOGS = (
    *("Edit", "Record payment", "Change plan"),
    *(("More actions", name) for name in ("Redeem coupon", "Adjust balance", "Archive")),
    *(("Subscription: More actions", name) for name in ("Withdraw change", "Cancel")),
    "Credit note",
)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_dialogs_are_accessible(
    dashboard: Dashboard, customer_id: str, scheme: Literal["light", "dark"]
) -> None:
    await dashboard.page.emulate_media(color_scheme=scheme)
    await dashboard.open(f"/customers/{customer_id}")
    found: dict[Any, list[str]] = {}

    for way in DIALOGS:
        if isinstance(way, str):
            await dashboard.button(way).first.click()
        else:
            await dashboard.button(way[0]).click()
            await dashboard.page.get_by_role("menuitem", name=way[1]).click()
        await dashboard.button("Show as GraphQL").click()
        await expect(dashboard.page.get_by_label("Document", exact=True)).to_be_visible()
        await dashboard.page.wait_for_timeout(400)  # An axe run during a fade sees colors that nobody sees.
        found[way] = await dashboard.violations()
        await dashboard.page.keyboard.press("Escape")
        await expect(dashboard.dialog).to_have_count(0)

    assert found == {way: [] for way in DIALOGS}
    dashboard.assert_quiet()


async def test_each_page_reads_one_document(dashboard: Dashboard, customer_id: str) -> None:
    read: dict[str, list[str]] = {}

    for path in ("/", "/customers", f"/customers/{customer_id}"):
        await dashboard.open(path)
        read[path] = dashboard.operations()

    assert read == {
        "/": ["Session", "Overview"],
        "/customers": ["Session", "Customers"],
        # The list below the customer is another document, so that the others are read only if they are opened.
        f"/customers/{customer_id}": ["Session", "Customer", "CustomerInvoices"],
    }


async def test_what_others_change_appears_without_a_reload_and_without_polling(
    dashboard: Dashboard, api_at: Api
) -> None:
    customer_id = await api_at.a_customer(name="Ada")
    await dashboard.open("/customers")
    await dashboard.page.wait_for_timeout(1000)
    dashboard.operations()
    await dashboard.page.wait_for_timeout(2000)
    assert dashboard.operations() == []

    for name in ("Grace", "Hedy"):
        await api_at.mutate("updateCustomer", "customer { id }", id=customer_id, name=name)
        await expect(dashboard.page.get_by_role("link", name=name)).to_be_visible()

    assert dashboard.operations().count("Customers") == 2
    dashboard.assert_quiet()


async def test_a_page_reads_again_when_its_window_gets_the_focus(dashboard: Dashboard, api_at: Api) -> None:
    await api_at.a_customer(name="Ada")
    await dashboard.open("/customers")
    dashboard.operations()

    async with dashboard.page.expect_response("**/graphql"):
        await dashboard.page.evaluate("window.dispatchEvent(new Event('focus'))")
    await dashboard.settle()
    assert "Customers" in dashboard.operations()


@pytest.mark.parametrize("width", [390, 1920])
async def test_no_page_is_wider_than_the_window(
    address: str, chromium: Browser, customer_id: str, api_at: Api, width: int
) -> None:
    long_one = await api_at.a_customer(name="<b>" + "Wide" * 49, email=f"{'e' * 60}@example.com")
    context = await chromium.new_context(viewport={"width": width, "height": 844})
    context.set_default_timeout(PATIENCE_MS)
    dashboard = Dashboard(address, Browsed(await context.new_page()))

    for path in ("/", "/customers", f"/customers/{customer_id}", f"/customers/{long_one}"):
        await dashboard.open(path)
        assert await dashboard.page.evaluate("document.documentElement.scrollWidth") == width, path

    dashboard.assert_quiet()
    await context.close()


async def test_a_phone_has_the_navigation_in_a_drawer(address: str, chromium: Browser) -> None:
    context = await chromium.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(PATIENCE_MS)
    dashboard = Dashboard(address, Browsed(await context.new_page()))
    await dashboard.open()
    customers = dashboard.page.get_by_role("link", name="Customers")

    await expect(customers).to_be_hidden()
    await dashboard.button("Menu").click()
    await customers.click()

    await expect(dashboard.page.get_by_role("heading", name="Customers", level=1)).to_be_visible()
    await expect(customers).to_be_hidden()
    await context.close()


TEN_THOUSAND = """
    INSERT INTO customers (id, name, email, email_key, invoice_prefix, last_invoice_number, last_ledger_number,
        balance_cents, metadata, version, created_at, updated_at)
    SELECT gen_random_uuid(), 'Customer ' || n, n || '@many.example.com', n || '@many.example.com',
        upper(substr(md5(n::text), 1, 10)), 0, 0, 0, '{}', 1, now(), now()
    FROM generate_series(0, 9999) AS n
"""


async def test_ten_thousand_customers_are_searched_and_paged(
    dashboard: Dashboard, api_at: Api, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        await session.execute(text(TEN_THOUSAND))
    await api_at.a_customer(name="Zuse Apparatebau", email="post@zuse.example.com")
    page = dashboard.page
    await dashboard.open("/customers")

    await (
        page.get_by_role("combobox", name="Search customers and invoices")
        .or_(page.get_by_role("searchbox", name="Search customers and invoices"))
        .first.fill("zuse.ex")
    )
    await page.get_by_role("option", name="Zuse Apparatebau").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Zuse Apparatebau")

    await dashboard.open("/customers")
    await page.get_by_role("searchbox", name="Search", exact=True).fill("apparate")
    await expect(page.get_by_role("row")).to_have_count(2)
    await dashboard.button("Clear").click()
    await expect(page.get_by_role("row")).to_have_count(26)

    await page.get_by_role("button", name="Customer", exact=True).click()
    await expect(page.get_by_role("link", name="Customer 0", exact=True)).to_be_visible()
    first = await page.get_by_role("row").nth(1).inner_text()
    await dashboard.button("Next page").click()
    await expect(page.get_by_role("row").nth(1)).not_to_have_text(first)
    await dashboard.button("Previous page").click()
    await expect(page.get_by_role("link", name="Customer 0", exact=True)).to_be_visible()
    dashboard.assert_quiet()


async def test_columns_are_chosen_and_remembered(dashboard: Dashboard, api_at: Api) -> None:
    await api_at.a_customer(name="Ada", externalId="external-7")
    await dashboard.open("/customers")

    await dashboard.button("Columns").click()
    await dashboard.page.get_by_role("menuitemcheckbox", name="External id").click()
    await expect(dashboard.page.get_by_role("cell", name="external-7")).to_be_visible()
    await dashboard.open("/customers")

    await expect(dashboard.page.get_by_role("cell", name="external-7")).to_be_visible()


async def test_an_empty_database_is_filled_with_demo_data(dashboard: Dashboard) -> None:
    await dashboard.open()
    assert await dashboard.violations() == []

    await dashboard.button("Fill with demo data").click()
    await dashboard.field("Number of customers").fill("20")
    await dashboard.submit("Fill the database")

    await dashboard.said("20 customers were added.")
    await expect(dashboard.page.get_by_role("heading", name="Monthly recurring revenue")).to_be_visible()
    dashboard.assert_quiet()


def test_the_overview_loads_little_javascript() -> None:
    manifest = json.loads((BUILT / "manifest.json").read_text())
    loaded: set[str] = set()

    def load(name: str) -> None:
        if name not in loaded:
            loaded.add(name)
            for imported in manifest[name].get("imports", []):
                load(imported)

    for name in ("index.html", "src/pages/overview/Overview.tsx", "src/pages/overview/Charts.tsx"):
        load(name)
    size = sum(len(gzip.compress((BUILT / manifest[name]["file"]).read_bytes(), 9)) for name in loaded)
    assert size < MOST_JAVASCRIPT


async def test_a_list_is_sorted_in_both_directions_on_a_phone(dashboard: Dashboard, api_at: Api) -> None:
    for name in ("Grace", "Ada", "Zuse"):
        await api_at.a_customer(name=name)
    await dashboard.page.set_viewport_size({"width": 390, "height": 844})
    await dashboard.open("/customers")
    names = dashboard.page.locator("td[data-label=Customer]")

    await dashboard.page.get_by_label("Sort", exact=True).first.click()
    await dashboard.page.get_by_role("option", name="Sort by Customer").click()
    await dashboard.button("Ascending order").click()
    await expect(names).to_have_text(["Ada", "Grace", "Zuse"])
    await dashboard.button("Descending order").click()
    await expect(names).to_have_text(["Zuse", "Grace", "Ada"])
    dashboard.assert_quiet()


async def test_the_focus_moves_to_the_content_of_another_page(dashboard: Dashboard) -> None:
    await dashboard.open("/")
    await dashboard.page.get_by_role("link", name="Plans").click()
    await expect(dashboard.page.get_by_role("heading", level=1, name="Plans")).to_be_visible()

    await expect(dashboard.page.get_by_role("main")).to_be_focused()
    await dashboard.page.keyboard.press("Tab")
    await expect(dashboard.page.locator("main button:focus, main a:focus")).to_have_count(1)
    dashboard.assert_quiet()
