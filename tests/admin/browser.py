"""The admin page in a real browser, as its users have it."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from axe_playwright_python.base import AxeResults  # type: ignore[import-untyped] # it has no annotations
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it has no annotations
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Playwright, Request, expect

from tests.factories import Member

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
NONE = (
    "NO BROWSER FOUND, SO THE ADMIN PAGE IS NOT TESTED: `make browser` installs Debian's (as root), or put one of"
    f" {', '.join(NAMES)} on the PATH"
)

RULES: tuple[tuple[Literal["light", "dark"], dict[str, Any]], ...] = (
    ("light", {"resultTypes": ["violations"]}),
    ("dark", {"resultTypes": ["violations"], "runOnly": ["cat.color"]}),  # all else is the same in both
)

expect.set_options(timeout=20_000)


def find_browser() -> str | None:
    """Return the path of the first browser that is installed, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


async def launch(playwright: Playwright, program: str) -> Browser:
    return await playwright.chromium.launch(executable_path=program, args=FLAGS)


@dataclass
class Visit:
    """A tab of a user; unexpected problems in it are recorded, and fail the test at its end."""

    page: Page
    origin: str
    problems: list[str] = field(default_factory=list)
    elsewhere: str = "none:"
    """Another origin that the page may lead to, and ask: that of an identity provider."""

    def watch(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # The browser itself logs each failed answer, also those that the page expects and shows.
        expected = message.text.startswith("Failed to load resource") and "/api/v1/" in message.location["url"]
        if message.type in ("error", "warning") and not expected:
            self.problems.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", self.elsewhere)):
            self.problems.append(f"left the origin: {request.url}")

    async def open_tab(self, path: str) -> "Visit":
        """Open a further tab of the same browser at an address; its problems are recorded with those of this one."""
        other = Visit(await self.page.context.new_page(), self.origin, self.problems)
        other.watch()
        await other.go(path)
        return other

    async def go(self, path: str) -> None:
        """Type an address, and wait until the view is there."""
        await self.page.goto(f"{self.origin}/admin{path}")
        await expect(self.page.get_by_role("heading", level=1)).to_be_visible()

    async def follow(self, path: str) -> None:
        """Follow a link, without loading the page anew."""
        await self.page.evaluate(
            "(path) => { const link = Object.assign(document.createElement('a'), {href: path});"
            " document.body.append(link); link.click(); link.remove(); }",
            f"/admin{path}",
        )
        await expect(self.page.locator("main:not([aria-busy]) h1")).to_be_visible()

    async def close_dialogs(self) -> None:
        while await self.page.get_by_role("dialog").count():
            leave = self.dialog.get_by_role("button", name=re.compile("^(Discard|Close)$"))
            await leave.last.click()

    async def sign_in(self, token: str) -> None:
        await self.field("Token").fill(token)
        await self.page.get_by_role("button", name="Sign in", exact=True).click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def heading(self, name: str, level: int = 1) -> Locator:
        return self.page.get_by_role("heading", name=name, level=level, exact=True)

    def row(self, name: str) -> Locator:
        """Return the row of a list that has this in its first column."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("rowheader", name=name))

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True)

    def box(self, name: str) -> Locator:
        """Return the combobox of this name."""
        return self.page.get_by_role("combobox", name=name, exact=True)

    @property
    def dialog(self) -> Locator:
        """The dialog on top."""
        return self.page.get_by_role("dialog").last

    async def confirm(self, button: str) -> None:
        """Press a button of the dialog that does what the dialog is for."""
        await self.dialog.get_by_role("button", name=button, exact=True).click()
        await expect(self.page.get_by_role("dialog")).to_have_count(0)

    async def choose(self, box: Locator, text: str, choice: str) -> None:
        """Type into a combobox, and take a choice of its list by the keyboard."""
        await box.fill(text)
        await expect(self.page.get_by_role("option", name=choice)).to_be_visible()
        await box.press("Enter")

    async def said(self, text: str) -> None:
        """Expect a toast with this text, which screen readers read out."""
        await expect(self.page.locator("#toasts")).to_contain_text(text)

    async def stored(self) -> Any:
        """Return all that the browser stores for the page."""
        return await self.page.evaluate("[{...sessionStorage}, {...localStorage}, document.cookie]")

    async def accessible(self, state: str) -> None:
        """Assert that axe-core finds no violation, in the light and in the dark colour scheme."""
        for scheme, options in RULES:
            await self.page.emulate_media(color_scheme=scheme)
            if not await self.page.evaluate("'axe' in window"):
                await self.page.evaluate(Axe().axe_script)
            found = AxeResults(await self.page.evaluate("(options) => axe.run(options)", options))
            assert found.violations_count == 0, f"{state}, {scheme}: {found.generate_report()}"

    async def lines(self, text: Locator) -> int:
        """Return how many lines a text takes."""
        taken: int = await text.evaluate(
            "each => Math.round(each.getBoundingClientRect().height / parseFloat(getComputedStyle(each).lineHeight))"
        )
        return taken

    async def cut_placeholders(self) -> list[str]:
        """Return the placeholders that are longer than their boxes; Chromium measures a value alone."""
        found: list[str] = await self.page.evaluate(
            """() => [...document.querySelectorAll('input[placeholder]')].filter((box) => {
                const value = box.value;
                box.value = box.placeholder;
                const cut = box.scrollWidth > box.clientWidth;
                box.value = value;
                return cut;
            }).map((box) => box.placeholder)"""
        )
        return found

    async def width(self) -> tuple[int, int]:
        """Return the width of the page, and that of the window, in pixels."""
        wide: list[int] = await self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        return wide[0], wide[1]


@dataclass(frozen=True)
class Desk:
    """A browser, and the origin of the service that it visits."""

    browser: Browser
    origin: str

    @asynccontextmanager
    async def visit(
        self, member: Member | None, path: str = "/pipelines", *, width: int = 1280
    ) -> AsyncIterator[Visit]:
        """Open a tab that is signed in as this member, or not signed in for None."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 800},
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
            timezone_id="Europe/Berlin",
        )
        visit = Visit(await context.new_page(), self.origin)
        visit.watch()
        await visit.go(path)
        await expect(visit.field("Token")).to_be_focused()  # once no other tab has given one
        if member is not None:
            await visit.sign_in(member.token)
            await expect(visit.button("Sign out").or_(visit.button("Menu")).first).to_be_visible()
            await expect(visit.page.locator("main h1")).to_be_visible()
        yield visit
        await context.close()
        assert visit.problems == []
