"""Fields as browsers let people fill them, and names that are longer than their place: an answer where it belongs."""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.admin.browser import Desk
from tests.conftest import Client
from tests.factories import World

LONG = "maximiliane.schwarzenberger-oberhuber@subsidiary.international.example.com"
DATES = {
    "12345-01-01T00:00": "Choose a date and a time before the year 2200.",
    "275760-09-13T00:00": "Choose a date and a time before the year 2200.",
    "9999-12-31T23:59": "Must be a time",
    "0001-01-01T00:00": "Must be a time",
    "": "Choose a date and a time before the year 2200.",
}


async def put(field: Locator, value: str, event: str = "input") -> None:
    """Have a value in a field as its browser's own controls put it there."""
    await field.evaluate(
        "(field, [value, event]) => { field.value = value; field.dispatchEvent(new Event(event, {bubbles: true})); }",
        [value, event],
    )


async def test_expiry_that_is_no_time_is_an_error_at_its_field(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline()
    await world.user("bob")
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.button("Give access").first.click()
        await visit.choose(visit.box("To whom"), "bob", "bob")
        await visit.field("Access ends").select_option("date")
        for value, said in DATES.items():
            await put(visit.field("Access ends: date and time"), value)
            await visit.dialog.get_by_role("button", name="Give access").click()
            await expect(visit.dialog.locator(".field-error:not(:empty)")).to_contain_text(said)
            await expect(visit.field("Access ends: date and time")).to_be_focused()
        await visit.field("Access ends").select_option("never")
        await visit.confirm("Give access")
        await visit.follow("/tokens")
        await visit.button("Make a token").first.click()
        await visit.field("Name").fill("t")
        await visit.field("Expires").select_option("date")
        await put(visit.field("Expires: date and time"), "12345-01-01T00:00")
        await visit.dialog.get_by_role("button", name="Make the token").click()
        await expect(visit.dialog.locator(".field-error:not(:empty)")).to_contain_text("before the year 2200")
        await visit.close_dialogs()


@pytest.mark.parametrize("day", ["12345-01-01", "275760-09-13", "0001-01-01", "2200-01-01"])
async def test_day_out_of_bounds_is_an_error_at_its_filter(desk: Desk, world: World, day: str) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/audit") as visit:
        for label in ("From", "To"):
            await put(visit.field(label), day, "change")
            await expect(visit.page.locator(".filters .field-error:not(:empty)")).to_have_text(
                "Choose a day from 1970 to 2199."
            )
            if day != "2200-01-01":  # of which the API only says that nothing fits
                await expect(visit.page.get_by_role("alert")).to_contain_text("Must be a time")
            await expect(visit.button("Try again")).to_have_count(0)
            await put(visit.field(label), "", "change")
            await expect(visit.page.locator(".filters .field-error:not(:empty)")).to_have_count(0)
            await expect(visit.page.get_by_role("alert")).to_have_count(0)


async def test_audit_trail_shows_a_name_of_the_form_of_a_time(desk: Desk, client: Client, world: World) -> None:
    ada = await world.user("ada", role="admin")
    name = "2026-99-99T99:99:99Z"
    await client.post("/api/v1/flow/pipeline", json={"name": name}, headers=ada.headers)
    async with desk.visit(ada, "/audit") as visit:
        await visit.page.get_by_text("Before and after").click()
        await expect(visit.page.get_by_role("cell", name=name, exact=True)).to_be_visible()


async def test_unknown_name_is_answered_where_it_can_be_read(desk: Desk, world: World) -> None:
    """Enter closes the list, also one that is still on its way, so that it hides nothing."""
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline()
    await world.group(name="g")
    async with desk.visit(ada, "/groups/g") as visit:
        for wait in (0, 600):
            await visit.box("Add a member").fill("nobody")
            await visit.page.wait_for_timeout(wait)
            await visit.box("Add a member").press("Enter")
            await expect(visit.page.locator(".field-error")).to_have_text("User nobody does not exist.")
            await visit.page.wait_for_timeout(600)
            await expect(visit.page.get_by_role("listbox")).to_have_count(0)
            await expect(visit.box("Add a member")).to_have_attribute("aria-expanded", "false")
        await visit.follow(f"/pipelines/{pipeline}")
        await visit.button("Give access").first.click()
        await visit.box("To whom").fill("nobody")
        await expect(visit.page.get_by_text("Nothing fits.")).to_be_visible()
        await visit.box("To whom").press("Enter")
        await expect(visit.dialog.locator(".field-error:not(:empty)")).to_have_text(
            "Choose a user or a group of the list."
        )
        await expect(visit.page.get_by_role("listbox")).to_have_count(0)
        await visit.close_dialogs()


async def test_half_a_character_is_answered(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.group(name="g")
    async with desk.visit(ada, "/jobs") as visit:
        await put(visit.field("Job ID"), "a\ud800b")
        await visit.button("Find the job").click()
        await expect(visit.page.get_by_text("Must be 1 to 128 characters").first).to_be_visible()
        await visit.follow("/groups/g")
        await put(visit.box("Add a member"), "\udc00")
        await visit.button("Add").click()
        await expect(visit.page.locator(".field-error")).to_contain_text("Must be 1 to 100 characters")


@pytest.mark.parametrize(
    "path", ["/groups/none", "/jobs/none", "/pipelines/8c400d55-15d4-41f9-b306-ec2836898d83", "/pipelines/x"]
)
async def test_page_of_nothing_offers_no_other_try(desk: Desk, world: World, path: str) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, path) as visit:
        await expect(visit.page.get_by_role("alert")).to_be_visible()
        await expect(visit.button("Try again")).to_have_count(0)
        await expect(visit.page.get_by_role("navigation", name="Breadcrumb")).to_be_visible()


async def test_names_break_where_their_parts_end(desk: Desk, client: Client, world: World) -> None:
    ada, long = await world.user("ada", role="admin"), await world.user(LONG, role="admin")
    pipeline = await world.pipeline("a")
    await world.grant(pipeline, long)
    await client.put("/api/v1/jobs/j", json={"pipeline_ids": [str(pipeline)]}, headers=long.headers)
    pages = (
        "/audit",
        "/users",
        "/jobs",
        f"/pipelines/{pipeline}",
        f"/pipelines/{pipeline}/who",
        f"/pipelines/{pipeline}/queue",
    )
    for width in (1280, 360):
        async with desk.visit(ada, width=width) as visit:
            for path in pages:
                await visit.follow(path)
                shown = visit.page.locator("main .name").filter(has_text=re.compile(f"^{re.escape(LONG)}$")).first
                await expect(shown).to_be_visible()
                for line in await lines(shown):
                    assert LONG.endswith(line) or re.search(r"[@._-]$", line), (width, path, line)
                assert (await visit.width())[0] == width


async def test_audit_trail_shows_command_line_on_one_line(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.raw.execute(
        "INSERT INTO audit (organization_id, actor, action, target) SELECT $1, 'command line', 'group.create',"
        " 'group:' || repeat('long-name.', 9) FROM generate_series(1, 3)",
        world.id,
    )
    async with desk.visit(ada, "/audit") as visit:
        who = visit.page.locator(".sentence > .name").first
        assert await lines(who) == ["command line"]


async def lines(element: Locator) -> list[str]:
    """Return the text of an element by the lines in which it is shown."""
    found: list[str] = await element.evaluate(
        """(element) => {
          const lines = new Map();
          const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
          for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            for (let index = 0; index < node.length; index += 1) {
              const range = document.createRange();
              range.setStart(node, index);
              range.setEnd(node, index + 1);
              const top = Math.round(range.getBoundingClientRect().top / 8);
              lines.set(top, (lines.get(top) ?? "") + node.data[index]);
            }
          }
          return [...lines.values()].map((line) => line.trim());
        }"""
    )
    return found
