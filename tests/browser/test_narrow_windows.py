"""The playground in a narrow window."""

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
