"""The admin page below a path of a proxy, which takes that path away or leaves it."""

from ipaddress import ip_network
from typing import Any

import pytest
from playwright.async_api import expect

from service.database.pool import Database
from service.settings import Settings
from tests.admin.browser import Desk
from tests.factories import World
from tests.http.served import proxied, served

TRUSTED = (ip_network("127.0.0.0/8"),)
WAYS: dict[str, tuple[bool, dict[str, Any], dict[str, str]]] = {
    "told by the proxy, which strips": (True, {"trusted_proxies": TRUSTED}, {"X-Forwarded-Prefix": "/team/flows"}),
    "set, and the proxy strips": (True, {"public_url": "https://example.com/team/flows"}, {}),
    "set, and the proxy does not strip": (False, {"public_url": "https://example.com/team/flows"}, {}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_page_works_below_a_prefix(
    desk: Desk, settings: Settings, database: Database, world: World, way: str
) -> None:
    """No request leaves the prefix: `Visit` holds each against the origin, which has it here."""
    strip, changed, headers = WAYS[way]
    ada = await world.user("ada", role="admin")
    await world.pipeline("invoices")
    async with (
        served(settings, database, **changed) as service,
        proxied(service, "/team/flows", strip=strip, headers=headers) as proxy,
        Desk(desk.browser, f"{proxy}/team/flows").visit(ada) as visit,
    ):
        await visit.link("invoices").click()
        await expect(visit.heading("invoices")).to_be_visible()
        assert visit.page.url.startswith(f"{proxy}/team/flows/admin/pipelines/")
        await visit.page.reload()
        await expect(visit.heading("invoices")).to_be_visible()
        assert await visit.page.evaluate("Object.keys(sessionStorage)") == ["flow-pipelines.token:/team/flows/admin"]
        await visit.link("Groups").click()
        await visit.button("Create group").first.click()
        await visit.field("Name").fill("reviewers")
        await visit.confirm("Create group")
        await visit.page.goto(f"{proxy}/team/flows/admin")
        await expect(visit.heading("Overview")).to_be_visible()
        await visit.page.go_back()
        await expect(visit.page.get_by_role("heading", level=1)).to_be_visible()
        await visit.button("Sign out").click()
        await expect(visit.heading("Sign in")).to_be_visible()
        assert visit.page.url == f"{proxy}/team/flows/admin/"


async def test_page_without_knowledge_of_its_prefix_fails(
    desk: Desk, settings: Settings, database: Database, world: World
) -> None:
    """The control: behind a proxy that strips and says nothing, nothing of the page is found."""
    async with (
        served(settings, database) as service,
        proxied(service, "/team/flows", strip=True, headers={"X-Forwarded-Prefix": "/team/flows"}) as proxy,
    ):
        page = await desk.browser.new_page()
        await page.goto(f"{proxy}/team/flows/admin/")
        await expect(page.get_by_label("Token")).to_have_count(0)
        await page.close()
