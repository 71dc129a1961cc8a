"""/docs in a real browser: read, searched and used by the keyboard, in wide and narrow windows, without a script."""

import pytest
from playwright.async_api import expect

from tests.admin.browser import Desk, Visit

PATHS = ("/docs", "/docs?q=rotate&in=python")


async def open_page(visit: Visit, path: str = "/docs") -> None:
    await visit.page.goto(visit.origin + path)
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("Flow Pipeline API")


@pytest.mark.parametrize("path", PATHS)
async def test_documentation_is_accessible_and_fits_narrow_windows(desk: Desk, path: str) -> None:
    async with desk.visit(None, width=1440) as visit:
        await open_page(visit, path)
        await visit.accessible(path)
        await visit.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
        for width in (1440, 360):
            await visit.page.set_viewport_size({"width": width, "height": 800})
            wide, window = await visit.width()
            assert wide <= window


async def test_documentation_is_searched_by_the_keyboard(desk: Desk) -> None:
    async with desk.visit(None) as visit:
        await open_page(visit)
        keys = visit.page.keyboard
        await keys.press("Tab")
        await expect(visit.link("Skip to the calls")).to_be_focused()
        await visit.page.get_by_role("searchbox").focus()
        await keys.type("rotate")
        await keys.press("Tab")
        await keys.press("Tab")
        await keys.press("ArrowRight")
        await expect(visit.page.get_by_label("Python")).to_be_checked()
        await visit.page.get_by_role("searchbox").focus()
        await keys.press("Enter")
        await expect(visit.page.get_by_role("status")).to_contain_text("1 of")
        await expect(visit.page.get_by_text("Sample in Python")).to_be_visible()
        await expect(visit.page.get_by_text("Sample in curl")).to_be_hidden()
        await expect(visit.page.get_by_role("searchbox")).to_have_value("rotate")
        await visit.page.locator("summary").focus()
        await keys.press("Enter")
        await expect(visit.page.get_by_text("Sample in Python")).to_be_hidden()


async def test_documentation_opens_the_call_that_a_link_leads_to(desk: Desk) -> None:
    async with desk.visit(None, width=1440) as visit:
        await open_page(visit)
        await visit.page.get_by_role("navigation").get_by_role("link", name="Put job").click()
        await expect(visit.page.locator("#put_job")).to_be_visible()
        await expect(visit.page.locator("details[open]")).to_have_count(1)
        await expect(visit.page.locator("details[open] > summary")).to_be_in_viewport()


async def test_documentation_is_whole_without_scripts(desk: Desk) -> None:
    context = await desk.browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{desk.origin}/docs")
    await page.locator("summary", has_text="/api/v1/users/me").click()
    await expect(page.get_by_text("user.scopes")).to_be_visible()
    await page.get_by_role("radio", name="JavaScript").check()
    await expect(page.locator("#get_me").get_by_text("Sample in JavaScript")).to_be_visible()
    await page.get_by_role("searchbox").fill("rotate")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("#rotate_token").get_by_text("Sample in JavaScript")).to_be_visible()
    await context.close()
