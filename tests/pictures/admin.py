"""Photographs of the admin page: the demo's data, in the browser that tests the page."""

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import async_playwright, expect

from service.commands.demo import PIPELINES
from tests.admin.browser import NONE, Desk, Visit, find_browser, launch
from tests.process.test_demo import demo

DIRECTORY: Final = Path(__file__).parents[2] / "docs" / "admin"
SIZE: Final = {"width": 1180, "height": 720}
INVOICES: Final = f"/pipelines/{PIPELINES[0]}"

STOPPED_CLOCK: Final = "document.querySelectorAll('time').forEach((each) => each.textContent = '26 Nov 2026, 09:00')"
"""What the times on the page are replaced by, so that a photograph changes only when the page does."""

Scheme = Literal["light", "dark"]


async def pipelines(visit: Visit) -> None:
    """Show the pipelines."""
    await visit.go("/pipelines")
    await expect(visit.page.get_by_text("Tax forms")).to_be_visible()


async def give_access(visit: Visit) -> None:
    """Show the dialog that gives a group access."""
    await visit.go(INVOICES)
    await visit.button("Give access").click()
    await visit.dialog.get_by_role("combobox").first.fill("re")
    await expect(visit.page.get_by_role("option", name="reviewers")).to_be_visible()


async def why(visit: Visit) -> None:
    """Show why a user can do what they can."""
    await visit.go(f"{INVOICES}/who?why=alan")
    if not await visit.page.get_by_text("because they are in the group").count():
        await visit.page.get_by_role("combobox", name="User").fill("alan")
        await visit.button("Explain").click()
    await expect(visit.page.get_by_text("because they are in the group").first).to_be_visible()


SHOTS: Final[dict[str, tuple[Callable[[Visit], Awaitable[None]], Scheme]]] = {
    "pipelines.png": (pipelines, "light"),
    "pipelines-dark.png": (pipelines, "dark"),
    "give-access.png": (give_access, "light"),
    "why.png": (why, "dark"),
}


def photograph() -> list[Path]:
    """Take all photographs, and return their files.

    Raises:
        RuntimeError: there is no browser.
    """
    with tempfile.TemporaryDirectory() as directory, demo(Path(directory)) as (_, printed):
        token, address = re.search(r"fp_\w+", printed), re.search(r"http://[\d.:]+", printed)
        if not token or not address:
            raise RuntimeError(printed)
        return asyncio.run(_photograph(token[0], address[0]))


async def _photograph(token: str, origin: str) -> list[Path]:
    program = find_browser()
    if program is None:
        raise RuntimeError(NONE)
    async with async_playwright() as playwright:
        browser = await launch(playwright, program)
        async with Desk(browser, origin).visit(None) as visit:
            await visit.page.set_viewport_size(SIZE)  # type: ignore[arg-type] # a dictionary of these two
            await visit.sign_in(token)
            await expect(visit.button("Sign out")).to_be_visible()
            for name, (show, scheme) in SHOTS.items():
                await visit.page.emulate_media(color_scheme=scheme)
                await show(visit)
                # The page never stops asking, as it follows changes.
                await expect(visit.page.locator("[aria-busy=true]")).to_have_count(0)
                await visit.page.wait_for_timeout(500)
                await visit.page.mouse.move(0, 0)
                await visit.page.evaluate(STOPPED_CLOCK)
                await visit.page.screenshot(path=DIRECTORY / name, animations="disabled")
                await visit.close_dialogs()
        await browser.close()
    return [DIRECTORY / name for name in SHOTS]
