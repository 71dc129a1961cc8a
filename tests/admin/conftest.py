"""A browser for the tests of the admin page; without one they are skipped, and say so."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import async_playwright

from tests.admin.browser import NONE, Desk, find_browser, launch
from tests.conftest import Client


@pytest.fixture(scope="session")
async def desk(client: Client) -> AsyncIterator[Desk]:
    """The service of the other tests, its answers held against the document, seen by a browser."""
    program = find_browser()
    if program is None:
        pytest.skip(NONE)
    async with async_playwright() as playwright:
        browser = await launch(playwright, program)
        yield Desk(browser, str(client.make_url("")).rstrip("/"))
        await browser.close()
