"""The administrator's whole day, as one story."""

import re

from playwright.async_api import expect

from tests.admin.browser import Desk, Visit
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World


async def test_admin_page_covers_a_whole_day_of_an_administrator(desk: Desk, client: Client, world: World) -> None:
    ada = await world.user("ada", role="admin")
    call = As.member(client, ada)
    async with desk.visit(None) as visit:
        await signs_in(visit, ada.token)
        pipeline_id = await creates_a_pipeline(visit)
        assert (await call.get(f"/flow/pipeline/{pipeline_id}")).body["pipeline"]["name"] == "Invoices"
        await creates_a_user(visit)
        await creates_a_group(visit)
        await gives_access(visit)
        bob = As(client, await makes_a_token(visit))
        assert (await bob.get("/users/me")).body["user"]["groups"] == ["reviewers"]
        await sees_why(visit)
        await bob("PUT", "/jobs/4711", {"name": "batch 7"})
        await puts_a_job_in(visit)
        assert (await bob.get("/jobs/4711")).body["job"]["flow_pipeline_infos"] == [
            {"id": pipeline_id, "name": "Invoices"}
        ]
        await renames(visit)
        await sees_what_changed(visit)
        await takes_access_back(visit)
        assert (await bob.get("/flow/pipeline")).body["pipelines"] == []
        await deletes_with_a_warning(visit)
        assert (await bob.get("/jobs/4711")).body["job"]["flow_pipeline_infos"] == []
        await revokes_the_token(visit)
        assert (await bob.get("/users/me")).status == 401
        await disables_the_user(visit)
        assert (await call.get("/users/bob")).body["user"]["disabled"] is True
        await tidies_up(visit)
        await signs_out(visit)


async def signs_in(visit: Visit, token: str) -> None:
    await visit.sign_in("fp_mistyped")
    await expect(visit.page.get_by_text("The token is unknown, expired or revoked")).to_be_visible()
    await expect(visit.field("Token")).to_be_focused()
    await visit.sign_in(token)
    await expect(visit.heading("Pipelines")).to_be_visible()


async def creates_a_pipeline(visit: Visit) -> str:
    await expect(visit.page.get_by_text("No pipelines yet")).to_be_visible()
    await visit.button("Create the first pipeline").click()
    await visit.field("Name").fill("  Invoices ")
    await visit.field("Description (optional)").fill("Two reviewers each")
    await visit.confirm("Create pipeline")
    await expect(visit.heading("Invoices")).to_be_visible()
    await visit.said("Invoices is created")
    await visit.button("Copy the ID of Invoices").click()
    await visit.said("Copied")
    copied = str(await visit.page.evaluate("navigator.clipboard.readText()"))
    assert visit.page.url.endswith(f"/admin/pipelines/{copied}")
    return copied


async def creates_a_user(visit: Visit) -> None:
    await visit.link("Users").click()
    await visit.button("Create user").click()
    await visit.field("Username").fill("not a name")
    await visit.dialog.get_by_role("button", name="Create user").click()
    await expect(visit.dialog.get_by_text("Must be 1 to 100 characters of A-Z a-z 0-9 _ . @ -.")).to_be_visible()
    await expect(visit.field("Username")).to_be_focused()
    await visit.field("Username").fill("bob")
    await visit.confirm("Create user")
    await expect(visit.row("bob")).to_contain_text("Member")


async def creates_a_group(visit: Visit) -> None:
    await visit.link("Groups").click()
    await visit.button("Create the first group").click()
    await visit.field("Name").fill("reviewers")
    await visit.confirm("Create group")
    await expect(visit.heading("reviewers")).to_be_visible()
    await visit.choose(visit.box("Add a member"), "bo", "bob")
    await visit.button("Add").click()
    await expect(visit.row("bob")).to_be_visible()


async def gives_access(visit: Visit) -> None:
    await visit.link("Pipelines").click()
    await visit.link("Invoices").click()
    await visit.button("Give access").first.click()
    await visit.choose(visit.box("To whom"), "rev", "reviewers")
    await visit.confirm("Give access")
    await expect(visit.row("reviewers")).to_contain_text("Read, Execute")
    await visit.button("Change what reviewers may do").click()
    await visit.field("Write").check()
    await visit.field("Access ends").select_option("In 30 days")
    await visit.confirm("Save")
    await expect(visit.row("reviewers")).to_contain_text("Read, Execute, Write")
    await expect(visit.row("reviewers")).to_contain_text("in 30 days")


