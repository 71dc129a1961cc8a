"""A browser for the tests of the admin page, which are skipped, and say so, without an installed browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import async_playwright

from tests.admin.browser import NONE, Desk, find_browser, launch
from tests.conftest import Client


@pytest.fixture(scope="session")
async def desk(client: Client) -> AsyncIterator[Desk]:
    """Open a browser on the service of the other tests, whose answers are checked against the document."""
    program = find_browser()
    if program is None:
        pytest.skip(NONE)
    async with async_playwright() as playwright:
        browser = await launch(playwright, program)
        yield Desk(browser, str(client.make_url("")).rstrip("/"))
        await browser.close()
