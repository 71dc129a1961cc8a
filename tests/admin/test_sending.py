"""The admin page while an answer is awaited: nothing is done twice, and nothing that is done goes unseen."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Route, expect

from tests.admin.browser import Desk, Visit
from tests.factories import World


@asynccontextmanager
async def held(visit: Visit, method: str) -> AsyncIterator[list[str]]:
    """Hold calls of a method up until the end; yield the paths of those that have come."""
    asked: list[str] = []
    release = asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.method == method:
            asked.append(route.request.url.partition("/api/v1")[2])
            await release.wait()
        await route.continue_()

    await visit.page.route("**/api/v1/**", hold)
    try:
        yield asked
    finally:
        release.set()


async def test_token_that_is_made_is_shown_whatever_is_pressed_meanwhile(desk: Desk, world: World) -> None:
    """Else there would be a token that works and that nobody knows."""
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/tokens") as visit:
        await visit.button("Make a token").first.click()
        async with held(visit, "POST") as asked:
            await visit.dialog.locator("[type=submit]").dblclick()
            await visit.page.keyboard.press("Escape")
            await visit.dialog.get_by_role("button", name="Cancel", exact=True).click(force=True)
            await visit.dialog.get_by_role("button", name="Close", exact=True).click()
            await expect(visit.page.get_by_role("dialog")).to_have_count(1)
            assert asked == ["/tokens"]

        await expect(visit.heading("Copy the token now", 2)).to_be_visible()
        await visit.close_dialogs()


async def test_leaving_while_something_is_sent_is_asked_about(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/users") as visit:
        await visit.follow("/groups")
        await visit.button("Create group").click()
        await visit.field("Name").fill("auditors")
        async with held(visit, "POST"):
            await visit.dialog.get_by_role("button", name="Create group", exact=True).click()
            await visit.page.go_back()
            await expect(visit.heading("Leave while this is being sent?", 2)).to_be_visible()
            await visit.button("Wait").click()
        await visit.said("auditors")
        await expect(visit.page.get_by_role("dialog")).to_have_count(0)


async def test_button_that_is_clicked_twice_acts_once(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/tokens") as visit:
        revoke = visit.button("Revoke").first
        async with held(visit, "GET") as asked:
            await revoke.dblclick()
            await visit.page.wait_for_timeout(100)
            assert [path for path in asked if re.fullmatch("/tokens/[^?]+", path)] == asked[:1]

        await expect(visit.heading("Revoke this token?", 2)).to_be_visible()
        await expect(visit.page.get_by_role("dialog")).to_have_count(1)
        await visit.dialog.get_by_role("button", name="Cancel", exact=True).click(force=True)
