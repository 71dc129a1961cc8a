import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.database.migrations import migrate
from service.database.sql_files import sql_directory
from service.errors import StartupError
from service.repositories.audit_lists import LARGEST
from service.transfer.importing import ImportRefused, import_records
from tests.factories import World
from tests.transfer.files import READ, Record, lines, one_of_each, whole

Raw = Any


async def test_import_records_writes_one_of_each_type(dsn: str, raw: Raw) -> None:
    found = whole()

    result = await import_records(dsn, lines(*found.values()))

    assert result.records == dict.fromkeys(found, 1)
    organization = UUID(found["organization"]["id"])

    async def row(table: str, columns: str) -> list[object]:
        rows = await raw.fetch(f"SELECT {columns} FROM {table} WHERE organization_id = $1", organization)
        return [tuple(row) for row in rows]

    user, group, pipeline = (UUID(found[kind]["id"]) for kind in ("user", "group", "pipeline"))
    assert await row("users", "id, username, role, disabled") == [(user, "ada", "admin", False)]
    assert await row("groups", "id, name") == [(group, "reviewers")]
    assert await row("pipelines", "id, name, name_key") == [(pipeline, "Invoices", "invoices")]
    assert await row("memberships", "user_id, group_id") == [(user, group)]
    assert await row("user_grants", "user_id") == []
    assert await row("group_grants", "group_id, pipeline_id, access, expires_at::text") == [
        (group, pipeline, 1 | 4 | 32, "2030-01-01 00:00:00+00")
    ]
    assert await row("tokens", "user_id, digest, scopes") == [(user, bytes.fromhex(found["token"]["sha256"]), 1 | 32)]
    subject = found["identity"]["subject"]
    assert await row("identity_links", "user_id, issuer, subject") == [(user, "https://id.example", subject)]
    marks = "external_id, gives_role, deprovisioned"
    assert await row("provisioned_users", f"user_id, {marks}") == [(user, "7", True, False)]
    assert await row("provisioned_groups", "group_id, external_id") == [(group, "G")]
    assert await row("jobs", "id, owner_id") == [(found["job"]["id"], user)]
    assert await row("assignments", "job_id, pipeline_id, position") == [(found["job"]["id"], pipeline, 1)]


async def test_import_records_is_audited_by_organization(dsn: str, raw: Raw) -> None:
    found, other = whole(), one_of_each()["organization"]

    await import_records(dsn, lines(*found.values(), other))

    trail = "SELECT actor, actor_id, action, after FROM audit WHERE organization_id = $1"
    rows = await raw.fetch(f"{trail} ORDER BY id", UUID(found["organization"]["id"]))
    assert [(row["actor"], row["actor_id"], row["action"]) for row in rows] == [
        ("command line", None, action)
        for action in (
            "import.users",
            "import.pipelines",
            "import.tokens",
            "import.identity_links",
            "import.memberships",
            "import.group_grants",
            "import",
        )
    ]
    assert json.loads(rows[-1]["after"])["written"]["users"] == 1
    assert json.loads(await raw.fetchval(trail.replace("actor, actor_id, action, ", ""), UUID(other["id"]))) == {
        "written": {"organizations": 1}
    }


async def test_import_records_audits_names_of_users_and_grants_let_in(dsn: str, raw: Raw) -> None:
    found = whole()

    await import_records(dsn, lines(*found.values()))
    await World(raw, UUID(found["organization"]["id"])).user("chief", role="admin")
    await import_records(dsn, lines(*found.values(), {**found["user"], "is_admin": False}))

    trail = "SELECT before, after FROM audit WHERE organization_id = $1 AND action LIKE 'import.%' ORDER BY id"
    rows = await raw.fetch(trail, UUID(found["organization"]["id"]))
    pipeline = {"id": found["pipeline"]["id"], "name": "Invoices"}
    token_id, link_id = [
        str(await raw.fetchval(f"SELECT id FROM {table} WHERE user_id = $1", UUID(found["user"]["id"])))
        for table in ("tokens", "identity_links")
    ]
    user_id = found["user"]["id"]
    assert [json.loads(row["after"]) for row in rows] == [
        {"users": [{"id": user_id, "username": "ada", "role": "admin", "disabled": False}]},
        {"pipelines": [{**pipeline, "created": True}]},
        {
            "tokens": [
                {
                    "id": token_id,
                    "username": "ada",
                    "name": found["token"].get("name", ""),
                    "scopes": [READ, "admin"],
                    "expires_at": None,
                    "revoked_at": None,
                }
            ]
        },
        {
            "identity_links": [
                {
                    "id": link_id,
                    "username": "ada",
                    "issuer": "https://id.example",
                    "subject": found["identity"]["subject"],
                }
            ]
        },
        {"memberships": [{"group": "reviewers", "member": "ada"}]},
        {
            "group_grants": [
                {
                    "to": "group:reviewers",
                    "to_id": found["group"]["id"],
                    "pipeline": pipeline,
                    "permissions": [READ, "flow_pipeline:execute"],
                    "is_manager": True,
                    "expires_at": "2030-01-01T00:00:00.000000+00:00",
                }
            ]
        },
        {"users": [{"id": user_id, "username": "ada", "role": "member", "disabled": False}]},
    ], "what was there already is not there twice"
    former = [json.loads(row["before"]) for row in rows if row["before"]]
    assert former == [{"users": [{"id": user_id, "role": "admin", "disabled": False}]}]


