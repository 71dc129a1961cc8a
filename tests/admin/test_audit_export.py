"""The audit trail as a file: what is filtered, page by page, and no formula in a spreadsheet."""

import csv
import io
import json

from playwright.async_api import expect

from service.admin.serving import STATIC, read_site
from tests.admin.browser import Desk, Visit
from tests.conftest import Client
from tests.factories import World

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\uff1d1"]


async def export(visit: Visit, kind: str) -> bytes:
    await visit.button("Export").click()
    await visit.field(kind).check()
    async with visit.page.expect_download() as download:
        await visit.dialog.get_by_role("button", name="Export").click()
    await expect(visit.dialog.get_by_role("button", name="Done")).to_be_focused()
    path = await (await download.value).path()
    await visit.dialog.get_by_role("button", name="Done").click()
    return path.read_bytes()


async def test_export_has_all_that_is_filtered_page_by_page(desk: Desk, client: Client, world: World) -> None:
    ada = await world.user("ada", role="admin")
    await world.raw.execute(
        "INSERT INTO audit (organization_id, actor, action, target, after) SELECT $1, 'ada', 'group.create',"
        " 'group:g' || number, jsonb_build_object('name', 'g' || number) FROM generate_series(1, 2100) number",
        world.id,
    )
    await world.raw.execute(
        "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'bob', 'group.create', 'group:x')",
        world.id,
    )
    async with desk.visit(ada, "/audit?actor=ada") as visit:
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url) if "page_size=1000" in request.url else None)
        lines = [json.loads(line) for line in (await export(visit, "NDJSON")).decode().splitlines()]
        assert len(asked) == 3
        table = (await export(visit, "CSV")).decode("utf-8-sig")
    answer = await client.get("/api/v1/audit?actor=ada&page_size=1000", headers=ada.headers)
    assert lines[:1000] == (await answer.json())["audit"]
    assert [line["target"] for line in lines] == [f"group:g{number}" for number in range(2100, 0, -1)]
    rows = [*csv.DictReader(io.StringIO(table, newline=""))]
    assert [row["id"] for row in rows] == [str(line["id"]) for line in lines]
    assert rows[0]["sentence"] == "ada created the group g2100"
    assert rows[0]["at"].endswith(" UTC")
    assert json.loads(rows[0]["after"]) == {"name": "g2100"}


async def test_cells_that_look_like_formulas_are_texts(desk: Desk) -> None:
    module = f"/admin/assets/{read_site(STATIC).version}/audit/csv.js"
    async with desk.visit(None) as visit:
        cells = await visit.page.evaluate(
            "async ([module, texts]) => texts.map((await import(module)).cell)",
            [module, [*FORMULAS, 'say "x", y', "a=b", "4711", ""]],
        )
    assert cells == [*(f'"\'{text}"' for text in FORMULAS), '"say ""x"", y"', '"a=b"', '"4711"', '""']


async def test_export_that_fails_says_so_and_saves_nothing(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    async with desk.visit(ada, "/audit") as visit:
        saved: list[object] = []
        visit.page.on("download", lambda download: saved.append(download))  # noqa: PLW0108 - the browser's driver sets an attribute on it
        await visit.page.route("**/api/v1/audit?*page_size=1000*", lambda route: route.abort())
        await visit.button("Export").click()
        await visit.dialog.get_by_role("button", name="Export").click()
        await expect(visit.dialog.get_by_role("alert")).to_contain_text("can't be reached")
        assert saved == []
        await visit.page.unroute_all()
        async with visit.page.expect_download():
            await visit.dialog.get_by_role("button", name="Export").click()
