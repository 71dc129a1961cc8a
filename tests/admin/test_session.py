"""Sessions: signing in, the end of a token during an edit, and narrowed tokens."""

import hashlib
import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from service.permissions import EXECUTE, MANAGE_PIPELINES, READ, WRITE
from tests.admin.browser import Desk, Visit
from tests.conftest import Client
from tests.factories import Member, World


async def revoke(world: World, token: str) -> None:
    digest = hashlib.sha256(token.encode()).digest()
    await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE digest = $1", digest)


async def again(visit: Visit, token: str) -> None:
    await expect(visit.dialog.get_by_role("heading", name="Sign in again")).to_be_visible()
    await visit.field("Token").fill(token)
    await visit.dialog.get_by_role("button", name="Sign in").click()


async def test_token_revoked_during_an_edit_asks_to_sign_in_again(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.button("Edit").click()
        await visit.field("Description (optional)").fill("an hour's work")
        await revoke(world, ada.token)
        await visit.dialog.get_by_role("button", name="Save").click()

        await expect(visit.dialog).to_contain_text("What you typed is still there.")
        assert ada.token not in str(await visit.stored())
        fresh = await world.token(ada.id)
        await again(visit, fresh)

        await expect(visit.page.get_by_text("an hour's work")).to_be_visible()
        await expect(visit.page.get_by_role("dialog")).to_have_count(0)
        assert fresh in str(await visit.stored())
    assert await world.raw.fetchval("SELECT description FROM pipelines WHERE id = $1", pipeline) == "an hour's work"


async def test_sign_in_again_dismissed_keeps_the_form(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.button("Edit").click()
        await visit.field("Name").fill("Bills")
        await revoke(world, ada.token)
        await visit.dialog.get_by_role("button", name="Save").click()
        await expect(visit.dialog.get_by_role("heading", name="Sign in again")).to_be_visible()
        await visit.page.keyboard.press("Escape")

        await expect(visit.dialog).to_contain_text("You are signed out. Nothing you typed is lost")
        await expect(visit.field("Name")).to_have_value("Bills")
        await visit.dialog.get_by_role("button", name="Save").click()
        await again(visit, await world.token(ada.id))
        await expect(visit.heading("Bills")).to_be_visible()


async def test_sign_in_again_as_another_user_saves_nothing_unasked(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    eve = await world.user("eve", role="admin")
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.button("Edit").click()
        await visit.field("Name").fill("Bills")
        await revoke(world, ada.token)
        await visit.dialog.get_by_role("button", name="Save").click()
        await again(visit, eve.token)

        await expect(visit.dialog).to_contain_text("You are now signed in as eve.")
        await expect(visit.field("Name")).to_have_value("Bills")
        name = await world.raw.fetchval("SELECT name FROM pipelines WHERE id = $1", pipeline)
        assert name == "Invoices"
        await visit.confirm("Save")
        await expect(visit.heading("Bills")).to_be_visible()
    assert await world.raw.fetchval("SELECT actor FROM audit WHERE organization_id = $1", world.id) == "eve"


async def test_list_continues_after_signing_in_again(desk: Desk, world: World) -> None:
    """The page token belongs to the old token, so the list begins again, without an error."""
    ada = await world.user("ada", role="admin")
    for number in range(60):
        await world.pipeline(f"pipeline {number:02}")
    async with desk.visit(ada) as visit:
        await expect(visit.page.get_by_role("rowheader")).to_have_count(50)
        await revoke(world, ada.token)
        await visit.button("Show more").click()
        await again(visit, await world.token(ada.id))
        await expect(visit.page.get_by_role("rowheader")).to_have_count(60)


async def test_reload_with_a_revoked_token_shows_sign_in(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada) as visit:
        await revoke(world, ada.token)
        await visit.page.reload()

        await expect(visit.heading("Sign in")).to_be_visible()
        await expect(visit.page.get_by_text("The token is unknown, expired or revoked")).to_be_visible()
        assert await visit.stored() == [{}, {}, ""]


async def test_sign_in_refuses_a_malformed_token(desk: Desk) -> None:
    async with desk.visit(None) as visit:
        for text, said in (("", "Paste your token here."), ("with a space", "This is not a token.")):
            await visit.sign_in(text)
            await expect(visit.page.get_by_text(said)).to_be_visible()


async def test_reload_keeps_the_session_and_the_page(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    async with desk.visit(ada, f"/pipelines/{pipeline}/queue") as visit:
        await visit.page.reload()
        await expect(visit.heading("Queue", 2)).to_be_visible()
        assert list((await visit.stored())[0]) == ["flow-pipelines.token"]


async def test_tabs_share_a_session_until_one_signs_out_or_the_last_is_closed(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada) as visit:
        other = await visit.open_tab("/groups")
        await expect(other.heading("Groups")).to_be_visible()
        assert ada.token in str(await other.stored())

        await other.button("Sign out").click()
        for tab in (visit, other):
            await expect(tab.heading("Sign in")).to_be_visible()
            assert await tab.stored() == [{}, {}, ""]
            await expect(tab.page).to_have_url(re.compile(r"/admin/(pipelines)?$"))

        await visit.sign_in(ada.token)
        for tab, title in ((visit, "Pipelines"), (other, "Overview")):
            await expect(tab.heading(title)).to_be_visible()

        await other.page.close()
        await visit.go("/nowhere")
        context = visit.page.context
        last = await context.new_page()
        await visit.page.close()
        await last.goto(f"{desk.origin}/admin/groups")
        await expect(last.get_by_role("heading", name="Sign in", level=1)).to_be_visible()


async def test_edit_in_another_tab_survives_signing_out_and_in(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    eve = await world.user("eve", role="admin")
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.button("Edit").click()
        await visit.field("Name").fill("Bills")
        other = await visit.open_tab("/groups")
        await other.button("Sign out").click()
        await expect(other.heading("Sign in")).to_be_visible()
        assert await visit.stored() == [{}, {}, ""]
        await expect(visit.field("Name")).to_have_value("Bills")

        await visit.dialog.get_by_role("button", name="Save").click()
        await expect(visit.dialog.get_by_role("heading", name="Sign in again")).to_be_visible()
        await other.sign_in(eve.token)
        await expect(other.heading("Overview")).to_be_visible()
        await expect(visit.dialog.get_by_role("heading", name="Sign in again")).to_be_visible()
        await other.button("Sign out").click()
        await other.sign_in(ada.token)
        await expect(visit.heading("Bills")).to_be_visible()
        await expect(visit.page.get_by_role("dialog")).to_have_count(0)


async def narrowed(world: World, ada: Member, scopes: int) -> Member:
    expires = datetime.now(UTC) + timedelta(hours=1)
    return Member(ada.id, ada.username, await world.token(ada.id, scopes=scopes, expires_at=expires))


async def test_pages_of_a_narrowed_token_offer_only_permitted_actions(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    reader = await narrowed(world, ada, READ | WRITE)
    async with desk.visit(reader, f"/pipelines/{pipeline}") as visit:
        await expect(visit.page.get_by_role("navigation", name="Sections").get_by_role("link")).to_have_text(
            ["Pipelines", "Jobs"]
        )
        await expect(visit.page.get_by_role("banner")).to_contain_text("by a narrowed token")
        await expect(visit.button("Edit")).to_be_visible()
        for absent in ("Delete", "Give access"):
            await expect(visit.button(absent)).to_have_count(0)
        await visit.follow("/tokens")
        await expect(visit.page.get_by_text("was made without the scope for it")).to_be_visible()


async def test_make_token_offers_only_scopes_and_lifetime_of_the_calling_token(
    desk: Desk, client: Client, world: World
) -> None:
    ada = await world.user("ada", role="admin")
    maker = await narrowed(world, ada, READ | EXECUTE | MANAGE_PIPELINES | 64)
    async with desk.visit(maker, "/tokens") as visit:
        await visit.button("Make a token").first.click()
        await expect(visit.dialog.get_by_role("checkbox")).to_have_count(4)
        await visit.field("Execute").check()
        await visit.dialog.get_by_role("button", name="Make the token").click()
        await expect(visit.dialog).to_contain_text(
            "You may not make a token that lives longer than the one you call with."
        )
        await expect(visit.field("Execute")).to_be_checked()