async def makes_a_token(visit: Visit) -> str:
    await visit.link("Tokens").click()
    await visit.button("Make a token").first.click()
    await visit.field("Name").fill("bob's flow runner")
    await visit.box("For").fill("bob")
    await visit.field("Only some of it").check()
    await visit.dialog.get_by_role("button", name="Make the token").click()
    await expect(visit.dialog.get_by_text("Must not be empty")).to_be_visible()
    await visit.field("Read").check()
    await visit.field("Execute").check()
    await visit.dialog.get_by_role("button", name="Make the token").click()
    await expect(visit.dialog.get_by_role("heading", name="Copy the token now")).to_be_visible()
    secret = await visit.field("Token").inner_text()
    await visit.page.keyboard.press("Escape")
    await expect(visit.dialog).to_contain_text("The token can't be shown again.")
    await visit.dialog.get_by_role("button", name="Go back").click()
    await visit.button("Copy the token").click()
    assert await visit.page.evaluate("navigator.clipboard.readText()") == secret
    await visit.confirm("Done")
    assert secret not in await visit.page.content()
    await visit.box("Tokens of").fill("bob")
    await visit.page.keyboard.press("Enter")
    await expect(visit.row("bob's flow runner")).to_contain_text("Read, Execute")
    await expect(visit.page).to_have_url(re.compile(r"/admin/tokens\?username=bob$"))
    return secret


async def sees_why(visit: Visit) -> None:
    await visit.link("Pipelines").click()
    await visit.link("Invoices").click()
    await visit.link("Who has access").click()
    await expect(visit.row("bob")).to_contain_text("Read, Execute, Write")
    await visit.link("Why does bob have access?").click()
    answer = visit.page.get_by_role("list", name="The answer")
    await expect(answer).to_contain_text("bob can Execute")
    await expect(answer).to_contain_text("because they are in the group reviewers, which was granted it, until")
    await expect(answer).to_contain_text("bob can't Delete")
    await expect(answer).to_contain_text("Neither the user nor a group of theirs is granted flow_pipeline:delete.")
    await visit.field("Permission").select_option("Delete")
    await expect(visit.row("bob")).to_have_count(0)
    await expect(visit.row("ada")).to_contain_text("Manager")


async def puts_a_job_in(visit: Visit) -> None:
    await visit.link("Jobs").click()
    await visit.field("Job ID").fill("4712")
    await visit.button("Find the job").click()
    await expect(visit.page.get_by_text("Job 4712 does not exist, or you may not see it.")).to_be_visible()
    await visit.field("Job ID").fill("4711")
    await visit.button("Find the job").click()
    await expect(visit.heading("batch 7")).to_be_visible()
    await expect(visit.page.get_by_text("It is in no pipeline")).to_be_visible()
    await visit.choose(visit.box("Put it into"), "inv", "Invoices")
    await expect(visit.page.get_by_text("Not saved yet: it will be put into 1 pipeline.")).to_be_visible()
    await visit.button("Save").click()
    await visit.said("pipelines are saved")
    await visit.link("Invoices").click()
    await visit.link("Queue").click()
    await expect(visit.row("4711")).to_contain_text("batch 7")


async def renames(visit: Visit) -> None:
    await visit.button("Edit").click()
    await expect(visit.field("Description (optional)")).to_have_value("Two reviewers each")
    await visit.field("Name").fill("Invoices 2027")
    await visit.confirm("Save")
    await expect(visit.heading("Invoices 2027")).to_be_visible()
    assert "Invoices 2027" in await visit.page.title()


