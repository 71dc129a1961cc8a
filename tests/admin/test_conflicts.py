"""Concurrent edits: the second user is told, sees the current state, and overwrites nothing unasked."""

from typing import Any

from playwright.async_api import expect

from service.permissions import EXECUTE, READ
from tests.admin.browser import Desk, Visit
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World


async def told(visit: Visit, *cells: str) -> None:
    """Expect the notice, with the current values beside the typed ones."""
    await expect(visit.page.get_by_text("Nothing has been overwritten.")).to_be_visible()
    await expect(visit.page.locator(".conflict tbody td")).to_have_text([*cells])
    await expect(visit.button("Keep mine")).to_be_focused()


async def test_edit_pipeline_shows_the_change_of_another_administrator(
    desk: Desk, client: Client, world: World
) -> None:
    ada, eve = await world.user("ada", role="admin"), await world.user("eve", role="admin")
    pipeline = await world.pipeline("Invoices")
    where = f"/pipelines/{pipeline}"
    async with desk.visit(ada, where) as first, desk.visit(eve, where) as second:
        for visit in (first, second):
            await visit.button("Edit").click()
            await expect(visit.field("Name")).to_have_value("Invoices")
        await first.field("Name").fill("Bills")
        await first.field("Description (optional)").fill("by ada")
        await first.confirm("Save")
        await second.field("Name").fill("Receipts")
        await second.dialog.get_by_role("button", name="Save").click()

        await told(second, "Bills", "Receipts", "by ada", "nothing")
        await expect(second.field("Name")).to_have_value("Receipts")
        assert (await As.member(client, ada).get(f"/flow{where[:9]}/{pipeline}")).body["pipeline"]["name"] == "Bills"

        await second.button("Take theirs").click()
        await expect(second.field("Name")).to_have_value("Bills")
        await second.field("Name").fill("Bills and receipts")
        await second.confirm("Save")
        await expect(second.heading("Bills and receipts")).to_be_visible()
        await expect(second.page.get_by_text("by ada")).to_be_visible()


async def test_edit_pipeline_overwrites_only_the_version_that_was_shown(
    desk: Desk, client: Client, world: World
) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    call = As.member(client, ada)
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.button("Edit").click()
        await visit.field("Name").fill("Mine")
        await call("PATCH", f"/flow/pipeline/{pipeline}", {"name": "Theirs"})
        await visit.dialog.get_by_role("button", name="Save").click()
        await told(visit, "Theirs", "Mine", "nothing", "nothing")
        await visit.button("Keep mine").click()
        await call("PATCH", f"/flow/pipeline/{pipeline}", {"name": "Theirs again"})
        await visit.dialog.get_by_role("button", name="Save").click()
        await told(visit, "Theirs again", "Mine", "nothing", "nothing")
        await visit.button("Keep mine").click()
        await visit.confirm("Save")
        await expect(visit.heading("Mine")).to_be_visible()


async def test_give_access_shows_an_existing_grant_and_does_not_replace_it(desk: Desk, world: World) -> None:
    ada, bob, pipeline = await world.user("ada", role="admin"), await world.user("bob"), await world.pipeline()
    await world.user("carol")
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.button("Give access").first.click()
        await visit.choose(visit.box("To whom"), "bob", "bob")
        await world.grant(pipeline, bob, READ)
        await visit.dialog.get_by_role("button", name="Give access").click()

        await told(visit, "Read", "Read, Execute", "never", "never")
        granted = await world.raw.fetchval("SELECT access FROM user_grants WHERE pipeline_id = $1", pipeline)
        assert granted == READ
        await visit.choose(visit.box("To whom"), "carol", "carol")
        await visit.confirm("Give access")
        await expect(visit.row("carol")).to_contain_text("Read, Execute")
        await visit.button("Give access").click()
        await visit.choose(visit.box("To whom"), "bob", "bob")
        await visit.dialog.get_by_role("button", name="Give access").click()
        await told(visit, "Read", "Read, Execute", "never", "never")
        await visit.button("Keep mine").click()
        await visit.confirm("Give access")
        await expect(visit.row("bob")).to_contain_text("Read, Execute")


