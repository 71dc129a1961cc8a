"""Work on one person and on many things at once, with the actions that it takes counted."""

from dataclasses import dataclass

import pytest
from playwright.async_api import Locator, expect

from tests.admin.browser import Desk, Visit
from tests.admin.large import BOBS_JOBS, large
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World


@dataclass
class Actions:
    """What a person does: each click, each text that is typed, each choice of a list."""

    visit: Visit
    taken: int = 0

    async def click(self, what: Locator) -> None:
        self.taken += 1
        await what.click()

    async def fill(self, field: Locator, text: str) -> None:
        self.taken += 1
        await field.fill(text)

    async def choose(self, name: str, choice: str) -> None:
        self.taken += 1
        await self.visit.choose(self.visit.box(name), choice, choice)


async def jobs(world: World, owner: Member, number: int, prefix: str = "case") -> None:
    await world.raw.execute(
        "INSERT INTO jobs (organization_id, id, owner_id) SELECT $1, $2 || lpad(n::text, 5, '0'), $3"
        " FROM generate_series(1, $4) n",
        world.id, f"{prefix}-", owner.id, number,
    )  # fmt: skip


async def test_access_of_a_person_is_seen_and_ended_in_few_actions(desk: Desk, client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    await world.grant(await world.pipeline("Invoices"), await world.group(bob, name="reviewers"))
    await world.job(bob, job_id="4711")
    async with desk.visit(ada) as visit:
        person = Actions(visit)
        await person.click(visit.link("Users"))
        await person.fill(visit.field("Search"), "bo")
        await person.click(visit.link("bob"))
        await expect(visit.row("Invoices")).to_contain_text("Read, Execute")
        await person.click(visit.button("Disable and hand over"))
        for lost in ("They lose Invoices.", "They are in reviewers.", "1 token of theirs stops working."):
            await expect(visit.dialog).to_contain_text(lost)
        await person.click(visit.dialog.get_by_role("button", name="Disable and hand over"))
        await expect(visit.dialog).to_contain_text("1 job of bob is now yours.")
        assert person.taken < 6
        await visit.button("Close").last.click()
        await expect(visit.heading("Could reach, once enabled again", 2)).to_be_visible()
    assert (await As.member(client, bob).get("/flow/pipeline")).status == 401
    assert (await As.member(client, ada).get("/jobs/4711")).body["job"]["owner"] == "ada"


@pytest.mark.slow
async def test_access_to_two_thousand_pipelines_is_seen_and_ended_in_few_actions(
    desk: Desk, client: Client, world: World
) -> None:
    """Among 2,010 pipelines, 1,500 users, a group of 1,200 and 5,000 jobs."""
    made = await large(world)
    async with desk.visit(made.admin) as visit:
        person = Actions(visit)
        await person.click(visit.link("Users"))
        await expect(visit.page.get_by_text("The first 50 of 1,500 users")).to_be_visible()
        await person.fill(visit.field("Search"), "bob")
        await person.click(visit.link("bob"))
        await expect(visit.row("pipeline 00050")).to_contain_text("Read, Execute")
        await expect(visit.page.get_by_text("The first 50 pipelines")).to_be_visible()
        await person.click(visit.button("Disable and hand over"))
        for lost in (
            "pipeline 00008 and 2,002 more.",
            "They are in reviewers.",
            "1 token of theirs",
            "500 jobs are theirs.",
        ):
            await expect(visit.dialog).to_contain_text(lost)
        await visit.accessible("what 2,010 pipelines are lost")
        await person.click(visit.dialog.get_by_role("button", name="Disable and hand over"))
        await expect(visit.dialog).to_contain_text(f"{BOBS_JOBS} jobs of bob are now yours.", timeout=120_000)
        assert person.taken < 6
        await visit.button("Close").last.click()
        await expect(visit.heading("Could reach, once enabled again", 2)).to_be_visible()
    assert (await As.member(client, made.bob).get("/flow/pipeline")).status == 401
    owned = "SELECT count(*) FROM jobs WHERE organization_id = $1 AND owner_id = $2"
    assert await world.raw.fetchval(owned, world.id, made.bob.id) == 0


async def test_two_hundred_jobs_go_into_a_pipeline_in_few_actions(desk: Desk, client: Client, world: World) -> None:
    ada, before = await world.user("ada", role="admin"), await world.pipeline("Before")
    pipeline = await world.pipeline("Invoices")
    await jobs(world, ada, 200)
    await jobs(world, ada, 1800, "other")
    await world.job(ada, before, job_id="case-x")
    count = "SELECT count(*) FROM assignments WHERE organization_id = $1 AND pipeline_id = $2"
    async with desk.visit(ada) as visit:
        person = Actions(visit)
        await person.click(visit.link("Jobs"))
        await expect(visit.page.get_by_text("The first 50 of 2,001 jobs")).to_be_visible()
        await person.fill(visit.field("Search"), "case-")
        await person.click(visit.button("Select all 201"))
        await expect(visit.page.get_by_text("201 jobs selected")).to_be_visible()
        await person.choose("Pipeline", "Invoices")
        await person.click(visit.button("Put in"))
        await expect(visit.dialog).to_contain_text("201 jobs put into Invoices.")
        assert person.taken < 6
        assert await world.raw.fetchval(count, world.id, pipeline) == 201
        assert await world.pipelines_of("case-x") == [before, pipeline]
        await visit.button("Undo").click()
        await expect(visit.dialog).to_contain_text("201 jobs taken out of Invoices.")
        assert await world.pipelines_of("case-x") == [before]
        await visit.button("Close").last.click()
        await visit.field("Search").fill("")
        await visit.button("Select all 2,001").click()
        await expect(visit.page.get_by_text("2,001 jobs selected")).to_be_visible()
        await visit.link("case-x").click()
        await visit.page.go_back()
        await expect(visit.page.get_by_text("2,001 jobs selected")).to_be_visible()


async def test_rows_are_selected_by_range_and_keyboard_and_ordered(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    for number in range(6):
        await world.job(ada, pipeline, job_id=f"case-{number}")
    async with desk.visit(ada, f"/pipelines/{pipeline}/queue") as visit:
        await visit.field("Select case-1").click()
        await visit.field("Select case-3").click(modifiers=["Shift"])
        await expect(visit.page.get_by_text("3 jobs selected")).to_be_visible()
        await visit.field("Select case-2").press("Space")
        await expect(visit.page.get_by_text("2 jobs selected")).to_be_visible()
        await visit.button("Select none").click()
        await visit.field("Select case-1").press("Space")
        await visit.field("Select case-3").press("Shift+Space")
        await expect(visit.page.get_by_text("3 jobs selected")).to_be_visible()
        await visit.field("Select case-2").press("Space")
        await visit.button("Take them out").click()
        await expect(visit.dialog).to_contain_text("2 jobs taken out of Invoices.")
        await visit.button("Close").last.click()
        rows = visit.page.get_by_role("rowheader")
        await expect(rows).to_have_text(["case-0", "case-2", "case-4", "case-5"])
        await visit.button("In the queue since").press("Enter")
        await expect(rows).to_have_text(["case-5", "case-4", "case-2", "case-0"])
        await expect(visit.button("In the queue since")).to_be_focused()
        await expect(visit.page.get_by_role("columnheader", name="In the queue since")).to_have_attribute(
            "aria-sort", "descending"
        )
        await visit.field("Search").fill("-4")
        await expect(rows).to_have_text(["case-4"])
        await visit.page.reload()
        await expect(rows).to_have_text(["case-4"])


async def test_pasted_names_say_what_each_does_and_failures_are_copied(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.group(await world.user("bob"), name="team")
    await world.user("carol")
    async with desk.visit(ada, "/users") as visit:
        await visit.button("Create many").click()
        await visit.field("Usernames, or a CSV").fill('username;display_name\r\nnew.one;"One; ""New"""\nme\nCarol\n!\n')
        await expect(visit.dialog).to_contain_text("2 users to create, 1 without effect, 1 that can't be.")
        await expect(visit.dialog).to_contain_text('Member, One; "New"')
        await visit.accessible("preview")
        await visit.dialog.get_by_role("button", name="Create them").click()
        await expect(visit.dialog).to_contain_text("1 user is created.")
        await visit.accessible("failures")
        await visit.button("Copy what failed").click()
        assert str(await visit.page.evaluate("navigator.clipboard.readText()")).startswith("me\t")
        await visit.button("Close").last.click()
        await expect(visit.row("new.one")).to_be_visible()
        await visit.follow("/groups/team")
        await visit.button("Add many").click()
        await visit.field("Usernames or emails").fill("bob, CAROL, nobody")
        await expect(visit.dialog).to_contain_text("1 member to add, 1 without effect, 1 that can't be.")
        await visit.dialog.get_by_role("button", name="Add them").click()
        await expect(visit.dialog).to_contain_text("1 user came into team.")
        await visit.button("Undo").click()
        await expect(visit.dialog).to_contain_text("1 user left team.")
        await visit.button("Close").last.click()
        await expect(visit.page.get_by_role("rowheader")).to_have_count(1)


async def test_several_groups_get_the_same_access_at_once(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    for name in ("one", "two", "three"):
        await world.group(name=name)
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.button("Give access").first.click()
        await visit.choose(visit.box("To whom"), "one", "one")
        await visit.button("Add another").click()
        await visit.choose(visit.box("To whom"), "two", "two")
        await visit.dialog.get_by_role("button", name="Give access").click()
        await expect(visit.dialog).to_contain_text("2 grants given.")
        await visit.button("Close").last.click()
        await expect(visit.page.get_by_role("rowheader")).to_have_count(2)
        await visit.follow("/groups")
        await visit.field("Select all groups that are shown").click()
        await visit.choose(visit.box("Pipeline"), "Inv", "Invoices")
        await visit.button("Give access").click()
        await visit.dialog.get_by_role("button", name="Give access").click()
        await expect(visit.dialog).to_contain_text("1 grant given.")
        await expect(visit.dialog).to_contain_text("2 grants failed")
        await visit.button("Close").last.click()
        await visit.follow("/groups/three/grants")
        await expect(visit.row("Invoices")).to_contain_text("Read, Execute")
        await visit.button("Delete").click()
        await expect(visit.dialog).to_contain_text("What is lost, by pipeline: Invoices (Read, Execute).")
