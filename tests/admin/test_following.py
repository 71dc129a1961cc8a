"""Open views follow what happens, quietly: nothing is reloaded, nothing typed is lost, the focus stays."""

from playwright.async_api import expect

from service.permissions import EXECUTE, READ
from service.transfer.importing import import_records
from tests.admin.browser import Desk
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World
from tests.transfer.files import lines


async def test_open_queue_follows_and_leaves_what_has_the_focus(desk: Desk, client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    pipeline = await world.pipeline("Invoices")
    await world.grant(pipeline, bob, READ)
    await world.job(ada, pipeline, job_id="old")
    call = As.member(client, ada)
    async with desk.visit(bob, f"/pipelines/{pipeline}") as visit:
        await expect(visit.row("old")).to_be_visible()
        search = visit.field("Search")
        await search.focus()
        await visit.page.evaluate("window.kept = true")
        await visit.page.wait_for_timeout(500)  # until the page has its place in the feed
        await call("PUT", "/jobs/new", {"pipeline_ids": [str(pipeline)]})
        await expect(visit.row("new")).to_be_visible()
        await expect(search).to_be_focused()
        await call("DELETE", f"/flow/pipeline/{pipeline}/jobs/old")
        await expect(visit.row("old")).to_have_count(0)
        assert await visit.page.evaluate("window.kept")


async def test_open_pages_follow_pipelines_and_access(desk: Desk, client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    pipeline = await world.pipeline("Invoices")
    call, grant = As.member(client, ada), f"/flow/pipeline/{pipeline}/grants/users/bob"
    async with desk.visit(bob, "/pipelines") as visit:
        await expect(visit.page.get_by_text("No pipelines for you yet")).to_be_visible()
        await visit.page.wait_for_timeout(500)
        await call("PUT", grant, {"permissions": ["flow_pipeline:execute"]})
        await expect(visit.link("Invoices")).to_be_visible()
        await visit.link("Invoices").click()
        await expect(visit.page.get_by_text("Read, Execute")).to_be_visible()
        await visit.page.wait_for_timeout(500)
        await call("DELETE", grant)
        await expect(visit.heading("Pipeline")).to_be_visible()
    async with desk.visit(ada, f"/pipelines/{pipeline}") as visit:
        await visit.page.wait_for_timeout(500)
        await world.grant(pipeline, bob, EXECUTE)
        await call("PUT", grant, {"permissions": ["flow_pipeline:read"]})
        await expect(visit.row("bob")).to_be_visible()


async def test_open_pages_of_an_administrator_follow_imports(desk: Desk, world: World, dsn: str) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    pipeline, of = await world.pipeline("Invoices"), {"organization_id": str(world.id)}
    grant = {"pipeline_id": str(pipeline), "user_id": str(bob.id), "permissions": [], "is_manager": False}
    for path, record, shown in (
        ("/pipelines", {"type": "pipeline", **of, "id": str(pipeline), "name": "Renamed"}, "Renamed"),
        (f"/pipelines/{pipeline}", {"type": "grant", **grant}, "bob"),
    ):
        async with desk.visit(ada, path) as visit:
            await expect(visit.page.get_by_text("ada").first).to_be_visible()
            await visit.page.wait_for_timeout(500)
            await import_records(dsn, lines(record))
            await expect(visit.page.get_by_role("link", name=shown).or_(visit.row(shown)).first).to_be_visible()


async def test_open_page_says_anew_how_long_ago_something_was(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.job(ada, job_id="4711")
    async with desk.visit(ada, "/jobs") as visit:
        await visit.page.clock.install()
        await visit.page.reload()
        await expect(visit.row("4711")).to_contain_text("just now")
        await visit.page.clock.run_for(120_000)
        await expect(visit.row("4711")).to_contain_text("2 minutes ago")
