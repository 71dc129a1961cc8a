"""No task of the page's script holds it for long, however many rows are shown."""

import pytest
from playwright.async_api import expect

from tests.admin.browser import Desk
from tests.admin.large import large
from tests.api.calls import As
from tests.bench.page import Cost, measure
from tests.conftest import Client
from tests.factories import World

KEPT = """() => {
  window.rows = [...document.querySelectorAll(".list tbody tr")];
  scrollTo(0, 3000);
}"""
STAYED = "[rows.filter((row) => row.isConnected).length, document.querySelectorAll('.list tbody tr').length]"
SEEN = """() => {
  const row = [...document.querySelectorAll(".list tbody tr")].find((each) => each.getBoundingClientRect().top > 0);
  return [row.querySelector("a").textContent, Math.round(row.getBoundingClientRect().top)];
}"""


async def test_rows_that_stay_are_not_made_anew_by_a_change_and_do_not_move(
    desk: Desk, client: Client, world: World
) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    await world.raw.execute(
        "INSERT INTO jobs (organization_id, id, owner_id) SELECT $1, 'case-' || lpad(n::text, 5, '0'), $2"
        " FROM generate_series(1, 150) n",
        world.id, ada.id,
    )  # fmt: skip
    await world.raw.execute(
        "INSERT INTO assignments (organization_id, job_id, pipeline_id, position, assigned_at) SELECT $1, id, $2, 1,"
        " '2026-01-01'::timestamptz + right(id, 5)::integer * interval '1 minute' FROM jobs WHERE organization_id = $1",
        world.id, pipeline,
    )  # fmt: skip
    async with desk.visit(ada, f"/pipelines/{pipeline}/queue") as visit:
        for number in (100, 150):
            await visit.button("Show more").click()
            await expect(visit.page.locator(".list tbody tr")).to_have_count(number)
        await visit.page.evaluate("document.activeElement.blur()")
        await visit.page.evaluate(KEPT)
        await visit.page.wait_for_timeout(500)  # until it is drawn, and the page has its place in the feed
        seen = await visit.page.evaluate(SEEN)
        await As.member(client, ada)("DELETE", f"/flow/pipeline/{pipeline}/jobs/case-00002")
        await expect(visit.page.locator(".list tbody tr")).to_have_count(149)
        assert await visit.page.evaluate(STAYED) == [149, 149]
        name, top = await visit.page.evaluate(SEEN)
        assert name == seen[0]
        assert abs(top - seen[1]) <= 2


async def test_long_text_is_pasted_in_one_piece(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/users") as visit:
        await visit.button("Create many").click()
        area = visit.field("Usernames, or a CSV")
        await area.fill("first,last")
        await visit.page.evaluate("(text) => navigator.clipboard.writeText(text)", "\r\n".join(["name"] * 500))
        await visit.page.evaluate(
            "window.times = 0; document.querySelector('textarea').addEventListener('input', () => times += 1)"
        )
        await visit.page.evaluate("document.querySelector('textarea').setSelectionRange(6, 10)")
        await area.press("Control+V")
        assert await area.input_value() == "first," + "\n".join(["name"] * 500)
        assert await visit.page.evaluate("window.times") == 1


@pytest.mark.slow
async def test_no_task_takes_long_with_two_thousand_rows(desk: Desk, world: World) -> None:
    made = await large(world, users=2001, members=2000)
    async with desk.visit(made.admin, "/users") as visit:
        for number in (100, 150):
            await visit.button("Show more").click()
            await expect(visit.page.locator(".list tbody tr")).to_have_count(number)
        await visit.accessible("a long list")
    costs = await measure(desk.origin, made, ("users", "queue", "paste"))
    assert not {f"{name}, {action}": each for name, action, each in _all(costs) if each.longest_script >= 100}
    assert costs["queue"]["follow a change"].changed < 100


def _all(costs: dict[str, dict[str, Cost]]) -> list[tuple[str, str, Cost]]:
    return [(name, action, each) for name, actions in costs.items() for action, each in actions.items()]
