"""Pages of users without the role of an administrator, which offer only what these may do."""

import pytest
from playwright.async_api import expect

from service.permissions import EXECUTE, FULL_ACCESS, MANAGE_PIPELINES, READ
from tests.admin.browser import Desk, Visit
from tests.conftest import Client
from tests.factories import World


async def sections(visit: Visit) -> list[str]:
    return await visit.page.get_by_role("navigation", name="Sections").get_by_role("link").all_inner_texts()


async def test_pages_of_a_member_with_execute_offer_only_permitted_actions(desk: Desk, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    invoices, hidden = await world.pipeline("Invoices"), await world.pipeline("Hidden")
    readable = await world.pipeline("Readable")
    await world.grant(invoices, await world.group(bob, name="reviewers"))
    await world.grant(readable, bob, READ)
    await world.job(ada, invoices, readable, job_id="4711")
    async with desk.visit(bob) as visit:
        assert await sections(visit) == ["Pipelines", "Jobs", "Tokens"]
        await expect(visit.page.get_by_role("rowheader")).to_have_text(["Invoices", "Readable"])
        await expect(visit.row("Invoices")).to_contain_text("Read, Execute")
        for absent in ("Create pipeline", "Edit Invoices", "Delete Invoices"):
            await expect(visit.button(absent)).to_have_count(0)

        await visit.link("Invoices").click()
        await expect(visit.page.get_by_role("navigation", name="Of this pipeline").get_by_role("link")).to_have_text(
            ["Queue", "My access"]
        )
        await expect(visit.row("4711")).to_be_visible()
        for absent in ("Edit", "Delete", "Give access"):
            await expect(visit.button(absent)).to_have_count(0)
        await expect(visit.link("See its changes")).to_have_count(0)
        await visit.link("My access").click()
        await expect(visit.page.get_by_role("list", name="The answer")).to_contain_text("bob can't Write")

        await visit.link("Jobs").click()
        await visit.link("4711").click()
        for absent in ("Rename", "Forget", "Take it out of Readable"):
            await expect(visit.button(absent)).to_have_count(0)
        await visit.box("Put it into").fill("a")
        await expect(visit.page.get_by_role("option")).to_have_text("Nothing fits.")
        await visit.page.keyboard.press("Escape")
        await visit.button("Take it out of Invoices").click()
        await visit.button("Save").click()
        await visit.said("pipelines are saved")
        assert await world.pipelines_of("4711") == [readable]

        await visit.go(f"/pipelines/{hidden}")
        await expect(
            visit.page.get_by_text(f"Pipeline {hidden} does not exist, or you may not see it.")
        ).to_be_visible()


@pytest.mark.parametrize("path", ["/users", "/groups", "/groups/reviewers", "/audit"])
async def test_administrator_pages_refuse_a_member(desk: Desk, world: World, path: str) -> None:
    async with desk.visit(await world.user("bob"), path) as visit:
        await expect(visit.page.get_by_text("This page is not for you")).to_be_visible()


async def test_pages_of_a_member_without_grants_say_what_comes_next(desk: Desk, world: World) -> None:
    async with desk.visit(await world.user("bob")) as visit:
        await expect(visit.page.get_by_text("They appear here as soon as a manager")).to_be_visible()
        await visit.link("Jobs").click()
        await expect(visit.page.get_by_text("No jobs to see")).to_be_visible()
        await visit.link("Tokens").click()
        await expect(visit.page.get_by_role("rowheader")).to_have_count(1)
        await expect(visit.page.get_by_role("combobox")).to_have_count(0)
        await visit.button("Make a token").click()
        await expect(visit.box("For")).to_have_count(0)


async def test_give_access_offers_only_permissions_that_the_user_holds(desk: Desk, world: World) -> None:
    bob, pipeline = await world.user("bob"), await world.pipeline("Invoices")
    await world.grant(pipeline, bob, READ | EXECUTE | MANAGE_PIPELINES)
    await world.grant(pipeline, await world.user("chief"), FULL_ACCESS)
    await world.grant(pipeline, await world.group(name="writers"), READ | 2)
    async with desk.visit(bob, f"/pipelines/{pipeline}") as visit:
        await expect(visit.row("chief").get_by_role("button")).to_have_count(0)
        await visit.button("Give access").click()
        await expect(visit.dialog.get_by_role("checkbox")).to_have_count(3)
        await expect(visit.field("Manager")).to_have_count(0)
        await visit.dialog.get_by_role("button", name="Give access").click()
        await expect(visit.dialog.get_by_text("Choose a user or a group of the list.")).to_be_visible()
        await visit.dialog.get_by_role("button", name="Cancel").click()
        await visit.button("Change what writers may do").click()
        await expect(visit.dialog).to_contain_text("They also hold Write. You can't grant what you don't hold")


async def test_pages_of_a_pipeline_administrator_create_and_manage_pipelines(
    desk: Desk, client: Client, world: World
) -> None:
    grace = await world.user("grace", role="pipeline_admin")
    await world.pipeline("Of somebody else")
    async with desk.visit(grace) as visit:
        assert await sections(visit) == ["Pipelines", "Jobs", "Tokens"]
        await expect(visit.row("Of somebody else")).to_contain_text("Manager")
        await visit.button("Create pipeline").click()
        await visit.field("Name").fill("of Somebody ELSE")
        await visit.dialog.get_by_role("button", name="Create pipeline").click()
        await expect(visit.dialog.get_by_text("There is a pipeline called")).to_be_visible()
        await expect(visit.field("Name")).to_be_focused()
        await visit.field("Name").fill("Of my own")
        await visit.confirm("Create pipeline")
        await expect(visit.heading("Of my own")).to_be_visible()
        await expect(visit.row("grace")).to_contain_text("Manager")


async def test_job_page_tells_its_owner_of_hidden_pipelines(desk: Desk, world: World) -> None:
    bob, seen, hidden = await world.user("bob"), await world.pipeline("Seen"), await world.pipeline("Hidden")
    await world.grant(seen, bob)
    await world.job(bob, hidden, job_id="4711")
    async with desk.visit(bob, "/jobs/4711") as visit:
        await visit.choose(visit.box("Put it into"), "se", "Seen")
        await expect(
            visit.page.get_by_text("If it is in pipelines that you can't see, it is taken out")
        ).to_be_visible()