async def test_import_records_is_audited_completely_in_rows_of_some_hundred(dsn: str, raw: Raw) -> None:
    organization, user = one_of_each()["organization"], one_of_each()["user"]
    users = [
        {**user, "id": str(uuid4()), "organization_id": organization["id"], "username": f"u-{number}"}
        for number in range(2100)
    ]

    await import_records(dsn, lines(organization, *users))

    trail = "SELECT after FROM audit WHERE organization_id = $1 AND action = 'import.users' ORDER BY id"
    rows = [json.loads(row["after"])["users"] for row in await raw.fetch(trail, UUID(organization["id"]))]
    assert sorted(len(each) for each in rows) == [2100 % LARGEST, *[LARGEST] * (2100 // LARGEST)]
    assert {each["username"] for row in rows for each in row} == {each["username"] for each in users}


async def test_import_records_of_the_demo(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    with (sql_directory() / "demo.ndjson").open("rb") as demo:
        result = await import_records(empty_dsn, demo)

    assert (result.records["user"], result.records["pipeline"]) == (6, 8)


async def test_import_records_of_blank_lines_and_without_a_last_line_break(dsn: str) -> None:
    organization = one_of_each()["organization"]

    result = await import_records(dsn, BytesIO(b"\n  \n" + json.dumps(organization).encode()))

    assert result.records == {"organization": 1}


async def test_import_records_of_an_empty_file(dsn: str) -> None:
    assert (await import_records(dsn, BytesIO())).records == {}


async def test_import_records_into_a_database_without_tables(empty_dsn: str) -> None:
    with pytest.raises(StartupError, match="run `migrate` first"):
        await import_records(empty_dsn, lines(*whole().values()))


# ---- files that are refused


def change(kind: str, **changes: Any) -> Callable[[dict[str, Record]], Record]:
    return lambda found: {**found[kind], **changes}


def without(kind: str, key: str) -> Callable[[dict[str, Record]], Record]:
    return lambda found: {name: value for name, value in found[kind].items() if name != key}


BAD: dict[str, tuple[Callable[[dict[str, Record]], Record | bytes], str]] = {
    "not JSON": (lambda _: b"{", "not JSON"),
    "not UTF-8": (lambda _: b'{"type": "\xff"}', "not JSON"),
    "a lone surrogate": (lambda _: b'{"type": "organization", "name": "\\ud800"}', "not JSON"),
    "a list": (lambda _: b"[]", "not a JSON object"),
    "no type": (without("user", "type"), "type must be one of organization, user"),
    "a type that is none": (change("user", type=["user"]), "type must be one of"),
    "an unknown type": (change("user", type="robot"), "type must be one of"),
    "an unknown key": (change("user", age=36), "age is not a key of such a record"),
    "a key twice": (lambda _: b'{"type":"organization","name":"a","name":"b"}', "name is given more than once"),
    "a key twice, spaced": (
        lambda _: b'{"type" :"organization","name":"a","name":"b"}',
        "name is given more than once",
    ),
    "a key twice, escaped": (
        lambda _: b'{"type":"job","na\\u006de":"\\":","name":"b"}',
        "name is given more than once",
    ),
    "a key twice within": (lambda _: b'{"type":"job","name":{"x":1,"x":2}}', "x is given more than once"),
    "arrays in arrays": (lambda _: b'{"type":"job","name":{"x":' + b"[" * 1000 + b"]" * 1000 + b"}}", "too deeply"),
    "a key without a name": (change("user", **{"": 1}), '"" is not a key of such a record'),
    "a missing key": (without("user", "username"), "username is missing"),
    "no role": (without("user", "is_admin"), "either role or is_admin must be given"),
    "two roles": (change("user", role="member"), "either role or is_admin must be given"),
    "is_admin no boolean": (change("user", is_admin=1), "is_admin must be true or false"),
    "an id no UUID": (change("user", id="1"), "id must be a UUID"),
    "an id without dashes": (change("user", id=uuid4().hex), "id must be a UUID"),
    "a username with a space": (change("user", username="a b"), "username must be 1 to 100 characters of"),
    "a display name with a line break": (
        change("user", display_name="a\nb"),
        "display_name must be 1 to 255 characters",
    ),
    "a display name empty": (change("user", display_name=""), "display_name must be 1 to 255 characters"),
    "an email without @": (change("user", email="ada"), "email must be 3 to 320 characters with one @"),
    "a key of ours": (change("user", email_key="ada"), "email_key is not a key of such a record"),
    "a name with a line break": (change("pipeline", name="a\nb"), "name must be 1 to 255 characters"),
    "a name of spaces": (change("pipeline", name="   "), "name must be 1 to 255 characters"),
    "a name too long": (change("pipeline", name="x" * 256), "name must be 1 to 255 characters"),
    "a NUL": (change("organization", name="a\0"), "name must be 1 to 255 characters"),
    "an unknown permission": (
        change("grant", permissions=["read"]),
        "permissions must be a list of flow_pipeline:read",
    ),
    "permissions no list": (change("grant", permissions=READ), "permissions must be a list of"),
    "a grant without a grantee": (change("grant", group_id=None), "either user_id or group_id must be given"),
    "a grant to two": (
        lambda f: {**f["grant"], "user_id": f["user"]["id"]},
        "either user_id or group_id must be given",
    ),
    "a time without offset": (change("grant", expires_at="2030-01-01T00:00:00"), "expires_at must be an RFC 3339 time"),
    "a time that is none": (change("grant", expires_at="soon"), "expires_at must be an RFC 3339 time"),
    "no SHA-256": (change("token", sha256="x"), "sha256 must be 64 lower-case hexadecimal digits"),
    "scopes empty": (change("token", scopes=[]), "scopes must be null, or a list that is not empty"),
    "a job's id reserved": (change("job", id="pipelines"), "id must be 1 to 128 characters of"),
    "a position too large": (change("assignment", position=2**31), "position must be a whole number"),
    "an unknown organization": (
        change("user", id=str(uuid4()), organization_id=str(uuid4())),
        "no such organization before this line",
    ),
    "an unknown owner": (change("job", owner_id=str(uuid4())), "no such user before this line"),
    "an unknown user": (change("token", user_id=str(uuid4()), sha256="0" * 64), "no such user before this line"),
    "an unknown group": (change("membership", group_id=str(uuid4())), "no such group before this line"),
    "an unknown pipeline": (change("grant", pipeline_id=str(uuid4())), "no such pipeline before this line"),
    "an unknown job": (change("assignment", job_id="nothing"), "no such job before this line"),
    "a username taken": (change("user", id=str(uuid4()), username="ADA"), "username is taken by another user"),
    "a deleted user's name taken": (
        lambda found: {**without("user", "is_admin")(found), "type": "deleted_user", "id": str(uuid4())},
        "id or username is that of a user who is there",
    ),
    "a deleted user who is there": (
        lambda found: {**without("user", "is_admin")(found), "type": "deleted_user", "username": "former"},
        "id or username is that of a user who is there",
    ),
    "a subject that is none": (change("identity", subject=""), "subject must be 1 to 255 characters"),
    "an issuer that is none": (change("identity", issuer="a\nb"), "issuer must be 1 to 500 characters"),
    "an external id that is none": (change("provisioned_user", external_id="\u200b"), "external_id must be 1 to 255"),
    "a mark that is no boolean": (change("provisioned_user", gives_role=1), "gives_role must be true or false"),
    "a mark of an unknown group": (change("provisioned_group", group_id=str(uuid4())), "no such group before"),
    "an identity of an unknown user": (change("identity", user_id=str(uuid4())), "no such user before"),
    "a group's name taken": (change("group", id=str(uuid4()), name="Reviewers"), "name is taken by another group"),
    "a pipeline's name taken": (
        change("pipeline", id=str(uuid4()), name="INVOICES"),
        "name is taken by another pipeline",
    ),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD.keys())
async def test_import_records_refuses_a_bad_line_by_number_and_changes_nothing(
    dsn: str, raw: Raw, bad: Callable[[dict[str, Record]], Record | bytes], reason: str
) -> None:
    found = whole()
    line = bad(found)
    file = lines(*found.values()).getvalue() + (line if isinstance(line, bytes) else json.dumps(line).encode())

    with pytest.raises(ImportRefused) as caught:
        await import_records(dsn, BytesIO(file))

    assert str(caught.value).startswith(f"line {len(found) + 1}: ")
    assert reason in str(caught.value)
    organization = "SELECT count(*) FROM organizations WHERE id = $1"
    assert await raw.fetchval(organization, UUID(found["organization"]["id"])) == 0


async def test_import_records_counts_lines_over_chunks(dsn: str) -> None:
    organization = json.dumps(one_of_each()["organization"]).encode() + b"\n"

    with pytest.raises(ImportRefused, match=r"^line 25001: not JSON"):
        await import_records(dsn, BytesIO(organization * 25_000 + b"x\n"))
