"""Accessibility: axe-core on every page and state in both colour schemes, the keyboard, the focus, narrow windows."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from service.permissions import EXECUTE, FULL_ACCESS, READ
from tests.admin.browser import Desk, Visit
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import PAST, Member, World

PIPELINE = "8c400d55-15d4-41f9-b306-ec2836898d83"


async def full(client: Client, world: World) -> Member:
    """Fill an organization with something for each page, and return its administrator."""
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    pipeline, other = await world.pipeline("Invoices"), await world.pipeline("Contracts")
    await world.grant(pipeline, await world.group(bob, name="reviewers"))
    await world.grant(pipeline, bob, FULL_ACCESS)
    await world.grant(pipeline, await world.user("former"), READ, PAST)
    await world.job(bob, pipeline, other, job_id="4711")
    await world.job(ada, job_id="4712")
    await As.member(client, ada)("PATCH", "/users/former", {"disabled": True})
    await As.member(client, ada)("PATCH", f"/flow/pipeline/{pipeline}", {"description": "Two reviewers each"})
    return ada


async def press(visit: Visit, name: str) -> None:
    await visit.page.get_by_role("button", name=name).first.click()
    await expect(visit.dialog).to_be_visible()


async def fail_at_a_field(visit: Visit) -> None:
    await press(visit, "Create user")
    await visit.dialog.get_by_role("button", name="Create user").click()
    await expect(visit.page.locator("[aria-invalid=true]").first).to_be_visible()


async def open_choices(visit: Visit) -> None:
    await press(visit, "Give access")
    await visit.box("To whom").fill("e")
    await expect(visit.page.get_by_role("option").first).to_be_visible()


async def show_a_conflict(visit: Visit) -> None:
    await press(visit, "Give access")
    await visit.choose(visit.box("To whom"), "rev", "reviewers")
    await visit.dialog.get_by_role("button", name="Give access").click()
    await expect(visit.page.get_by_text("Nothing has been overwritten.")).to_be_visible()


async def make_a_token(visit: Visit) -> None:
    await press(visit, "Make a token")
    await visit.field("Only some of it").check()


async def show_a_secret(visit: Visit) -> None:
    await press(visit, "Make a token")
    await visit.dialog.get_by_role("button", name="Make the token").click()
    await expect(visit.dialog.get_by_role("heading", name="Copy the token now")).to_be_visible()


async def discard(visit: Visit) -> None:
    await press(visit, "Create group")
    await visit.field("Name").fill("x")
    await visit.page.keyboard.press("Escape")
    await expect(visit.dialog).to_contain_text("Discard what you typed?")


async def change_a_job(visit: Visit) -> None:
    await visit.button("Take it out of Invoices").click()


async def open_an_entry(visit: Visit) -> None:
    await visit.page.get_by_text("Before and after").first.click()


async def fail_to_find(visit: Visit) -> None:
    await visit.field("Job ID").fill("none")
    await visit.button("Find the job").click()
    await expect(visit.page.locator("[aria-invalid=true]")).to_be_visible()


def pressing(name: str) -> Callable[[Visit], Awaitable[None]]:
    async def act(visit: Visit) -> None:
        await press(visit, name)

    return act


def following(path: str) -> Callable[[Visit], Awaitable[None]]:
    async def act(visit: Visit) -> None:
        await visit.follow(path)

    return act


async def select(visit: Visit) -> None:
    await visit.page.locator("tbody .pick input").first.click()
    await expect(visit.button("Select none")).to_be_visible()


STATES: dict[str, list[tuple[str, Callable[[Visit], Awaitable[None]] | None]]] = {
    "/": [("overview", None), ("keys", pressing("Keys"))],
    "/pipelines": [("full", None), ("create", pressing("Create pipeline")), ("edit", pressing("Edit Contracts"))],
    "/?name=nothing": [("nothing fits", None)],
    "/pipelines/{pipeline}": [
        ("access", None), ("choices", open_choices), ("conflict", show_a_conflict),
        ("change", pressing("Change what bob may do")), ("take back", pressing("Take back what bob may do")),
        ("delete", pressing("Delete")),
    ],
    "/pipelines/{pipeline}/queue": [("queue", None)],
    "/pipelines/{pipeline}/who?username=bob": [("why", None)],
    f"/pipelines/{PIPELINE}": [("not there", None)],
    "/jobs": [("full", None), ("not found", fail_to_find), ("selected", select)],
    "/jobs/4711": [
        ("job", None), ("changed", change_a_job), ("rename", pressing("Rename")), ("forget", pressing("Forget")),
    ],
    "/users": [
        ("full", None), ("selected", select), ("error", fail_at_a_field), ("role", pressing("Change the role of bob")),
        ("disable", pressing("Disable")),
    ],
    "/users/bob": [
        ("reach", None), ("why", pressing("Why can bob reach Invoices?")),
        ("hand over", pressing("Disable and hand over")), ("delete", pressing("Delete")),
        ("groups", following("/users/bob/groups")), ("tokens", following("/users/bob/tokens")),
        ("jobs", following("/users/bob/jobs")), ("changes", following("/users/ada/changes")),
    ],
    "/groups": [("full", None), ("discard", discard), ("delete", pressing("Delete reviewers"))],
    "/groups/reviewers": [
        ("members", None), ("take out", pressing("Take bob out")), ("grants", following("/groups/reviewers/grants")),
    ],
    "/tokens": [("full", None), ("make", make_a_token), ("secret", show_a_secret), ("revoke", pressing("Revoke"))],
    "/tokens/all": [("everybody's", None), ("rotate", pressing("Rotate"))],
    "/audit": [("full", None), ("entry", open_an_entry), ("export", pressing("Export"))],
    "/nowhere": [("no such page", None)],
}  # fmt: skip


@pytest.mark.parametrize("path", STATES)
async def test_pages_are_accessible_in_every_state(desk: Desk, client: Client, world: World, path: str) -> None:
    ada = await full(client, world)
    pipeline = await world.raw.fetchval(
        "SELECT id FROM pipelines WHERE organization_id = $1 AND name = 'Invoices'", world.id
    )
    address = path.format(pipeline=pipeline)
    async with desk.visit(ada, address) as visit:
        for state, act in STATES[path]:
            await visit.close_dialogs()
            if act:
                await act(visit)
            await visit.accessible(f"{path} {state}")
            assert await visit.cut_placeholders() == [], f"{path} {state}"
            await visit.page.set_viewport_size({"width": 360, "height": 640})
            wide, window = await visit.width()
            assert wide <= window, f"{path} {state} is {wide} wide in a window of {window}"
            assert await visit.cut_placeholders() == [], f"{path} {state} in a window of {window}"
            await visit.page.set_viewport_size({"width": 1280, "height": 800})


async def test_accessibility_check_finds_a_violation(desk: Desk) -> None:
    """The control: the check that the other tests rely on can fail, in either scheme."""
    async with desk.visit(None) as visit:
        await visit.page.evaluate("document.querySelector('h1').style.color = 'light-dark(#eee, #000)'")
        await visit.page.emulate_media(color_scheme="dark")
        with pytest.raises(AssertionError, match="color-contrast"):
            await visit.accessible("control")


async def test_empty_pages_and_sign_in_are_accessible(desk: Desk, world: World) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Empty")
    await world.group(name="empty")
    async with desk.visit(None) as visit:
        await visit.accessible("sign in")
        await visit.sign_in("fp_wrong")
        await expect(visit.field("Token")).to_have_attribute("aria-invalid", "true")
        await visit.accessible("refused")
        await visit.sign_in(ada.token)
        await expect(visit.heading("Pipelines")).to_be_visible()
        for path in (
            f"/pipelines/{pipeline}",
            f"/pipelines/{pipeline}/queue",
            "/jobs",
            "/groups/empty",
            "/audit",
            "/tokens/all?unused_for=90d",
        ):
            await visit.follow(path)
            await expect(visit.page.locator(".state-title")).to_be_visible()
            await visit.accessible(f"{path} empty")


async def test_menu_of_a_narrow_window_is_accessible_and_moves_the_focus(desk: Desk, world: World) -> None:
    async with desk.visit(await world.user("ada", role="admin"), width=360) as visit:
        await expect(visit.link("Jobs")).to_have_count(0)
        await visit.button("Menu").click()
        await visit.accessible("menu")
        await visit.page.keyboard.press("Escape")
        await expect(visit.button("Menu")).to_be_focused()
        await visit.button("Menu").click()
        await visit.link("Jobs").click()
        await expect(visit.heading("Jobs")).to_be_focused()
        await expect(visit.link("Tokens")).to_have_count(0)


async def test_keyboard_alone_suffices(desk: Desk, client: Client, world: World) -> None:
    """Sign in, create a pipeline, copy its ID, and give a group execute, without a pointer."""
    ada = await world.user("ada", role="admin")
    await world.group(name="reviewers")
    async with desk.visit(None) as visit:
        keys = visit.page.keyboard
        await keys.insert_text(ada.token)
        await keys.press("Enter")
        await expect(visit.heading("Pipelines")).to_be_visible()
        await visit.button("Create pipeline").focus()
        await keys.press("Enter")
        await keys.insert_text("Invoices")
        await keys.press("Enter")
        await expect(visit.heading("Invoices")).to_be_focused()
        await tab_to(visit, "Copy the ID of Invoices")
        await keys.press("Space")
        await visit.said("Copied")
        await tab_to(visit, "Give access")
        await keys.press("Enter")
        await expect(visit.box("To whom")).to_be_focused()
        await keys.type("rev")
        await expect(visit.page.get_by_role("listbox").get_by_role("option")).to_have_text(["group reviewers"])
        await keys.press("ArrowDown")
        await keys.press("Enter")
        await expect(visit.box("To whom")).to_have_value("reviewers")
        await keys.press("Enter")
        await expect(visit.row("reviewers")).to_contain_text("Read, Execute")
        await expect(visit.button("Give access")).to_be_focused()
    pipelines = (await As.member(client, ada).get("/flow/pipeline")).body["pipelines"]
    assert [pipeline["name"] for pipeline in pipelines] == ["Invoices"]
    assert await world.raw.fetchval("SELECT access FROM group_grants WHERE organization_id = $1", world.id) == (
        READ | EXECUTE
    )


async def tab_to(visit: Visit, name: str) -> None:
    for _ in range(20):
        await visit.page.keyboard.press("Tab")
        if (
            await visit.page.evaluate(
                "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"
            )
            == name
        ):
            return
    raise AssertionError(f"{name} can't be reached by the keyboard")


async def test_focus_moves_into_a_new_view_and_back_from_a_dialog(desk: Desk, client: Client, world: World) -> None:
    ada = await full(client, world)
    async with desk.visit(ada) as visit:
        keys = visit.page.keyboard
        await visit.page.locator("h1").click()
        await keys.press("/")
        await expect(visit.field("Search")).to_be_focused()
        await keys.press("?")
        await expect(visit.field("Search")).to_have_value("?")
        await visit.field("Search").fill("")
        await visit.page.locator("h1").click()
        await keys.press("?")
        await expect(visit.dialog.get_by_role("heading", name="Keys")).to_be_visible()
        await expect(visit.dialog).to_contain_text("Go to the search of the page")
        await keys.press("Escape")
        await expect(visit.page.get_by_role("dialog")).to_have_count(0)
        await visit.link("Invoices").click()
        await expect(visit.heading("Invoices")).to_be_focused()
        await visit.link("Queue").click()
        await expect(visit.link("Queue")).to_be_focused()
        await visit.page.go_back()
        await expect(visit.heading("Who was given access", 2)).to_be_visible()
        await visit.button("Delete").click()
        await expect(visit.dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await keys.press("Escape")
        await expect(visit.button("Delete")).to_be_focused()
        await visit.button("Take back what former may do").click()
        await visit.confirm("Take it back")
        await expect(visit.row("former")).to_have_count(0)
        await expect(visit.page.get_by_role("region", name="Who was given access")).to_be_focused()
        await keys.press("Tab")
        outline = await visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await visit.go("/")
        await keys.press("Tab")
        await expect(visit.link("Skip to the content")).to_be_focused()
        await keys.press("Enter")
        await expect(visit.page.locator("main")).to_be_focused()
