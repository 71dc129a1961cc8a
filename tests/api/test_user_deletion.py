"""The deletion of users: what becomes of their jobs, tokens, grants, memberships and name."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from service.operations import parts, user_deletion
from service.permissions import READ
from service.transfer.importing import ImportRefused, import_records
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World
from tests.transfer.files import lines


@pytest.fixture
async def root(world: World) -> Member:
    return await world.user("root", role="admin")


@pytest.fixture
async def admin(client: Client, root: Member) -> As:
    return As.member(client, root)


async def owner_of(world: World, job: str) -> str:
    statement = "SELECT u.username FROM jobs j JOIN users u ON u.id = j.owner_id WHERE j.id = $1"
    return str(await world.raw.fetchval(statement, job))


async def test_deleted_user_is_nowhere_and_refused_from_the_next_request(
    client: Client, world: World, admin: As
) -> None:
    ada, pipeline = await world.user("ada"), await world.pipeline()
    await world.grant(pipeline, ada)
    await world.group(ada, name="reviewers")
    theirs = As.member(client, ada)
    assert (await theirs.get("/flow/pipeline")).status == 200
    assert (await theirs("POST", "/tokens", {})).status == 201

    assert (await admin("DELETE", "/users/ADA")).body == {"status": "OK"}

    assert (await theirs.get("/flow/pipeline")).status == 401
    update = {"job_id": "x", "pipeline_ids": []}
    assert (await theirs("POST", "/jobs/pipelines", update)).status == 401, "the optimistic way, too"
    assert [user["username"] for user in (await admin.get("/users")).body["users"]] == ["root"]
    assert (await admin.get("/groups/reviewers/members")).body["members"] == []
    assert (await admin.get(f"/flow/pipeline/{pipeline}/grants")).body["grants"] == []
    assert [user["username"] for user in (await admin.get(f"/flow/pipeline/{pipeline}/access")).body["users"]] == [
        "root"
    ]
    calls: list[tuple[str, str, Any]] = [
        *(("GET", f"/users/ada{path}", None) for path in ("", "/pipelines", "/groups")),
        ("PATCH", "/users/ada", {"disabled": False}),
        ("DELETE", "/users/ada", None),
        ("PUT", "/groups/reviewers/members/ada", {}),
        ("PUT", f"/flow/pipeline/{pipeline}/grants/users/ada", {"permissions": []}),
        ("GET", f"/flow/pipeline/{pipeline}/access/ada", None),
        ("PUT", "/jobs/new", {"owner": "ada"}),
        ("POST", "/tokens", {"username": "ada"}),
        ("GET", "/tokens?username=ada", None),
        ("GET", "/jobs?owner=ada", None),
    ]
    for method, path, body in calls:
        assert (await admin(method, path, body)).code == "NOT_FOUND", path


async def test_deleted_users_name_stays_theirs(dsn: str, world: World, admin: As) -> None:
    ada = await world.user("ada")
    await admin("DELETE", "/users/ada")

    again = await admin("POST", "/users", {"username": "Ada"})

    assert (again.status, again.code) == (409, "ALREADY_EXISTS")
    assert "There was a user called Ada, regardless of case, who was deleted" in again.body["msg"]
    record = {"type": "user", "organization_id": str(world.id), "username": "ADA", "role": "member"}
    stranger = {**record, "id": "00000000-0000-4000-8000-000000000001"}
    with pytest.raises(ImportRefused, match="line 1: username is that of a user who was deleted"):
        await import_records(dsn, lines(stranger))
    await world.user("bob")
    with pytest.raises(asyncpg.UniqueViolationError):
        await world.raw.execute(
            "UPDATE users SET username = 'aDA' WHERE organization_id = $1 AND username = 'bob'", world.id
        )
    await import_records(dsn, lines({**record, "id": str(ada.id)}))
    assert (await admin.get("/users/ada")).body["user"]["username"] == "ADA", "their own record brings them back"
    assert (await admin("DELETE", "/users/ada")).code == "OK"


async def test_name_is_free_in_another_organization(client: Client, raw: Any, world: World, admin: As) -> None:
    await world.user("ada")
    await admin("DELETE", "/users/ada")
    elsewhere = await World.create(raw)
    other = As.member(client, await elsewhere.user("root", role="admin"))

    assert (await other("POST", "/users", {"username": "ada"})).status == 201


async def test_user_with_jobs_is_deleted_only_once_it_is_said_whose_they_become(world: World, admin: As) -> None:
    ada, _ = await world.user("ada"), await world.user("bob")
    mine = [await world.job(ada) for _ in range(2)]

    refused = await admin("DELETE", "/users/ada")
    assert (refused.status, refused.code) == (400, "FAILED_PRECONDITION")
    assert refused.body["msg"] == "ada owns 2 jobs: say by jobs_to which user gets what is theirs."
    assert (await admin("DELETE", "/users/ada", jobs_to="nobody")).code == "NOT_FOUND"
    itself = await admin("DELETE", "/users/ada", jobs_to="ADA")
    assert (itself.code, [*itself.body["details"]]) == ("INVALID_ARGUMENT", ["jobs_to"])
    assert await owner_of(world, mine[0]) == "ada"
    assert (await admin.get("/audit")).body["audit"] == []

    assert (await admin("DELETE", "/users/ada", jobs_to="bob")).code == "OK"
    assert {await owner_of(world, job) for job in mine} == {"bob"}
    assert (await admin("DELETE", "/users/bob", jobs_to="ada")).code == "NOT_FOUND"


async def test_deletion_is_audited_with_all_that_goes(client: Client, world: World, admin: As) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    pipeline = await world.pipeline("Invoices")
    await world.grant(pipeline, ada, READ)
    await world.group(ada, name="reviewers")
    job = await world.job(ada, pipeline)
    made = await As.member(client, ada)("POST", "/tokens", {"username": "bob", "name": "by ada"})
    link = await world.raw.fetchval(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)"
        " VALUES ($1, gen_random_uuid(), $2, 'https://id.example.com', 'ada-1') RETURNING id",
        *(world.id, ada.id),
    )
    tokens = [str(row[0]) for row in await world.raw.fetch("SELECT id FROM tokens WHERE user_id = $1", ada.id)]

    await admin("DELETE", "/users/ada", jobs_to="bob")

    entries = (await admin.get("/audit", target="user:ada")).body["audit"]
    deleted, handed_over = entries
    assert (handed_over["action"], handed_over["before"]) == ("user.hand_over_jobs", {"owner": "ada", "job_ids": [job]})
    assert handed_over["after"] == {"owner": "bob"}
    grants = [
        {
            "pipeline": {"id": str(pipeline), "name": "Invoices"},
            "permissions": ["flow_pipeline:read"],
            "is_manager": False,
            "expires_at": None,
        }
    ]
    assert (deleted["action"], deleted["actor"], deleted["after"]) == ("user.delete", "root", None)
    assert deleted["before"] == {
        "role": "admin",
        "disabled": False,
        "jobs_to": "bob",
        "grants": grants,
        "groups": ["reviewers"],
        "links": [{"id": str(link), "issuer": "https://id.example.com", "subject": "ada-1"}],
        "tokens": [
            {"id": tokens[0], "username": "ada", "name": ""},
            {"id": made.body["token"]["id"], "username": "bob", "name": "by ada"},
        ],
    }
    assert (await As(client, made.body["secret"]).get("/users/me")).status == 401
    assert (await As.member(client, bob).get("/users/me")).status == 200
    shown = (await admin.get("/audit", actor="ada")).body["audit"]
    assert [entry["actor"] for entry in shown] == ["ada"]


@pytest.mark.parametrize("together", [True, False], ids=["at once", "in parts"])
async def test_deletion_ends_what_a_rotation_by_another_token_has_moved(
    client: Client, world: World, admin: As, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    """As the revocation of their tokens would: who had made a token for somebody may have made others with it."""
    if not together:
        monkeypatch.setattr(user_deletion, "MAX_TOKENS", 1)
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    bobs = As.member(client, bob)
    for_bob = (await As.member(client, ada)("POST", "/tokens", {"username": "bob"})).body
    with_it = (await As(client, for_bob["secret"])("POST", "/tokens", {})).body
    path = f"/tokens/{for_bob['token']['id']}/rotate"
    rotated = (await bobs("POST", path, {"overlap_seconds": 0})).body

    assert (await admin("DELETE", "/users/ada")).code == "OK"

    for secret in (for_bob["secret"], with_it["secret"], rotated["secret"]):
        assert (await As(client, secret).get("/users/me")).status == 401
    assert (await bobs.get("/users/me")).status == 200
    trail = (await admin.get("/audit", action="token.revoke")).body["audit"]
    assert {entry["target"] for entry in trail} == {f"token:{each['token']['id']}" for each in (with_it, rotated)}


async def test_deletion_lists_more_than_a_row_holds_in_further_rows(world: World, admin: As) -> None:
    ada, _ = await world.user("ada"), await world.user("bob")
    await world.raw.execute(
        """
        INSERT INTO jobs (organization_id, id, owner_id)
        SELECT $1, 'job-' || n, $2 FROM generate_series(1, 600) n
        """,
        world.id,
        ada.id,
    )
    await world.raw.execute(
        """
        INSERT INTO tokens (organization_id, id, user_id, digest)
        SELECT $1, gen_random_uuid(), $2, sha256((n || $2::uuid::text)::bytea) FROM generate_series(1, 300) n
        """,
        world.id,
        ada.id,
    )

    await admin("DELETE", "/users/ada", jobs_to="bob")

    entries = (await admin.get("/audit", target="user:ada", page_size="1000")).body["audit"]
    before = [entry["before"] for entry in entries]
    assert sorted(len(each["job_ids"]) for each in before if "job_ids" in each) == [100, 250, 250]
    assert len({job for each in before for job in each.get("job_ids", ())}) == 600
    assert sorted(len(each["tokens"]) for each in before if "tokens" in each) == [51, 250]


async def test_deletion_of_many_jobs_takes_several_transactions(
    world: World, admin: As, monkeypatch: pytest.MonkeyPatch, records: list[Any]
) -> None:
    monkeypatch.setattr(user_deletion, "MAX_HANDED_OVER", 2)
    ada, _ = await world.user("ada"), await world.user("bob")
    mine = [await world.job(ada) for _ in range(5)]

    assert (await admin("DELETE", "/users/ada", jobs_to="bob")).code == "OK"

    assert {await owner_of(world, job) for job in mine} == {"bob"}
    handed_over = (await admin.get("/audit", action="user.hand_over_jobs")).body["audit"]
    assert [len(entry["before"]["job_ids"]) for entry in handed_over] == [1, 2, 2]


async def test_deletion_that_takes_too_long_goes_on_when_asked_again(
    world: World, admin: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_deletion, "MAX_HANDED_OVER", 2)
    monkeypatch.setattr(parts, "PARTS_SECONDS", -1)
    ada, bob = await world.user("ada"), await world.user("bob")
    for _ in range(3):
        await world.job(ada)
    owned = "SELECT count(*) FROM jobs WHERE owner_id = $1"

    begun = await admin("DELETE", "/users/ada", jobs_to="bob")

    assert (begun.status, begun.code, "Retry-After" in begun.headers) == (409, "ABORTED", True)
    assert [await world.raw.fetchval(owned, user.id) for user in (ada, bob)] == [1, 2]
    assert (await admin.get("/users/ada")).status == 200
    assert (await admin("DELETE", "/users/ada", jobs_to="bob")).status == 200
    assert await world.raw.fetchval(owned, bob.id) == 3


async def test_deletion_of_oneself_or_the_last_administrator_is_refused(
    client: Client, world: World, root: Member, admin: As
) -> None:
    other = await world.user("other", role="admin")

    refused = await admin("DELETE", "/users/root")
    assert (refused.code, "ask another administrator" in refused.body["msg"]) == ("FAILED_PRECONDITION", True)
    assert (await As.member(client, other)("DELETE", "/users/root")).code == "OK"
    assert (await As.member(client, other)("DELETE", "/users/other")).code == "FAILED_PRECONDITION"
    assert (await admin.get("/users/me")).status == 401


async def test_deletion_by_others_is_refused(client: Client, world: World, root: Member) -> None:
    ada, pam = await world.user("ada"), await world.user("pam", role="pipeline_admin")
    narrow = await world.token(root.id, scopes=READ)

    for token in (ada.token, pam.token, narrow):
        for name in ("ada", "nobody"):
            assert (await As(client, token)("DELETE", f"/users/{name}")).code == "PERMISSION_DENIED"


async def test_deletion_honours_what_the_caller_has_seen(world: World, admin: As) -> None:
    await world.user("ada")
    tag = (await admin.get("/users/ada")).headers["ETag"]
    await admin("PATCH", "/users/ada", {"display_name": "Ada"})

    assert (await admin("DELETE", "/users/ada", None, {"If-Match": tag})).status == 412
    tag = (await admin.get("/users/ada")).headers["ETag"]
    assert (await admin("DELETE", "/users/ada", None, {"If-Match": tag})).status == 200


async def test_job_registered_for_a_user_meanwhile_is_not_lost(world: World, admin: As) -> None:
    """Whatever comes first: the job goes with the others, or is refused, or keeps the user."""
    bob = await world.user("bob")
    for number in range(8):
        await world.user(f"ada-{number}")
        answers = await asyncio.gather(
            admin("PUT", f"/jobs/job-{number}", {"owner": f"ada-{number}"}),
            admin("DELETE", f"/users/ada-{number}", jobs_to="bob"),
            admin("PUT", f"/jobs/other-{number}", {"owner": f"ada-{number}"}),
        )
        assert {answer.code for answer in answers} <= {"OK", "NOT_FOUND"}
        assert answers[1].code == "OK"
    owners = await world.raw.fetch("SELECT DISTINCT owner_id FROM jobs WHERE organization_id = $1", world.id)
    assert {row[0] for row in owners} <= {bob.id}


async def test_name_taken_while_its_user_is_deleted_is_refused(dsn: str, world: World, admin: As) -> None:
    """The insert waits for the deletion, in whose snapshot the name is still free."""
    ada = await world.user("ada")
    holder = await asyncpg.connect(dsn)
    try:
        async with holder.transaction():
            await holder.execute("DELETE FROM users WHERE id = $1", ada.id)
            columns = "INSERT INTO deleted_users (organization_id, id, username) VALUES ($1, $2, 'ada')"
            await holder.execute(columns, world.id, UUID(int=ada.id.int))
            made = asyncio.create_task(admin("POST", "/users", {"username": "ada"}))
            await asyncio.sleep(0.2)
            assert not made.done()
        assert (await made).code == "ALREADY_EXISTS"
    finally:
        await holder.close()