async def sees_what_changed(visit: Visit) -> None:
    await visit.link("See its changes").click()
    await expect(visit.heading("Audit")).to_be_visible()
    await expect(visit.page.get_by_role("rowheader")).to_have_count(2)
    await visit.field("Did what").select_option("changed a pipeline")
    await expect(visit.page.get_by_role("rowheader")).to_have_count(1)
    await visit.page.locator("summary").click()
    changed = visit.page.get_by_role("row", name=re.compile("^name"))
    await expect(changed.get_by_role("cell")).to_have_text(["Invoices", "Invoices 2027"])
    await visit.box("Who").fill("nobody")
    await expect(visit.page.get_by_text("Nothing fits.")).to_be_visible()
    await visit.page.keyboard.press("Escape")
    await visit.page.keyboard.press("Tab")
    await expect(visit.page.get_by_text("No change fits")).to_be_visible()
    await visit.button("Clear the filters").click()
    await expect(visit.page.get_by_role("rowheader").first).to_be_visible()
    assert visit.page.url.endswith("/admin/audit")


async def takes_access_back(visit: Visit) -> None:
    await visit.link("Pipelines").click()
    await expect(visit.heading("Pipelines")).to_be_visible()
    await visit.link("Invoices 2027").click()
    await visit.button("Take back what reviewers may do").click()
    await expect(visit.dialog).to_contain_text(
        "Everyone in the group reviewers loses Read, Execute and Write on Invoices 2027."
    )
    await visit.confirm("Take it back")
    await expect(visit.row("reviewers")).to_have_count(0)


async def deletes_with_a_warning(visit: Visit) -> None:
    await visit.button("Delete").click()
    await expect(visit.dialog).to_contain_text("1 job will no longer be in it.")
    await expect(visit.dialog).to_contain_text("Access to it is lost by ada.")
    await visit.dialog.get_by_role("button", name="Delete pipeline").click()
    await expect(visit.dialog).to_contain_text("1 job is in this pipeline: take them out first")
    await visit.field("Take 1 job out and delete it").check()
    await visit.confirm("Delete pipeline")
    await expect(visit.heading("Pipelines")).to_be_visible()
    await expect(visit.page.get_by_text("No pipelines yet")).to_be_visible()


async def revokes_the_token(visit: Visit) -> None:
    await visit.link("Users").click()
    await visit.link("Tokens of bob").click()
    await visit.button("Revoke").click()
    await expect(visit.dialog).to_contain_text("Whatever uses bob's flow runner of bob is refused")
    await visit.confirm("Revoke token")
    await expect(visit.page.get_by_text("No tokens")).to_be_visible()


async def disables_the_user(visit: Visit) -> None:
    await visit.link("Users").click()
    await visit.row("ada").get_by_role("button", name="Change the role of ada").click()
    await visit.field("Member").check()
    await visit.dialog.get_by_role("button", name="Save").click()
    await expect(visit.dialog).to_contain_text("ada is the last administrator: make somebody else one first.")
    await visit.dialog.get_by_role("button", name="Cancel").click()
    await visit.row("bob").get_by_role("button", name="Disable").click()
    await expect(visit.dialog).to_contain_text("They have no token.")
    await visit.confirm("Disable user")
    await expect(visit.row("bob")).to_contain_text("Disabled")


async def tidies_up(visit: Visit) -> None:
    await visit.link("Jobs").click()
    await visit.link("4711").click()
    await visit.button("Rename").click()
    await visit.field("Name").fill("batch 8")
    await visit.confirm("Save")
    await expect(visit.heading("batch 8")).to_be_visible()
    await visit.button("Forget").click()
    await visit.confirm("Forget the job")
    await expect(visit.page.get_by_text("No jobs to see")).to_be_visible()
    await visit.link("Groups").click()
    await visit.button("Rename reviewers").click()
    await visit.field("Name").fill("counsel")
    await visit.confirm("Save")
    await visit.link("counsel").click()
    await visit.button("Take bob out of counsel").click()
    await visit.confirm("Take them out")
    await expect(visit.page.get_by_text("Nobody is in it yet")).to_be_visible()
    await visit.button("Delete").click()
    await visit.confirm("Delete group")
    await expect(visit.page.get_by_text("No groups yet")).to_be_visible()


async def signs_out(visit: Visit) -> None:
    await visit.button("Sign out").click()
    await expect(visit.heading("Sign in")).to_be_visible()
    assert await visit.stored() == [{}, {}, ""]
    await visit.page.go_back()
    await expect(visit.heading("Sign in")).to_be_visible()
