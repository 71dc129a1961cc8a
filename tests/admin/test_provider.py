"""Signing in by an identity provider, in a real browser and at a real provider."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, Route, expect

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.settings import Settings
from service.values.identity_providers import Provider
from tests.admin.browser import Desk, Visit
from tests.factories import Member, World
from tests.oidc.running import AUDIENCE, PAGE, running_provider
from tests.process.running import free_port

SIGN_IN = "Sign in with Acme"
DEAF = """
    const listen = BroadcastChannel.prototype.addEventListener;
    BroadcastChannel.prototype.addEventListener = function (kind, act) {
        return listen.call(this, kind, (event) => window.deaf || act(event));
    };
"""
"""Has a tab hear nothing of others once `window.deaf` is set."""


@dataclass
class Place:
    """A service with a provider, and the browser that comes to it."""

    desk: Desk
    origin: str
    issuer: str

    @asynccontextmanager
    async def visit(self, path: str = "/pipelines", width: int = 1280) -> AsyncIterator[Visit]:
        """Open a tab that is not signed in, of a browser of its own."""
        context = await self.desk.browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce")
        visit = self.watched(await context.new_page())
        await visit.go(path)
        yield visit
        await context.close()
        assert visit.problems == []

    def watched(self, page: Page) -> Visit:
        visit = Visit(page, self.origin, elsewhere=self.issuer)
        visit.watch()
        return visit


@pytest.fixture(name="running", scope="module")
def _running() -> Iterator[tuple[int, str]]:
    port = free_port()
    with running_provider(f"http://127.0.0.1:{port}/admin/signed-in") as issuer:
        yield port, issuer


@pytest.fixture
async def place(
    desk: Desk, running: tuple[int, str], settings: Settings, database: Database, world: World
) -> AsyncIterator[Place]:
    """Start a service that takes sign-ins by the provider, for the test's organization."""
    port, issuer = running
    provider = Provider(issuer, AUDIENCE, client_id=PAGE, name="Acme", organization=world.id)
    app = create_app(replace(settings, providers=(provider,)), database, Health(database, 1))
    async with TestServer(app, port=port):
        yield Place(desk, f"http://127.0.0.1:{port}", issuer)


async def linked(world: World, place: Place, name: str = "ada", **more: Any) -> Member:
    """Create a user whom the provider knows by their name."""
    member = await world.user(name, **more)
    await world.raw.execute(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject) VALUES ($1, $2, $3, $4, $5)",
        *(world.id, uuid4(), member.id, place.issuer, name),
    )
    return member


async def log_in(page: Page, name: str) -> None:
    """Fill in the provider's own form."""
    await page.locator("input[name=login]").fill(name)
    await page.locator("input[name=password]").fill("any")
    await page.locator("button[type=submit]").click()


async def sign_in(visit: Visit, name: str = "ada") -> None:
    await visit.button(SIGN_IN).click()
    await log_in(visit.page, name)
    await expect(visit.button("Sign out")).to_be_visible()


async def expire(visit: Visit) -> None:
    """Let the browser's clock go on until the access token has expired."""
    await visit.page.clock.set_system_time(datetime.now(UTC) + timedelta(minutes=6))


async def tokens_stored(visit: Visit) -> list[str]:
    return re.findall(r"eyJ[\w-]+", str(await visit.stored()))


