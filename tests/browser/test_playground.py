"""The playground in a real browser: its panels, and its API key."""

import json
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from billing.enums import ApiKeyScope
from db.database import Database
from graph.settings import Settings
from tests.access.conftest import a_key
from tests.browser.conftest import READ, Browsed, introspection, listening, open_page
from tests.support import Api, TestClock


@pytest.fixture
async def keyed_address(database: Database, clock: TestClock) -> AsyncIterator[str]:
    """Like `address`, but the server requires API keys."""
    async with listening(database, clock, Settings(requires_key=True)) as url:
        yield url


@pytest.fixture
async def token(database: Database, clock: TestClock) -> str:
    return (await a_key(database, clock, ApiKeyScope.ADMIN)).token


@pytest.fixture
async def other_token(database: Database, clock: TestClock) -> str:
    return (await a_key(database, clock, ApiKeyScope.ADMIN)).token


async def test_the_explorer_and_the_documentation_open(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")

    await browsed.page.get_by_role("button", name="Show Documentation Explorer").click()
    await browsed.page.wait_for_selector(".graphiql-plugin >> text=Query")
    await browsed.page.get_by_role("button", name="Show GraphiQL Explorer").click()
    await browsed.page.wait_for_selector(".graphiql-plugin >> text=createCustomer")

    assert browsed.complaints == []


async def test_the_documentation_opens_with_what_the_schema_says_of_itself(address: str, browsed: Browsed) -> None:
    await open_page(address, browsed.page)

    await browsed.page.get_by_role("button", name="Show Documentation Explorer").click()

    await expect(browsed.page.locator(".graphiql-plugin")).to_contain_text("Subscription billing: customers, plans")


async def test_the_sign_between_quantity_and_plan_is_not_marked(address: str, browsed: Browsed) -> None:
    """Monaco highlights × as a character that could be confused with x."""
    await open_page(address, browsed.page)
    await browsed.write("operation.graphql", "# 2 × Pro")
    await expect(browsed.page.locator(".graphiql-query-editor .view-line", has_text="2 × Pro")).to_be_visible()

    await browsed.page.wait_for_function(UNMARKED)


UNMARKED = """
    () => {
        const editors = window.__MONACO.editor.getEditors()
        return editors.length >= 3 &&
            editors.every(each => each.getRawOptions().unicodeHighlight?.ambiguousCharacters === false)
    }
"""


async def test_a_key_goes_with_every_request_until_it_is_cleared(address: str, browsed: Browsed, token: str) -> None:
    await open_page(address, browsed.page)
    await browsed.give_key(token)
    await browsed.run_tab("CreatePlan")
    async with browsed.page.expect_response(introspection):
        await browsed.page.get_by_role("button", name="Clear API key").click()
    await expect(browsed.key).to_be_focused()
    await browsed.run_tab("Customers")

    assert browsed.sent == [
        ("IntrospectionQuery", None),
        ("IntrospectionQuery", f"Bearer {token}"),
        ("CreatePlan", f"Bearer {token}"),
        ("IntrospectionQuery", None),
        ("Customers", None),
    ]
    assert await browsed.page.evaluate("sessionStorage.length") == 0
    assert browsed.complaints == []


async def test_a_key_lives_as_long_as_its_tab_and_is_kept_nowhere_else(
    address: str, browsed: Browsed, token: str
) -> None:
    await open_page(address, browsed.page)
    await browsed.give_key(token)
    await browsed.run_tab("CreatePlan")

    browsed.sent.clear()
    async with browsed.page.expect_response(introspection):
        await browsed.page.reload()
    await expect(browsed.key).to_have_value(token)
    assert browsed.sent == [("IntrospectionQuery", f"Bearer {token}")]

    other = Browsed(await browsed.page.context.new_page())
    await open_page(address, other.page)
    await expect(other.key).to_have_value("")
    assert other.sent == [("IntrospectionQuery", None)]
    # Neither the history of requests nor any other storage that outlives the tab.
    assert token not in await browsed.page.evaluate("JSON.stringify(localStorage) + document.cookie")


async def test_an_authorization_among_the_headers_goes_before_the_key(
    address: str, browsed: Browsed, token: str, other_token: str
) -> None:
    await open_page(address, browsed.page)
    await browsed.give_key(token)

    await browsed.page.locator(".graphiql-editor-tools button", has_text="Headers").click()
    await browsed.page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden)").click()
    await browsed.page.keyboard.insert_text(json.dumps({"authorization": f"Bearer {other_token}"}))
    await browsed.page.locator(".graphiql-execute-button").click()
    await browsed.shown()

    assert browsed.sent[-1] == ("CreateCustomer", f"Bearer {other_token}")


async def test_a_server_that_wants_a_key_has_the_page_say_so(keyed_address: str, browsed: Browsed, token: str) -> None:
    notice = browsed.page.get_by_role("status")
    await open_page(keyed_address, browsed.page)

    await expect(notice).to_have_text("This server wants an API key. Enter one below.")
    await browsed.give_key(token[:-2])
    await expect(notice).to_have_text("The server refuses this API key.")
    await browsed.key.clear()
    await browsed.give_key(token)
    await expect(notice).to_be_empty()

    assert "UNAUTHENTICATED" not in await browsed.page.evaluate(READ, "response.json")
    await browsed.page.get_by_role("button", name="Show Documentation Explorer").click()
    await browsed.page.wait_for_selector(".graphiql-plugin >> text=Mutation")
    assert (await browsed.run_tab("CreatePlan"))["createPlan"]["userErrors"] == []


async def test_a_subscription_shows_what_others_change(address: str, api_at: Api, browsed: Browsed) -> None:
    await open_page(address, browsed.page)
    await browsed.page.get_by_role("button", name="New tab").click()
    await browsed.write(
        "operation.graphql", "subscription { events { node { type object { ... on Customer { name } } } } }"
    )
    await browsed.page.locator(".graphiql-execute-button").click()
    await browsed.page.wait_for_timeout(1000)

    await api_at.a_customer(name="Ada Lovelace")

    shown = await browsed.shown()
    assert shown == {"events": {"node": {"type": "CUSTOMER_CREATED", "object": {"name": "Ada Lovelace"}}}}
    assert browsed.complaints == []