async def test_change_grant_shows_a_concurrent_change(desk: Desk, client: Client, world: World) -> None:
    ada, bob, pipeline = await world.user("ada", role="admin"), await world.user("bob"), await world.pipeline()
    await world.grant(pipeline, bob, READ | EXECUTE)
    call, path = As.member(client, ada), f"/flow/pipeline/{pipeline}/grants/users/bob"
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        row = visit.page.get_by_role("row").filter(has=visit.button("Change what bob may do"))
        await visit.button("Change what bob may do").click()
        await visit.field("Write").check()
        manager = {"permissions": [], "is_manager": True}
        await call("PUT", path, manager)
        await visit.dialog.get_by_role("button", name="Save").click()
        await told(visit, "Manager", "Read, Execute, Write", "never", "never")
        await visit.button("Take theirs").click()
        await expect(visit.field("Manager")).to_be_checked()
        await visit.confirm("Save")
        assert (await call.get(path)).body["grant"]["is_manager"] is True

        await expect(row).to_contain_text("Manager")
        await visit.button("Change what bob may do").click()
        await expect(visit.field("Manager")).to_be_checked()
        await call("PUT", path, {"permissions": ["flow_pipeline:write"]})
        await visit.dialog.get_by_role("button", name="Save").click()
        await told(visit, "Read, Write", "Manager", "never", "never")
        await visit.button("Take theirs").click()
        await expect(visit.field("Manager")).not_to_be_checked()
        assert [await visit.field(name).is_checked() for name in ("Read", "Execute", "Write", "Delete")] == [
            True, False, True, False,
        ]  # fmt: skip
        await visit.dialog.get_by_role("button", name="Cancel").click()

        await call("PUT", path, manager)
        await expect(row).to_contain_text("Manager")
        await visit.button("Change what bob may do").click()
        await visit.field("Manager").uncheck()
        await call("DELETE", path)
        await visit.dialog.get_by_role("button", name="Save").click()
        await told(visit, "nothing", "Read", "never", "never")
        await visit.dialog.get_by_role("button", name="Cancel").click()

        await call("PUT", path, manager)
        await visit.page.reload()
        await visit.button("Take back what bob may do").click()
        await expect(visit.dialog).to_be_visible()
        await call("PUT", path, {"permissions": []})
        await visit.dialog.get_by_role("button", name="Take it back").click()
        await expect(visit.dialog).to_contain_text("It is no longer as you have seen it: read it again.")


async def test_save_job_pipelines_shows_a_concurrent_change(desk: Desk, client: Client, world: World) -> None:
    ada = await world.user("ada", role="admin")
    first, second, third = [await world.pipeline(name) for name in ("First", "Second", "Third")]
    job = await world.job(ada, first, job_id="4711")
    call = As.member(client, ada)
    async with desk.visit(ada, "/jobs/4711") as visit:
        await visit.choose(visit.box("Put it into"), "sec", "Second")
        await call("POST", "/jobs/pipelines", {"job_id": job, "pipeline_ids": [str(third)]})
        await visit.button("Save").click()

        await told(visit, "Third", "First, Second")
        assert await world.pipelines_of(job) == [third]
        await visit.button("Keep mine").click()
        await expect(
            visit.page.get_by_text("it will be put into 2 pipelines and taken out of 1 pipeline")
        ).to_be_visible()
        await visit.button("Save").click()
        await visit.said("pipelines are saved")
        assert await world.pipelines_of(job) == [first, second]

        await visit.button("Take it out of First").click()
        await call("POST", "/jobs/pipelines", {"job_id": job, "pipeline_ids": []})
        await visit.button("Save").click()
        await told(visit, "nothing", "Second")
        await visit.button("Take theirs").click()
        await expect(visit.page.get_by_text("It is in no pipeline")).to_be_visible()
        await expect(visit.button("Save")).to_have_count(0)


Change = tuple[str, str, dict[str, Any]]
CHANGES: list[tuple[str, str, str, str, Change, tuple[str, str]]] = [
    (
        "/users", "Change the role of bob", "Administrator", "",
        ("PATCH", "/users/bob", {"disabled": True}), ("Member, disabled", "Administrator"),
    ),
    ("/groups/crew", "Rename", "Name", "team", ("PATCH", "/groups/crew", {"new_name": "Crew"}), ("Crew", "team")),
    ("/jobs/4711", "Rename", "Name", "mine", ("PUT", "/jobs/4711", {"name": "theirs"}), ("theirs", "mine")),
]  # fmt: skip
"""The path, the button of the dialog, a field and its text, the concurrent change, and the values then shown."""


async def test_edit_of_a_user_a_group_and_a_job_shows_a_concurrent_change(
    desk: Desk, client: Client, world: World
) -> None:
    ada = await world.user("ada", role="admin")
    await world.user("bob")
    await world.group(name="crew")
    await world.job(ada, job_id="4711")
    call = As.member(client, ada)
    async with desk.visit(ada) as visit:
        for path, opens, label, text, change, shown in CHANGES:
            await visit.follow(path)
            await visit.button(opens).click()
            await (visit.field(label).fill(text) if text else visit.field(label).check())
            assert (await call(*change)).status == 200
            await visit.dialog.get_by_role("button", name="Save").click()
            await told(visit, *shown)
            await visit.button("Keep mine").click()
            await visit.confirm("Save")
