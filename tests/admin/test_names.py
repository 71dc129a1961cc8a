"""Hostile names and addresses: whatever they contain is shown as text, and affects nothing around it."""

import pytest
from playwright.async_api import expect

from service.permissions import FULL_ACCESS
from tests.admin.browser import Desk
from tests.conftest import Client
from tests.factories import World

HOSTILE = [
    "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>",
    "\"quoted\" 'twice' &amp; `back` ${template} {{braces}}",
    "\u202eright to left override",
    "\u05d7\u05e9\u05d1\u05d5\u05e0\u05d9\u05d5\u05ea 123 (\u0645\u0633\u0648\u062f\u0629)",
    "W" * 255,
    "a b" + "\u0301" * 60,
    "../../users?x=#y%2F%00",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_pages_show_a_hostile_pipeline_name_as_text(desk: Desk, client: Client, world: World, name: str) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    renamed = name.lstrip("\u202e")[:-1] + "!"  # it is taken from no one any more, but may be there from before
    pipeline = await world.pipeline(name)
    await world.grant(pipeline, bob, FULL_ACCESS)
    await world.job(ada, pipeline, job_id="4711")
    async with desk.visit(ada, width=360) as visit:
        await expect(visit.page.get_by_role("rowheader")).to_have_text([name])
        assert (await visit.width())[0] == 360
        await visit.page.get_by_role("rowheader").get_by_role("link").click()
        await expect(visit.page.locator("h1 bdi")).to_have_text(name)
        assert await visit.page.title() == f"\u2068{name}\u2069 · Flow Pipelines"
        assert (await visit.width())[0] == 360
        assert await visit.page.locator("main :is(script, img)").count() == 0
        await visit.page.get_by_role("button", name="Delete").first.click()
        await expect(visit.dialog.locator("bdi").first).to_have_text(name)
        await visit.dialog.get_by_role("button", name="Cancel").click()
        await visit.button("Edit").click()
        await expect(visit.field("Name")).to_have_value(name)
        await visit.field("Name").fill(renamed)
        await visit.confirm("Save")
        await visit.follow("/audit")
        await visit.page.get_by_text("Before and after").click()
        await expect(visit.page.get_by_role("cell", name=renamed, exact=True).last).to_be_visible()
        await visit.follow("/jobs/4711")
        await expect(visit.page.get_by_role("listitem").get_by_role("link")).to_have_text([renamed])
        assert (await visit.width())[0] == 360
        await visit.follow("/jobs")
        assert await visit.lines(visit.row("4711").get_by_role("link", name=renamed).locator("bdi")) <= 3


async def test_hostile_addresses_are_answered_by_a_page(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.job(ada, job_id="pipelines:..:-_.")
    async with desk.visit(ada, "/jobs/pipelines:..:-_.") as visit:
        await expect(visit.heading("pipelines:..:-_.")).to_be_visible()
        for path, said in (
            ("/jobs/%3Cb%3E", "Must be 1 to 128 characters"),
            ("/pipelines/%2e%2e%2fusers", "Not a valid UUID"),
            ("/groups/%E0%A4%A", "Must be 1 to 100 characters"),
            ("/nothing/here", "There is nothing at this address"),
            ("/?name=%3Cscript%3E", "None that you may see has “<script>” in its name."),
            ("/?name=x&is_manager=true", "has “x” in its name and fits the other filters."),
            ("/?is_manager=perhaps&permission=all", "No pipelines yet"),
        ):
            await visit.follow(path)
            await expect(visit.page.get_by_text(said).first).to_be_visible()


async def test_marks_piled_up_on_a_letter_stay_in_its_row(desk: Desk, world: World) -> None:
    """Over the names of others, they would be read as theirs."""
    ada = await world.user("ada", role="admin")
    plain, hostile = await world.pipeline("Invoices"), await world.pipeline("Z")
    await world.job(ada, hostile, job_id="below")
    await world.job(ada, plain, job_id="above")
    async with desk.visit(ada, "/jobs") as visit:
        above = visit.row("above")
        before = await above.screenshot()
        await world.raw.execute("UPDATE pipelines SET name = $2 WHERE id = $1", hostile, "Z" + "\u0302\u0323" * 100)
        await visit.go("/jobs")
        await expect(visit.row("below")).to_contain_text("\u0302\u0323")

        assert await above.screenshot() == before


async def test_names_that_differ_by_a_space_are_told_apart(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.pipeline("two spaces")
    await world.pipeline("two  spaces")
    async with desk.visit(ada) as visit:
        names = visit.page.get_by_role("rowheader").locator("bdi")
        await expect(names).to_have_count(2)
        widths = await names.evaluate_all(
            "all => all.map(each => { const range = document.createRange(); range.selectNodeContents(each);"
            " return range.getBoundingClientRect().width; })"
        )

    assert widths[0] != widths[1]