async def test_sign_in_leads_to_the_view_that_was_asked_for(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    pipeline = await world.pipeline("Invoices")
    async with place.visit(f"/pipelines/{pipeline}/queue") as visit:
        await expect(visit.field("Token")).to_be_hidden()
        await sign_in(visit)

        await expect(visit.heading("Queue", 2)).to_be_visible()
        assert visit.page.url == f"{place.origin}/admin/pipelines/{pipeline}/queue"
        assert await tokens_stored(visit) == []


async def test_reload_and_second_tab_need_no_password(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    await world.pipeline("Invoices")
    async with place.visit() as visit:
        await sign_in(visit)
        await visit.page.reload()
        await expect(visit.link("Invoices")).to_be_visible()

        second = place.watched(await visit.page.context.new_page())
        await second.go("/pipelines")
        await expect(second.link("Invoices")).to_be_visible()
        await visit.page.close()
        await second.page.reload()
        await expect(second.link("Invoices")).to_be_visible()
        assert (await tokens_stored(second), second.problems) == ([], [])


async def test_sign_out_ends_the_session_at_the_provider_and_in_every_tab(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    async with place.visit() as visit:
        await sign_in(visit)
        second = place.watched(await visit.page.context.new_page())
        await second.go("/pipelines")
        await expect(second.button("Sign out")).to_be_visible()
        await visit.button("Sign out").click()
        await visit.page.get_by_role("button", name="Sign me out").click()

        await expect(visit.heading("Sign in")).to_be_visible()
        await expect(second.heading("Sign in")).to_be_visible()
        assert await visit.stored() == [{}, {}, ""]
        await second.button(SIGN_IN).click()
        await expect(second.page.locator("input[name=login]")).to_be_visible()


async def test_sign_out_does_not_wait_for_the_provider(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    held: asyncio.Queue[Route] = asyncio.Queue()
    async with place.visit() as visit:
        await sign_in(visit)
        second = place.watched(await visit.page.context.new_page())
        await second.page.route(f"{place.issuer}/.well-known/openid-configuration", held.put)
        await second.go("/pipelines")
        await second.button("Sign out").click()
        asked = await held.get()

        await expect(visit.heading("Sign in")).to_be_visible()
        await expect(second.button("Sign out")).to_have_count(0)
        await asked.continue_()
        await expect(second.page.get_by_role("button", name="Sign me out")).to_be_visible()


async def test_expiry_during_an_edit_is_renewed_unasked_and_the_edit_is_the_persons(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    pipeline = await world.pipeline("Invoices")
    async with place.visit(f"/pipelines/{pipeline}") as visit:
        await sign_in(visit)
        second = place.watched(await visit.page.context.new_page())
        await second.go("/pipelines")
        await expect(second.link("Invoices")).to_be_visible()
        await visit.button("Edit").click()
        await visit.field("Name").fill("Bills")
        for each in (visit, second):
            await expire(each)
        await visit.dialog.get_by_role("button", name="Save").click()

        await expect(visit.heading("Bills")).to_be_visible()
        actors = await world.raw.fetch("SELECT actor FROM audit WHERE organization_id = $1", world.id)
        assert [row["actor"] for row in actors] == ["ada"]
        await second.follow("/jobs")  # by what the first tab was given, as a refresh token is good just once
        await expect(second.heading("Jobs")).to_be_visible()
        for each in (visit, second):
            await each.page.clock.set_system_time(datetime.now(UTC) + timedelta(minutes=12))
        third = place.watched(await visit.page.context.new_page())
        await third.go("/pipelines")  # by a tab whose token had ended, and which renewed it for this one
        await expect(third.link("Bills")).to_be_visible()
        await visit.link("Users").click()
        await expect(visit.heading("Users")).to_be_visible()
        assert (second.problems, third.problems) == ([], [])


async def test_expiry_without_a_renewal_loses_no_input(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    pipeline = await world.pipeline("Invoices")

    async def refuse(route: Route) -> None:
        if "refresh_token" in (route.request.post_data or ""):
            await route.abort()
        else:
            await route.continue_()

    async with place.visit(f"/pipelines/{pipeline}") as visit:
        await sign_in(visit)
        await visit.page.route(f"{place.issuer}/token", refuse)
        await visit.button("Edit").click()
        await visit.field("Name").fill("Bills")
        await expire(visit)
        await visit.dialog.get_by_role("button", name="Save").click()
        await expect(visit.dialog).to_contain_text("What you typed is still there.")
        await visit.accessible("sign in again")
        async with visit.page.expect_popup() as opened:
            await visit.button(SIGN_IN).click()

        await expect(visit.heading("Bills")).to_be_visible()
        popup = await opened.value
        if not popup.is_closed():
            await expect(popup.get_by_role("heading", name="You are signed in")).to_be_visible()
        visit.problems[:] = [each for each in visit.problems if "net::ERR_FAILED" not in each]


async def test_sign_out_in_another_tab_stands_while_the_token_is_renewed(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    pipeline = await world.pipeline("Invoices")
    held: asyncio.Queue[Route] = asyncio.Queue()

    async def hold(route: Route) -> None:
        if "refresh_token" in (route.request.post_data or ""):
            await held.put(route)
        else:
            await route.continue_()

    async with place.visit(f"/pipelines/{pipeline}") as visit:
        await sign_in(visit)
        second = place.watched(await visit.page.context.new_page())
        await second.go("/pipelines")
        await expect(second.link("Invoices")).to_be_visible()
        await visit.page.route(f"{place.issuer}/token", hold)
        await visit.button("Edit").click()
        await visit.field("Name").fill("Bills")
        await expire(visit)
        await visit.dialog.get_by_role("button", name="Save").click()
        renewal = await held.get()
        await second.button("Sign out").click()
        await expect(second.page.get_by_role("button", name="Sign me out")).to_be_visible()
        await renewal.continue_()

        await expect(visit.dialog).to_contain_text("What you typed is still there.")
        assert await world.raw.fetchval("SELECT name FROM pipelines WHERE id = $1", pipeline) == "Invoices"
        assert await visit.stored() == [{}, {}, ""]


async def test_sign_out_by_a_tab_that_has_not_heard_of_the_renewed_token_counts_everywhere(
    place: Place, world: World
) -> None:
    """A tab that signs out in the moment in which another renews the token tells the others of the former one."""
    await linked(world, place, role="admin")
    await world.pipeline("Invoices")
    async with place.visit() as visit:
        await sign_in(visit)
        second = place.watched(await visit.page.context.new_page())
        await second.page.add_init_script(DEAF)
        await second.go("/pipelines")
        await expect(second.link("Invoices")).to_be_visible()
        await second.page.evaluate("window.deaf = true")
        await expire(visit)
        async with visit.page.expect_response(f"{place.issuer}/token"):
            await visit.link("Users").click()
        await expect(visit.heading("Users")).to_be_visible()
        await second.button("Sign out").click()

        await expect(visit.heading("Sign in")).to_be_visible()


async def test_person_without_a_user_is_told_so_and_may_use_another_account(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    async with place.visit() as visit:
        await visit.button(SIGN_IN).click()
        await log_in(visit.page, "eve")
        await expect(visit.page.get_by_text("The identity provider knows you as eve")).to_be_visible()
        await visit.accessible("refused")
        await visit.button("Use another account").click()
        await log_in(visit.page, "ada")
        await expect(visit.button("Sign out")).to_be_visible()


async def test_reload_after_the_providers_session_has_ended_asks_to_sign_in(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    async with place.visit() as visit:
        await sign_in(visit)
        await visit.page.context.clear_cookies()
        await visit.page.reload()

        await expect(visit.heading("Sign in")).to_be_visible()
        await expect(visit.page.locator(".notice")).to_have_count(0)
        await visit.accessible("signed out")
        assert await visit.stored() == [{}, {}, ""]


async def test_disabled_user_is_refused_at_once_and_not_renewed(place: Place, world: World) -> None:
    ada = await linked(world, place, role="admin")
    async with place.visit() as visit:
        await sign_in(visit)
        await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", ada.id)
        await visit.link("Jobs").click()
        await expect(visit.dialog.get_by_role("heading", name="Sign in again")).to_be_visible()


FORGED = (
    ("state", "forged", "was not begun here"),
    ("iss", "https://evil.example", "is not from Acme"),
    ("code", "forged", "refused to sign you in"),
    ("iss", None, "is not from Acme"),
)
"""Parameters of the answer, what they are made, and what is said then, which differs from one to the next."""


def forging(parameter: str, value: str | None) -> Callable[[Route], Awaitable[None]]:
    """Return what puts another value into the provider's answer, or none."""

    async def forge(route: Route) -> None:
        answer = await route.fetch(max_redirects=0)
        instead = rf"\1{parameter}={value}" if value else r"\1"
        address = re.sub(rf"([?&]){parameter}=[^&]*", instead, answer.headers["location"])
        await route.fulfill(status=303, headers={"Location": address})

    return forge


async def test_answer_that_does_not_fit_is_not_taken(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    async with place.visit() as visit:
        await sign_in(visit)
        await visit.page.evaluate("sessionStorage.clear()")
        await visit.page.reload()
        for parameter, value, said in FORGED:
            await visit.page.route(f"{place.issuer}/auth?*", forging(parameter, value), times=1)
            await visit.button(SIGN_IN).click()

            await expect(visit.page.get_by_text(said)).to_be_visible()
            await expect(visit.button("Sign out")).to_have_count(0)
            assert "code=" not in visit.page.url
        visit.problems[:] = [each for each in visit.problems if "400" not in each]


async def test_identity_token_of_another_sign_in_is_not_taken(place: Place, world: World) -> None:
    await linked(world, place, role="admin")
    async with place.visit() as visit:
        await visit.page.add_init_script(
            "const parse = JSON.parse; JSON.parse = (text) => { const found = parse(text);"
            " const claim = sessionStorage.getItem('forge');"
            " if (claim && found?.nonce && found.sub) found[claim] = 'forged'; return found; };"
        )
        await visit.page.reload()
        for claim in ("nonce", "aud", "iss"):
            await visit.page.evaluate("(claim) => sessionStorage.setItem('forge', claim)", claim)
            async with visit.page.expect_request(f"{place.origin}/admin/signed-in?*"):
                await visit.button(SIGN_IN).click()
                if claim == "nonce":
                    await log_in(visit.page, "ada")
            await expect(visit.page.get_by_text("is not for this sign-in")).to_be_visible()
        await visit.page.evaluate("sessionStorage.removeItem('forge')")
        await visit.button(SIGN_IN).click()
        await expect(visit.button("Sign out")).to_be_visible()  # nothing else stands in the way


async def test_provider_that_is_away_is_told_and_a_token_still_works(place: Place, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with place.visit(width=360) as visit:
        await visit.page.route(f"{place.issuer}/**", lambda route: route.abort())
        await visit.button(SIGN_IN).click()
        await expect(visit.page.get_by_text("Acme can't be reached")).to_be_visible()
        await visit.accessible("away")
        assert (await visit.width())[0] <= 360
        await visit.page.get_by_text("Use a token", exact=True).click()
        await visit.sign_in(ada.token)
        await expect(visit.button("Menu")).to_be_visible()
        visit.problems[:] = [each for each in visit.problems if "net::ERR_FAILED" not in each]
