"""The audit trail as sentences: each action of the code has one, and names stand in it for ids."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from service.admin.serving import STATIC
from service.transfer.audit_lists import IMPORTED_LISTS
from tests.admin.browser import Desk
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

SERVICE = STATIC.parents[1]
ACTION = r"[a-z_]+\.[a-z_]+"
AUDITING = {"audit", "audit_each", "audit_deletion", "_audit", "insert", "insert_each"}


def named_in(tree: ast.AST) -> Iterator[str]:
    """Yield the actions that a module gives to the functions that audit, and those in its SQL that does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            yield from (text for text in texts if called in AUDITING and re.fullmatch(f"{ACTION}|import", text))
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            sql = ast.unparse(node)
            if "INSERT INTO audit" in sql:
                yield from re.findall(rf"(?<=')({ACTION}|import\.\{{table\}})(?=')", sql)


def actions_of_code() -> set[str]:
    named = {action for path in sorted(SERVICE.rglob("*.py")) for action in named_in(ast.parse(path.read_text()))}
    assert "import.{table}" in named
    return named - {"import.{table}"} | {f"import.{table}" for table in IMPORTED_LISTS}


def keys(path: Path, name: str) -> set[str]:
    """Return the keys of the map of this name in a module of the page."""
    _, _, text = path.read_text().partition(f"{name} = new Map([")
    return set(re.findall(r'\[\s*"([a-z_.]+)",', text.partition("\n]);")[0]))


def test_every_action_of_the_code_has_a_sentence_and_a_label() -> None:
    actions = actions_of_code()

    assert {
        "grant.set",
        "job.update_pipelines",
        "user.hand_over_jobs",
        "token.bound",
        "import",
        "import.users",
    } < actions
    assert actions - keys(STATIC / "audit" / "sentences.js", "SENTENCES") == set()
    assert actions == keys(STATIC / "labels.js", "ACTIONS")


def test_action_without_a_sentence_is_found() -> None:
    """The control: the search finds actions of another kind, in calls and in SQL."""
    code = """
async def f(proof):
    await proof.audit("other.call", "other:1", None, None)
    await c.execute("x", f"INSERT INTO audit (action) VALUES ('other.written', {g})")
    """
    assert set(named_in(ast.parse(code))) == {"other.call", "other.written"}


READ, EXECUTE = "flow_pipeline:read", "flow_pipeline:execute"


def grant(*permissions: str, manager: bool = False, ends: str | None = None) -> dict[str, Any]:
    return {"permissions": [*permissions], "is_manager": manager, "expires_at": ends}


