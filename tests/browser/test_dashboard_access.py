"""The dashboard with API keys, after lost connections, and with two people at the same customer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from billing.enums import ApiKeyScope
from db.access.transactions import Sessions
from db.database import Database
from graph.settings import Settings
from services.api_keys import key_id_in, revoke_api_key
from tests.access.conftest import a_key, a_session
from tests.browser.conftest import Browsed, listening
from tests.browser.dashboard import Dashboard
from tests.support import Api, TestClock, a_customer, stored


@pytest.fixture
async def keyed(database: Database, clock: TestClock, browsed: Browsed) -> AsyncIterator[Dashboard]:
    """The dashboard of a server that requires API keys and accepts only trusted documents."""
    async with listening(database, clock, Settings(requires_key=True, trusted_only=True)) as url:
        yield Dashboard(url, browsed)


NAMES = "buttons => buttons.map(each => each.getAttribute('aria-label') ?? each.innerText)"


async def enter(dashboard: Dashboard, key: str, *, remember: bool = False) -> None:
    await dashboard.dialog.get_by_label("API key", exact=True).fill(key)
    if remember:
        await dashboard.dialog.get_by_label("Keep it until this tab is closed").check()
    await dashboard.dialog.get_by_role("button", name="Use this key").click()
    await expect(dashboard.dialog).to_have_count(0)
    await dashboard.settle()


ACTIONS: dict[ApiKeyScope, tuple[int, int]] = {
    ApiKeyScope.READ: (0, 0),
    ApiKeyScope.WRITE: (1, 0),
    ApiKeyScope.ADMIN: (1, 1),
}
"""Number of buttons that create a customer, and of links to the keys, by the scope of the key."""


@pytest.mark.parametrize("scope", ACTIONS)
async def test_a_key_shows_what_it_permits(
    keyed: Dashboard, database: Database, clock: TestClock, scope: ApiKeyScope
) -> None:
    key = await a_key(database, clock, scope)
    await keyed.page.goto(f"{keyed.address}/customers")
    await expect(keyed.dialog).to_contain_text("This server needs an API key")

    await enter(keyed, key.token)

    await expect(keyed.page.get_by_text("No customers yet")).to_be_visible()
    creates, keys = ACTIONS[scope]
    await expect(keyed.button("New customer")).to_have_count(creates)
    await expect(keyed.page.get_by_role("link", name="API keys")).to_have_count(keys)


BUTTONS_OF_A_READER = {
    *("Columns", "Print", "More actions", "Show more", "First page", "Previous page", "Next page"),
    *("Ascending order", "Descending order"),
}
"""Names of buttons that change nothing on the server. “More actions” of an invoice offers downloads."""


async def test_a_read_key_shows_no_action_on_any_page(
    database: Database, clock: TestClock, browsed: Browsed, api: Api
) -> None:
    plan_id = await api.a_plan(name="Pro")
    await api.mutate("createCoupon", "coupon { id }", code="ten", name="Ten", percentOff="10", duration="FOREVER")
    await api.mutate("updateSeller", "seller { id }", legalName="Acme GmbH", homeCountry="DE")
    customer_id = await api.a_customer(name="Grace Hopper")
    made = await api.mutate("createSubscription", "invoice { id }", customerId=customer_id, planId=plan_id)
    payment = {"customerId": customer_id, "amountCents": 3900, "currency": "EUR", "allowOverpayment": True}
    await api.mutate("recordPayment", "payment { id }", **payment)
    key = await a_key(database, clock, ApiKeyScope.READ)
    customer, invoice = f"/customers/{customer_id}", f"/invoices/{made['invoice']['id']}"

    async with listening(database, clock, Settings(requires_key=True)) as url:
        dashboard = Dashboard(url, browsed)
        await dashboard.page.goto(url)
        await enter(dashboard, key.token, remember=True)
        found = set()
        tabs = ("payments", "creditNotes", "discounts", "ledger", "events")
        pages = ("/", "/customers", "/invoices", "/plans", "/coupons", "/runs", "/keys", "/settings", customer, invoice)
        for path in (*pages, *(f"{customer}?tab={tab}" for tab in tabs)):
            await dashboard.open(path)
            buttons = dashboard.page.locator("main button:not(th button):not([role=tab])")
            found |= {(path, name) for name in await buttons.evaluate_all(NAMES)}

    assert {(path, name) for path, name in found if name not in BUTTONS_OF_A_READER} == set()


async def test_the_dialog_for_the_key_is_accessible(keyed: Dashboard) -> None:
    await keyed.page.goto(f"{keyed.address}/customers")
    await expect(keyed.dialog).to_be_visible()
    await keyed.page.wait_for_timeout(400)

    assert await keyed.violations() == []


@pytest.mark.parametrize("remember", [True, False])
async def test_a_key_is_kept_until_the_tab_is_closed_only_if_asked(
    keyed: Dashboard, database: Database, clock: TestClock, remember: bool
) -> None:
    key = await a_key(database, clock, ApiKeyScope.ADMIN)
    await keyed.page.goto(f"{keyed.address}/customers")
    await enter(keyed, key.token, remember=remember)

    await keyed.page.reload()

    await expect(keyed.page.get_by_text("No customers yet")).to_have_count(1 if remember else 0)
    await expect(keyed.dialog).to_have_count(0 if remember else 1)
    assert key.token not in await keyed.page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")


async def test_a_revoked_key_is_asked_for_again_without_losing_what_was_typed(
    keyed: Dashboard, database: Database, clock: TestClock
) -> None:
    first, second = [await a_key(database, clock, ApiKeyScope.ADMIN) for _ in range(2)]
    await keyed.page.goto(f"{keyed.address}/customers")
    await enter(keyed, first.token)
    await keyed.button("New customer").click()
    await keyed.fill({"Name": "Ada Lovelace", "E-mail address": "ada@example.com"})

    key_id = key_id_in(first.token)
    assert key_id is not None
    async with database.sessions.begin() as session:
        await revoke_api_key(session, api_key_id=key_id, now=clock.now)
    clock.forward(minutes=1)
    await keyed.dialog.get_by_role("button", name="Create customer").click()

    asking = keyed.page.get_by_role("dialog", name="The server does not accept this API key")
    await asking.get_by_label("API key", exact=True).fill(second.token)
    await asking.get_by_role("button", name="Use this key").click()
    await expect(asking).to_have_count(0)
    await expect(keyed.field("Name")).to_have_value("Ada Lovelace")
    await keyed.submit("Create customer")
    await expect(keyed.page.get_by_role("link", name="Ada Lovelace")).to_be_visible()


@pytest.fixture
def dashboard(address: str, browsed: Browsed) -> Dashboard:
    return Dashboard(address, browsed)


async def test_two_people_who_edit_a_customer_do_not_overwrite_each_other(dashboard: Dashboard, api_at: Api) -> None:
    customer_id = await api_at.a_customer(name="Ada Lovelace")
    await dashboard.open(f"/customers/{customer_id}")
    await dashboard.button("Edit").click()
    await dashboard.fill({"Name": "Ada King"})

    await api_at.mutate("updateCustomer", "customer { id }", id=customer_id, name="Countess", poNumber="PO-7")
    await dashboard.dialog.get_by_role("button", name="Save").click()

    await expect(dashboard.dialog.get_by_role("alert")).to_contain_text("Nothing was overwritten.")
    data = await api_at("query ($id: ID!) { customer(id: $id) { name } }", id=customer_id)
    assert data == {"customer": {"name": "Countess"}}
    await dashboard.button("Load the current values").click()
    await expect(dashboard.field("Name")).to_have_value("Countess")
    await expect(dashboard.field("Purchase order number")).to_have_value("PO-7")
    await dashboard.fill({"Name": "Ada King"})
    await dashboard.submit("Save")
    await dashboard.said("The customer was saved.")
    data = await api_at("query ($id: ID!) { customer(id: $id) { name poNumber } }", id=customer_id)
    assert data == {"customer": {"name": "Ada King", "poNumber": "PO-7"}}
    dashboard.assert_quiet()


async def test_errors_are_shown_at_their_fields(dashboard: Dashboard, api_at: Api) -> None:
    await api_at.a_customer(email="ada@example.com")
    await dashboard.open("/customers")
    await dashboard.button("New customer").click()
    await dashboard.fill({"E-mail address": "ADA@example.com"})
    create = dashboard.dialog.get_by_role("button", name="Create customer")

    await create.click()
    await expect(dashboard.field("Name")).to_have_attribute("aria-invalid", "true")
    await dashboard.fill({"Name": "A" * 300})
    await create.click()
    await expect(dashboard.dialog).to_contain_text("at most")
    await dashboard.fill({"Name": "Ada"})
    await create.click()

    await expect(dashboard.field("E-mail address")).to_have_attribute("aria-invalid", "true")
    await expect(dashboard.field("Name")).not_to_have_attribute("aria-invalid", "true")
    await dashboard.fill({"E-mail address": "other@example.com"})
    await dashboard.submit("Create customer")
    dashboard.assert_quiet()


async def test_a_server_that_goes_away_and_comes_back(dashboard: Dashboard, api_at: Api) -> None:
    await api_at.a_customer(name="Ada Lovelace")
    page = dashboard.page
    await dashboard.open("/customers")

    await page.context.set_offline(True)
    await page.evaluate("window.dispatchEvent(new Event('focus'))")
    await expect(page.get_by_text("The server does not respond.")).to_be_visible()
    await expect(page.get_by_role("link", name="Ada Lovelace")).to_be_visible()
    await api_at.a_customer(name="Grace Hopper")
    await page.context.set_offline(False)

    await expect(page.get_by_role("link", name="Grace Hopper")).to_be_visible()
    await expect(page.get_by_text("The server does not respond.")).to_have_count(0)


async def test_a_lost_answer_is_repeated_with_the_same_key(dashboard: Dashboard, api_at: Api) -> None:
    page = dashboard.page
    await dashboard.open("/customers")
    await dashboard.button("New customer").click()
    await dashboard.fill({"Name": "Ada", "E-mail address": "ada@example.com"})
    lost = asyncio.Event()

    async def lose(route: object) -> None:
        # The server executes the request, but its answer does not arrive.
        await route.fetch()  # type: ignore[attr-defined]
        await route.abort()  # type: ignore[attr-defined]
        lost.set()

    await page.route("**/graphql", lose, times=1)
    await dashboard.dialog.get_by_role("button", name="Create customer").click()
    await lost.wait()
    await expect(dashboard.dialog.get_by_role("alert")).to_contain_text("it happens only once")
    await dashboard.submit("Create customer")

    data = await api_at("{ customers { totalCount } }")
    assert data["customers"]["totalCount"] == 1


async def test_a_customer_session_is_told_to_enter_a_key(
    keyed: Dashboard, database: Database, clock: TestClock, sessions: Sessions
) -> None:
    customer = await stored(sessions, a_customer())
    await keyed.page.goto(keyed.address)
    await keyed.dialog.get_by_label("API key", exact=True).fill(await a_session(database, clock, customer.id))
    await keyed.dialog.get_by_role("button", name="Use this key").click()

    await expect(keyed.page.get_by_text("The dashboard needs an API key.")).to_be_visible()
    await keyed.button("Forget the API key").click()
    await expect(keyed.dialog).to_contain_text("This server needs an API key")
