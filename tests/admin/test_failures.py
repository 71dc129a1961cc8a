"""Failed requests: nothing typed is lost, and the page says what happened and what to do."""

from functools import partial

from playwright.async_api import Route, expect

from tests.admin.browser import Desk, Visit
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

API = "**/api/v1/**"


async def break_off(visit: Visit) -> None:
    """Abort every request, so that none reaches the service any more."""
    await visit.page.route(API, lambda route: route.abort())


async def refuse(visit: Visit) -> None:
    async def answer(route: Route) -> None:
        body = '{"status": "ERROR", "code": "UNAVAILABLE", "msg": "The database is away.", "request_id": "r-1"}'
        await route.fulfill(status=503, body=body, content_type="application/json")

    await visit.page.route(API, answer)


async def test_save_without_an_answer_keeps_the_form(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada) as visit:
        await visit.button("Create pipeline").first.click()
        await visit.field("Name").fill("Invoices")
        await break_off(visit)
        await visit.dialog.get_by_role("button", name="Create pipeline").click()
        await expect(visit.dialog).to_contain_text("it is not certain whether this was done")
        await expect(visit.field("Name")).to_have_value("Invoices")
        await visit.page.unroute(API)
        await visit.confirm("Create pipeline")
        await expect(visit.heading("Invoices")).to_be_visible()


async def test_save_that_times_out_keeps_the_form(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada) as visit:
        await visit.button("Create pipeline").first.click()
        await visit.field("Name").fill("Invoices")
        await visit.page.clock.install()
        await visit.page.route(API, lambda _: None)
        await visit.dialog.get_by_role("button", name="Create pipeline").click()
        await expect(visit.dialog.get_by_role("button", name="Create pipeline")).to_be_disabled()
        await visit.page.clock.fast_forward(31_000)
        await expect(visit.dialog).to_contain_text("it is not certain whether this was done")
        await expect(visit.field("Name")).to_have_value("Invoices")
        await expect(visit.dialog.get_by_role("button", name="Create pipeline")).to_be_enabled()


async def test_save_answered_by_a_proxy_says_that_it_may_be_done(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    answers = (
        (504, "text/html", "<html>Gateway Time-out</html>"),
        (502, "application/json", '{"message": "upstream connect error"}'),
        (200, "application/json", "null"),
    )
    async with desk.visit(ada) as visit:
        for status, kind, body in answers:
            foreign = partial(Route.fulfill, status=status, content_type=kind, body=body)
            await visit.page.route(API, foreign)
            await visit.follow("/jobs")
            said = f"The answer was not the service's own (status {status})"
            await expect(visit.page.get_by_role("alert")).to_contain_text(f"{said}. Try again.")
            await visit.page.unroute(API)
            await visit.follow("/pipelines")
            await visit.button("Create pipeline").first.click()
            await visit.field("Name").fill("Invoices")
            await visit.page.route(API, foreign)
            await visit.dialog.get_by_role("button", name="Create pipeline").click()
            await expect(visit.dialog).to_contain_text(f"{said}, so it is not certain whether this was done.")
            await expect(visit.field("Name")).to_have_value("Invoices")
            await visit.page.unroute(API)
            await visit.close_dialogs()


async def test_page_of_an_unavailable_service_says_so_and_can_be_retried(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.pipeline("Invoices")
    async with desk.visit(ada) as visit:
        await refuse(visit)
        await visit.link("Invoices").click()
        await expect(visit.page.get_by_text("The database is away.")).to_be_visible()
        await expect(visit.page.get_by_text("r-1")).to_be_visible()
        await visit.accessible("not available")
        await visit.link("Users").click()
        await expect(visit.heading("This page can't be shown")).to_be_visible()
        await visit.page.unroute(API)
        await visit.button("Try again").click()
        await expect(visit.row("ada")).to_be_visible()

        await visit.link("Pipelines").click()
        await expect(visit.row("Invoices")).to_be_visible()
        await break_off(visit)
        await visit.button("Edit Invoices").click()
        await visit.said("The service can't be reached")
        await visit.field("Search").fill("inv")
        await expect(visit.page.get_by_role("alert")).to_contain_text("The service can't be reached. Check")
        await expect(visit.field("Search")).to_have_value("inv")
        await visit.page.unroute(API)
        await visit.button("Try again").click()
        await expect(visit.row("Invoices")).to_be_visible()


async def test_page_opened_while_the_service_is_unreachable_can_be_retried(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada) as visit:
        await break_off(visit)
        await visit.page.reload()
        await expect(visit.page.get_by_text("The service can't be reached")).to_be_visible()
        await visit.page.unroute(API)
        await visit.button("Try again").click()
        await expect(visit.heading("Pipelines")).to_be_visible()


async def test_unsaved_form_is_discarded_only_after_a_question(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    async with desk.visit(ada) as visit:
        await visit.link("Invoices").click()
        await visit.button("Edit").click()
        await visit.field("Name").fill("Bills")
        await visit.page.go_back()
        await expect(visit.dialog).to_contain_text("Discard what you typed?")
        await visit.button("Keep editing").click()
        await expect(visit.field("Name")).to_have_value("Bills")
        assert visit.page.url.endswith(f"/pipelines/{pipeline}")
        await visit.page.go_back()
        await visit.button("Discard").click()
        await expect(visit.heading("Pipelines")).to_be_visible()
        await expect(visit.page.get_by_role("dialog")).to_have_count(0)
        assert visit.page.url.endswith("/admin/pipelines")

        await visit.button("Edit Invoices").click()
        await visit.field("Name").fill("Bills")
        await visit.button("Close").click()
        await visit.button("Discard").click()
        await expect(visit.button("Edit Invoices")).to_be_focused()


async def test_unsaved_job_pipelines_are_discarded_only_after_a_question(
    desk: Desk, client: Client, world: World
) -> None:
    ada = await world.user("ada", role="admin")
    await world.job(ada, await world.pipeline("Invoices"), job_id="4711")
    async with desk.visit(ada, "/jobs/4711") as visit:
        await visit.button("Take it out of Invoices").click()
        await visit.link("Users").click()
        await visit.button("Keep editing").click()
        await break_off(visit)
        await visit.button("Save").click()
        await expect(visit.page.get_by_text("it is not certain whether this was done")).to_be_visible()
        await visit.page.unroute(API)
        await visit.button("Undo").click()
        await expect(visit.button("Take it out of Invoices")).to_be_visible()
        await visit.link("Users").click()
        await expect(visit.heading("Users")).to_be_visible()
    assert len((await As.member(client, ada).get("/jobs/4711")).body["job"]["flow_pipeline_infos"]) == 1


async def test_copy_button_works_without_the_clipboard_api(desk: Desk, world: World) -> None:
    """Pages have no clipboard over HTTP without TLS, anywhere but on the machine itself."""
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    async with desk.visit(ada) as visit:
        await visit.page.add_init_script(
            "Object.defineProperty(Navigator.prototype, 'clipboard', {get: () => undefined})"
        )
        await visit.page.reload()
        await visit.button("Copy the ID of Invoices").click()
        await visit.said("Copied")
        await expect(visit.button("Copy the ID of Invoices")).to_be_focused()
        await visit.field("Search").focus()
        await visit.page.keyboard.press("Control+v")
        await expect(visit.field("Search")).to_have_value(str(pipeline))
