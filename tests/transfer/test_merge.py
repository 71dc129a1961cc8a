"""The merge of a file into a database that has rows already."""

import json
from typing import Any
from uuid import UUID, uuid4

from service.transfer.importing import import_records
from tests.transfer.files import lines, whole

Raw = Any


async def test_merge_of_the_same_file_again_changes_nothing(dsn: str, raw: Raw) -> None:
    found = whole()
    await import_records(dsn, lines(*found.values()))
    revisions = "SELECT id, revision FROM users WHERE organization_id = $1 UNION ALL SELECT id, revision FROM groups"
    before = {*map(tuple, await raw.fetch(revisions, UUID(found["organization"]["id"])))}

    result = await import_records(dsn, lines(*found.values()))

    assert result.written == {}
    assert {*map(tuple, await raw.fetch(revisions, UUID(found["organization"]["id"])))} == before


async def test_merge_updates_rows_that_differ(dsn: str, raw: Raw) -> None:
    found = whole()
    await import_records(dsn, lines(*found.values()))

    result = await import_records(
        dsn,
        lines(
            {**found["user"], "username": "lovelace"},
            {**found["pipeline"], "name": "Bills", "description": "all of them"},
            {**found["grant"], "permissions": [], "is_manager": False, "expires_at": None},
        ),
    )

    assert result.written == {"users": 1, "pipelines": 1, "group_grants": 1}
    pipeline = await raw.fetchrow(
        "SELECT name, description FROM pipelines WHERE id = $1", UUID(found["pipeline"]["id"])
    )
    assert tuple(pipeline) == ("Bills", "all of them")
    access = "SELECT access, expires_at FROM group_grants WHERE pipeline_id = $1"
    assert tuple(await raw.fetchrow(access, UUID(found["pipeline"]["id"]))) == (1, None)


async def test_merge_sets_and_clears_names_of_people_with_their_keys(dsn: str, raw: Raw) -> None:
    found = whole()
    user = {**found["user"], "display_name": " Ada ÉMILE ", "email": "Ada@X.example"}
    columns = "SELECT display_name, display_name_key, email, email_key FROM users WHERE id = $1"
    audited = "SELECT after->'users'->0 FROM audit WHERE organization_id = $1 AND action = 'import.users' ORDER BY id"

    for record in (user, found["user"]):
        await import_records(dsn, lines(*{**found, "user": record}.values()))
        stored = tuple(await raw.fetchrow(columns, UUID(user["id"])))
        named = ("Ada ÉMILE", "ada émile", "Ada@X.example", "ada@x.example")
        assert stored == (named if record is user else (None,) * 4)

    first, last = (json.loads(row[0]) for row in await raw.fetch(audited, UUID(found["organization"]["id"])))
    assert (first["display_name"], first["email"]) == ("Ada ÉMILE", "Ada@X.example")
    assert last.keys() == {"id", "username", "role", "disabled"}


async def test_merge_takes_the_last_line_of_a_repeated_record(dsn: str, raw: Raw) -> None:
    found = whole()

    await import_records(dsn, lines(*found.values(), {**found["pipeline"], "name": "Last"}, found["membership"]))

    name = await raw.fetchval("SELECT name FROM pipelines WHERE id = $1", UUID(found["pipeline"]["id"]))
    assert name == "Last"


async def test_merge_puts_new_assignments_after_those_there(dsn: str, raw: Raw) -> None:
    found = whole()
    await import_records(dsn, lines(*found.values()))
    second = {**found["pipeline"], "id": str(uuid4()), "name": "Second"}
    third = {**found["pipeline"], "id": str(uuid4()), "name": "Third"}

    await import_records(
        dsn, lines(third, second, *({**found["assignment"], "pipeline_id": each["id"]} for each in (second, third)))
    )

    placed = await raw.fetch(
        "SELECT pipeline_id::text FROM assignments WHERE job_id = $1 ORDER BY position", found["job"]["id"]
    )
    assert [row[0] for row in placed] == [found["pipeline"]["id"], second["id"], third["id"]]


async def test_merge_updates_marks_of_provisioning_that_differ(dsn: str, raw: Raw) -> None:
    found = whole()
    await import_records(dsn, lines(*found.values()))
    user, group = found["provisioned_user"], found["provisioned_group"]

    result = await import_records(
        dsn,
        lines({**user, "external_id": None, "gives_role": False, "deprovisioned": True}, {**group, "external_id": "H"}),
    )

    assert result.written == {"provisioned_users": 1, "provisioned_groups": 1}
    columns = "SELECT external_id, gives_role, deprovisioned FROM provisioned_users WHERE user_id = $1"
    assert tuple(await raw.fetchrow(columns, UUID(user["user_id"]))) == (None, False, True)
    columns = "SELECT external_id FROM provisioned_groups WHERE group_id = $1"
    assert await raw.fetchval(columns, UUID(group["group_id"])) == "H"
