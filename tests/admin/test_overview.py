"""The start page of administrators, the queues as a chart and as a table, and the inventory of tokens."""

import re

from playwright.async_api import expect

from service.permissions import EXECUTE, FULL_ACCESS, READ
from tests.admin.browser import Desk
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

FORGOTTEN = "Forgotten" * 28


async def test_overview_shows_what_needs_attention_with_ways_to_it(desk: Desk, client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    invoices = await world.pipeline("Invoices")
    await world.pipeline(FORGOTTEN)
    await world.grant(invoices, bob, READ | EXECUTE)
    await As.member(client, ada)(
        "PUT", f"/flow/pipeline/{invoices}/grants/users/ada", {"permissions": [], "is_manager": True}
    )
    await world.job(bob, job_id="4711")
    await world.job(bob, invoices, job_id="4712")
    await world.raw.execute(
        "UPDATE tokens SET name = 'ci', created_at = now() - interval '100 days', last_used_at = NULL"
        " WHERE user_id = $1",
        bob.id,
    )
    async with desk.visit(ada, "/") as visit:
        await expect(visit.heading("Overview")).to_be_visible()
        await expect(visit.link("Overview")).to_have_attribute("aria-current", "page")
        for title, item in (
            ("Pipelines nobody can execute", FORGOTTEN),
            ("Tokens unused for 90 days", "ci of bob, never used"),
            ("Jobs in no pipeline", "4711 of bob, just now"),
            ("Self-granted managers", "ada on Invoices"),
        ):
            region = visit.page.get_by_role("region", name=title)
            await expect(region.get_by_role("heading")).to_have_text(re.compile(rf"^{title}:\s+1$"))
            await expect(region.get_by_role("listitem")).to_have_text([item])
        assert await visit.lines(visit.link(FORGOTTEN).locator("bdi").first) == 3
        await expect(visit.page.get_by_text("Nothing to do: grants that end this week.")).to_be_visible()
        assert await visit.row("Invoices").locator("svg rect").count() == 4
        await expect(visit.row("Invoices").get_by_role("cell").first).to_have_text("1 job")
        await visit.link("See them all").click()
        await expect(visit.heading("All tokens")).to_be_focused()
        await expect(visit.page.get_by_role("rowheader")).to_have_text(re.compile("^ci"))


async def test_overview_without_anything_says_so_and_is_for_administrators(desk: Desk, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    async with desk.visit(ada, "/") as visit:
        await expect(visit.page.get_by_text("Nothing needs attention")).to_be_visible()
        await visit.accessible("nothing")
    async with desk.visit(bob, "/") as visit:
        await expect(visit.heading("Pipelines")).to_be_visible()
        await visit.follow("/overview")
        await expect(visit.page.get_by_text("This page is not for you")).to_be_visible()


async def test_token_inventory_marks_disabled_users_and_rotates(desk: Desk, client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    await world.grant(await world.pipeline("Invoices"), bob, FULL_ACCESS)
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", bob.id)
    async with desk.visit(ada, "/tokens") as visit:
        await visit.link("All tokens").click()
        rows = visit.page.get_by_role("rowheader")
        await expect(visit.page.get_by_text("2 tokens")).to_be_visible()
        await visit.field("Of disabled users").check()
        await expect(rows).to_have_count(1)
        await visit.field("Expires").select_option("Never")
        await expect(visit.page).to_have_url(re.compile(r"\?expires=never&of_disabled=true$"))
        await visit.page.reload()
        await expect(rows).to_have_count(1)
        await visit.field("Of disabled users").uncheck()
        await expect(rows).to_have_count(2)
        await visit.button("User").click()
        await expect(visit.page.get_by_role("row").nth(1)).to_contain_text("ada")
        await visit.button("User").click()
        await expect(visit.page.get_by_role("row").nth(1)).to_contain_text("bob")
        of_bob = visit.page.get_by_role("row").filter(has_text="bob")
        await expect(of_bob).to_contain_text("Disabled")
        await expect(of_bob).to_contain_text("Never")
        await of_bob.get_by_role("button", name="Rotate").click()
        await visit.field("Ends at once").check()
        await visit.dialog.get_by_role("button", name="Rotate token").click()
        await expect(visit.dialog.get_by_role("heading", name="Copy the token now")).to_be_visible()
        await visit.button("Copy the token").click()
        await visit.confirm("Done")
    assert await world.raw.fetchval("SELECT count(*) FROM tokens WHERE user_id = $1", bob.id) == 2
