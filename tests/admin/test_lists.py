"""Long lists, filters in addresses, and the back button."""

import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import expect

from service.repositories import examining
from tests.admin.browser import Desk
from tests.conftest import Client
from tests.factories import World


async def test_pipeline_list_of_ten_thousand_stays_responsive(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.raw.execute(
        """
        INSERT INTO pipelines (organization_id, id, name, name_key)
        SELECT $1, gen_random_uuid(), name, name FROM (
            SELECT 'pipeline ' || lpad(number::text, 5, '0') AS name FROM generate_series(1, 10000) number
        ) named
        """,
        world.id,
    )
    async with desk.visit(ada) as visit:
        asked: list[str] = []
        # But for the feed, which the page follows all the time.
        lists = re.compile(r"/api/v1/(?!changes)")
        visit.page.on("request", lambda request: asked.append(request.url) if lists.search(request.url) else None)
        rows = visit.page.get_by_role("rowheader")
        await expect(rows).to_have_count(50)
        await expect(visit.page.get_by_text("The first 50 pipelines")).to_be_visible()
        await visit.page.evaluate(
            "new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.longest ="
            " Math.max(window.longest ?? 0, entry.duration)))).observe({type: 'longtask'})"
        )
        await visit.field("Search").press_sequentially("line 0999", delay=20)
        await expect(rows).to_have_count(10)
        assert len(asked) < 4, "typing is waited for, not each key asked about"
        await expect(visit.page.get_by_text("10 pipelines")).to_be_visible()
        await expect(visit.page).to_have_url(re.compile(r"/admin/pipelines\?name=line\+0999$"))
        await visit.field("Search").fill("")
        await expect(rows).to_have_count(50)
        await visit.button("Show more").click()
        await expect(rows).to_have_count(100)
        await expect(rows.nth(50).get_by_role("link")).to_be_focused()
        assert (await visit.page.evaluate("window.longest ?? 0")) < 500, "no task holds the page for long"
        assert all("page_size=50" in url for url in asked)
        await rows.nth(90).get_by_role("link").click()
        await expect(visit.heading("pipeline 00091")).to_be_visible()
        await visit.page.go_back()
        await expect(rows).to_have_count(100)
        await expect(rows.nth(90)).to_be_in_viewport()
        for number in (150, 200, 250):
            await visit.button("Show more").click()
            await expect(rows).to_have_count(number)
        await rows.nth(240).get_by_role("link").click()
        await expect(visit.heading("pipeline 00241")).to_be_visible()
        await visit.page.go_back()
        await expect(rows).to_have_count(250)
        await expect(rows.nth(240)).to_be_in_viewport()
        await expect(visit.page.get_by_text("The first 250 pipelines")).to_be_visible()


async def test_list_filters_are_in_the_address(desk: Desk, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    pipeline = await world.pipeline("Invoices")
    await world.job(bob, pipeline, job_id="4711")
    await world.job(ada, job_id="4712")
    async with desk.visit(ada, "/jobs") as visit:
        rows = visit.page.get_by_role("rowheader")
        await expect(rows).to_have_count(2)
        await visit.choose(visit.box("In the pipeline"), "inv", "Invoices")
        await expect(rows).to_have_count(1)
        await expect(visit.page).to_have_url(f"{desk.origin}/admin/jobs?pipeline_id={pipeline}")
        await visit.page.reload()
        await expect(visit.box("In the pipeline")).to_have_value("Invoices")
        await expect(rows).to_have_count(1)
        await visit.box("In the pipeline").fill("")
        await expect(rows).to_have_count(2)
        await visit.box("Owned by").fill("ada")
        await visit.page.keyboard.press("Tab")
        await expect(rows).to_have_text(["4712"])
        await visit.box("Owned by").fill("nobody")
        await visit.page.keyboard.press("Tab")
        await expect(visit.page.get_by_text("User nobody does not exist.")).to_be_visible()
        await visit.go("/jobs?owner=bob")
        await expect(rows).to_have_text(["4711"])
        await visit.link("Pipelines").click()
        await expect(visit.heading("Pipelines")).to_be_visible()
        await visit.page.go_back()
        await expect(visit.box("Owned by")).to_have_value("bob")
        assert await visit.page.title() == "\u2068Jobs\u2069 · Flow Pipelines"


async def test_audit_date_filter_uses_days_of_the_browsers_time_zone(desk: Desk, client: Client, world: World) -> None:
    """The browser is in Berlin, an hour before UTC in winter."""
    ada = await world.user("ada", role="admin")
    for at in (datetime(2026, 1, 14, 22, 59, tzinfo=UTC), datetime(2026, 1, 15, 22, 59, tzinfo=UTC)):
        await world.raw.execute(
            "INSERT INTO audit (organization_id, at, actor, action, target) VALUES ($1, $2, 'ada', 'group.create', $3)",
            world.id, at, f"group:{at.day}",
        )  # fmt: skip
    async with desk.visit(ada, "/audit?since=2026-01-15&until=2026-01-15") as visit:
        await expect(visit.page.get_by_role("rowheader")).to_have_text(["15 Jan 2026, 23:59"])
        await visit.field("From").fill("2026-01-14")
        await expect(visit.page.get_by_role("rowheader")).to_have_count(2)
        await expect(visit.page).to_have_url(re.compile(r"since=2026-01-14&until=2026-01-15$"))


async def test_lists_fit_into_windows_of_every_width(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.user("somebody.with.a.long.name@example.org", role="pipeline_admin")
    wider = """() => [document.documentElement, ...document.querySelectorAll(".list")]
        .filter((each) => each.scrollWidth > each.clientWidth).length"""
    async with desk.visit(ada, "/users") as visit:
        for path in ("/users", "/tokens/all"):
            await visit.follow(path)
            for width in (1280, 1160, 1140, 840, 700, 360):
                await visit.page.set_viewport_size({"width": width, "height": 800})
                assert await visit.page.evaluate(wider) == 0, f"{path} at {width}"


async def test_job_is_found_behind_pages_on_which_nothing_fits(
    desk: Desk, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "MAX_EXAMINED", 3)
    ada = await world.user("ada", role="admin")
    jobs = [await world.job(ada) for _ in range(10)]
    async with desk.visit(ada, f"/jobs?q={jobs[0]}") as visit:
        await expect(visit.page.get_by_role("rowheader")).to_have_count(1)
        await expect(visit.page.get_by_text("1 job", exact=True)).to_be_visible()