def told(here: str, gone: str) -> list[tuple[str, str, Any, Any, str]]:
    """Return rows of the trail, and the sentence of each, given the ids of a pipeline and of one that is no more."""
    to_group, to_bob, to_ada = (f"grant:{here}/{to}" for to in ("group:reviewers", "user:bob", "user:ada"))
    token = {"username": "bob", "name": "ci", "scopes": None, "expires_at": None}
    return [
        ("pipeline.create", f"pipeline:{here}", None, {"name": "Bills"}, "created the pipeline Bills"),
        (
            "pipeline.update", f"pipeline:{here}", {"name": "Bills", "description": ""},
            {"name": "Invoices", "description": ""}, "renamed the pipeline Bills to Invoices",
        ),
        (
            "pipeline.update", f"pipeline:{here}", {"name": "Invoices", "description": ""},
            {"name": "Invoices", "description": "x"}, "changed the description of Invoices",
        ),
        ("grant.set", to_group, None, grant(READ, EXECUTE), "gave reviewers Execute on Invoices"),
        (
            "grant.set", to_group, grant(READ, EXECUTE), grant(READ),
            "gave reviewers Read on Invoices in place of Execute",
        ),
        (
            "grant.set", to_bob, grant(READ), grant(READ, ends="2026-12-03T13:05:09+00:00"),
            "let what bob may do on Invoices end at 3 Dec 2026, 14:05",
        ),
        ("grant.set", to_ada, None, grant(READ, manager=True), "made themselves a manager of Invoices"),
        ("grant.revoke", to_group, grant(READ, EXECUTE), None, "took Execute on Invoices back from reviewers"),
        (
            "grant.revoke", to_bob, grant(READ, manager=True), None,
            "took a manager's standing on Invoices back from bob",
        ),
        ("job.create", "job:4711", None, {"name": "", "owner": "bob"}, "registered job 4711 for bob"),
        (
            "job.update", "job:4711", {"name": "", "owner": "bob"}, {"name": "letter", "owner": "ada"},
            "named job 4711 letter and gave job 4711 to ada",
        ),
        (
            "job.update_pipelines", "job:4711", {"pipeline_ids": []}, {"pipeline_ids": [here]},
            "put job 4711 into Invoices",
        ),
        (
            "job.update_pipelines", "job:4711", {"pipeline_ids": [gone]}, {"pipeline_ids": [here]},
            "moved job 4711 from Contracts (deleted) to Invoices",
        ),
        (
            "job.update_pipelines", "job:4711", {"pipeline_ids": [here]}, {"pipeline_ids": []},
            "took job 4711 out of Invoices",
        ),
        ("job.delete", "job:4711", {"name": "", "owner": "ada"}, None, "forgot job 4711"),
        ("user.create", "user:bob", None, {"role": "admin"}, "created the user bob, an administrator"),
        (
            "user.update", "user:bob", {"role": "admin", "disabled": False}, {"role": "member", "disabled": True},
            "made bob a member and disabled bob",
        ),
        (
            "user.delete", "user:bob", {"role": "member", "jobs_to": "ada"}, None,
            "deleted the user bob, whose jobs went to ada",
        ),
        (
            "user.hand_over_jobs", "user:bob", {"owner": "bob", "job_ids": ["1", "2"]}, {"owner": "ada"},
            "handed 2 jobs of bob over to ada",
        ),
        (
            "user.delete_tokens", "user:bob", {"tokens": [{"id": "1"}, {"id": "2"}]}, None,
            "deleted 2 tokens of bob, or made with theirs",
        ),
        (
            "user.link", "user:bob", None, {"issuer": "https://id.example.com", "subject": "248"},
            "linked bob to 248 of https://id.example.com",
        ),
        (
            "user.unlink", "user:bob", {"issuer": "https://id.example.com", "subject": "248"}, None,
            "unlinked bob from 248 of https://id.example.com",
        ),
        ("group.create", "group:reviewers", None, {"name": "reviewers"}, "created the group reviewers"),
        (
            "group.update", "group:old", {"name": "old"}, {"name": "reviewers"},
            "renamed the group old to reviewers",
        ),
        ("group.delete", "group:old", {"name": "old"}, None, "deleted the group old"),
        ("group.delete", "group:old", {"members": ["x"]}, None, "deleted the group old: more of what went along"),
        ("group.add_member", "group:reviewers", None, {"member": "bob"}, "added bob to the group reviewers"),
        ("group.remove_member", "group:reviewers", {"member": "bob"}, None, "took bob out of the group reviewers"),
        ("token.create", "token:1", None, token, "made the token ci for bob"),
        ("token.rotate", "token:1", token, token, "replaced the token ci of bob by a new one"),
        ("token.revoke", "token:1", {**token, "username": "ada", "name": ""}, None, "revoked a token of theirs"),
        ("token.keep", "token:1", {}, {}, "kept a token when the one that it was made with was revoked"),
        ("token.bound", "token:1", None, {}, "narrowed a token to the one that it was made with"),
        ("organization.create", "organization:1", None, {"name": "Acme"}, "created the organization Acme"),
        (
            "import", "organization:1", None, {"written": {"users": 2, "user_grants": 1}},
            "imported 2 users and 1 grant to a user",
        ),
        ("import.users", "organization:1", None, {"users": [{}]}, "imported 1 user"),
        ("import.pipelines", "organization:1", None, {"pipelines": [{}]}, "imported 1 pipeline"),
        ("import.tokens", "organization:1", None, {"tokens": []}, "imported 0 tokens"),
        (
            "import.identity_links", "organization:1", None, {"identity_links": [{}]},
            "imported 1 link to an identity provider",
        ),
        ("user.update", "user:bob", {"provisioned": True, "external_id": "7"}, {}, "released bob from provisioning"),
        ("user.update", "user:bob", {}, {"provisioned": True}, "let provisioning manage bob"),
        (
            "group.update", "group:team", {"name": "team", "provisioned": True}, {"name": "team"},
            "released team from provisioning",
        ),
        (
            "group.update", "group:team",
            {"name": "team", "provisioned": True}, {"name": "team", "provisioned": True, "external_id": "7"},
            "changed the id that provisioning knows team by",
        ),
        ("import.memberships", "organization:1", None, {"memberships": [{}]}, "imported 1 membership"),
        ("import.user_grants", "organization:1", None, {"user_grants": [{}, {}]}, "imported 2 grants to users"),
        ("import.group_grants", "organization:1", None, {"group_grants": [{}]}, "imported 1 grant to a group"),
        ("planet.move", "planet:mars", None, {"to": "x"}, "planet.move planet:mars"),
        ("grant.set", to_bob, None, None, f"grant.set {to_bob}"),
    ]  # fmt: skip


