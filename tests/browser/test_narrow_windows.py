"""The playground in a narrow window, and in one as narrow as a phone."""

import pytest
from playwright.async_api import FloatRect, Locator, Page, expect

from tests.browser.conftest import Browsed, open_page


async def test_a_narrow_window_has_room_for_a_query_and_its_answer(address: str, browsed: Browsed) -> None:
    await browsed.page.set_viewport_size({"width": 800, "height": 700})
    await open_page(address, browsed.page)
    await browsed.page.get_by_role("button", name="Show Documentation Explorer").click()

    sizes = {
        name: await browsed.page.locator(f"{name} .monaco-editor").first.bounding_box()
        for name in (".graphiql-query-editor", ".graphiql-editor-tool", ".result-window")
    }

    for name, size in sizes.items():
        assert size is not None
        assert (size["width"] > 350, size["height"] > 80) == (True, True), (name, size)
    assert await browsed.page.evaluate("document.documentElement.scrollWidth") == 800


@pytest.fixture
async def phone(address: str, browsed: Browsed) -> Page:
    """The playground, in a window as wide as a phone."""
    await browsed.page.set_viewport_size({"width": 390, "height": 844})
    await open_page(address, browsed.page)
    return browsed.page


async def box(locator: Locator) -> FloatRect:
    found = await locator.bounding_box()
    assert found is not None
    return found


async def test_a_phone_shows_the_editors_the_answer_and_the_key_at_once(phone: Page) -> None:
    for place in (
        *(".graphiql-query-editor .monaco-editor", ".graphiql-editor-tool .monaco-editor", ".result-window"),
        ".api-key input",
    ):
        size = await box(phone.locator(place).first)
        assert (size["width"] > 150, size["height"] > 30, size["y"] + size["height"] <= 844) == (True, True, True), (
            place
        )
    assert await phone.evaluate("document.documentElement.scrollWidth") == 390


async def test_the_code_scrolls_with_its_editor(phone: Page) -> None:
    await phone.set_viewport_size({"width": 390, "height": 500})
    before = await box(phone.locator(".graphiql-query-editor .monaco-editor"))

    await phone.evaluate("document.querySelector('#graphiql-session').scrollTop = 100")

    assert (await box(phone.locator(".graphiql-query-editor .monaco-editor")))["y"] == before["y"] - 100


@pytest.mark.parametrize("panel", ["Documentation Explorer", "History"])
async def test_a_panel_covers_a_phone(phone: Page, panel: str) -> None:
    await phone.get_by_role("button", name=f"Show {panel}").click()

    await expect(phone.locator(".graphiql-sessions")).to_be_hidden()
    assert (await box(phone.locator(".graphiql-plugin")))["width"] == 330

    await phone.get_by_role("button", name=f"Hide {panel}").click()
    await expect(phone.locator(".graphiql-query-editor .view-line").first).to_be_visible()


async def test_the_settings_fit_on_a_phone(phone: Page) -> None:
    await phone.get_by_role("button", name="Open settings dialog").click()

    dialog, dark = await box(phone.get_by_role("dialog")), await box(phone.get_by_role("button", name="Dark"))

    assert 0 <= dialog["x"] < dark["x"]
    assert dark["x"] + dark["width"] < dialog["x"] + dialog["width"] <= 390


async def test_a_phone_wraps_the_lines_of_all_editors(phone: Page) -> None:
    await phone.wait_for_function(WRAPPED)


WRAPPED = """
    () => {
        const shown = window.__MONACO.editor.getEditors().filter(each => each.getContainerDomNode().offsetWidth > 0)
        return shown.length === 3 &&
            shown.every(each => each.getScrollWidth() <= each.getLayoutInfo().contentWidth) &&
            document.querySelectorAll('.graphiql-query-editor .view-line').length >
                document.querySelectorAll('.graphiql-query-editor .line-numbers').length
    }
"""