async def insert(world: World, action: str, target: str, before: Any, after: Any) -> None:
    await world.raw.execute(
        "INSERT INTO audit (organization_id, actor, action, target, before, after) VALUES ($1, 'ada', $2, $3, $4, $5)",
        world.id, action, target, *(None if state is None else json.dumps(state) for state in (before, after)),
    )  # fmt: skip


async def test_each_change_is_told_as_a_sentence_with_names(desk: Desk, client: Client, world: World) -> None:
    ada = await world.user("ada", role="admin")
    here, gone = await world.pipeline("Invoices"), await world.pipeline("Contracts")
    await As.member(client, ada)("DELETE", f"/flow/pipeline/{gone}")
    rows = told(str(here), str(gone))
    assert {action for action, *_ in rows} >= actions_of_code() - {"pipeline.delete"}
    for action, target, before, after, _ in rows:
        await insert(world, action, target, before, after)
    sentences = ["ada deleted the pipeline Contracts (deleted)", *(f"ada {sentence}" for *_, sentence in rows)]

    async with desk.visit(ada, "/audit") as visit:
        await expect(visit.page.locator(".sentence")).to_have_text(sentences[::-1])
        await expect(visit.page.locator(".sentence").get_by_role("link", name="reviewers").first).to_have_attribute(
            "href", "/admin/groups/reviewers"
        )
        await visit.page.set_viewport_size({"width": 360, "height": 800})
        wide, window = await visit.width()
        assert wide <= window


async def test_names_are_looked_up_once_and_no_more_than_some(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    for number in range(48):
        pipeline = await world.pipeline(f"pipeline {number}")
        await insert(world, "job.update_pipelines", "job:1", {"pipeline_ids": []}, {"pipeline_ids": [str(pipeline)]})
    async with desk.visit(ada, "/audit") as visit:
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url) if "/flow/" in request.url else None)
        named = visit.page.locator(".sentence a:not(.identifier)", has_text="pipeline")
        await expect(named).to_have_count(40)
        await visit.follow("/users")
        await visit.follow("/audit")
        await expect(named).to_have_count(48)
    assert len(asked) == len(set(asked)) <= 48


async def test_difference_marks_what_came_and_what_went(desk: Desk, world: World) -> None:
    ada = await world.user("ada", role="admin")
    kept, old, new = [await world.pipeline(name) for name in ("Kept", "Old", "New")]
    states = [{"pipeline_ids": [str(kept), str(each)]} for each in (old, new)]
    await insert(world, "job.update_pipelines", "job:1", *states)
    async with desk.visit(ada, "/audit") as visit:
        when = visit.page.locator("time").first
        await expect(when).to_have_attribute("title", re.compile(r"GMT\+1|CET.*, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))
        await visit.page.get_by_text("Before and after").click()
        row = visit.page.get_by_role("row", name=re.compile("^pipelines"))
        await expect(row.locator("del")).to_have_text(["Old"])
        await expect(row.locator("ins")).to_have_text(["New"])
        await expect(row.get_by_role("cell")).to_have_text(["OldKept", "NewKept"])
