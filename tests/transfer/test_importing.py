import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.database.migrations import migrate
from service.database.sql_files import sql_directory
from service.errors import StartupError
from service.transfer.importing import ImportRefused, import_records
from service.transfer.records import BadRecord, parse_line
from tests.factories import World

Raw = Any
Record = dict[str, Any]
READ, EXECUTE = "flow_pipeline:read", "flow_pipeline:execute"


def records() -> dict[str, Record]:
    """One of each, by type, in an order in which parents come first."""
    organization, user, group, pipeline = (str(uuid4()) for _ in range(4))
    of = {"organization_id": organization}
    return {
        "organization": {"type": "organization", "id": organization, "name": "Acme"},
        "user": {"type": "user", "id": user, **of, "username": "ada", "is_admin": True},
        "group": {"type": "group", "id": group, **of, "name": "reviewers"},
        "pipeline": {"type": "pipeline", "id": pipeline, **of, "name": " Invoices "},
        "membership": {"type": "membership", "group_id": group, "user_id": user},
        "grant": {
            "type": "grant",
            "pipeline_id": pipeline,
            "group_id": group,
            "permissions": [READ, EXECUTE],
            "is_manager": True,
            "expires_at": "2030-01-01T00:00:00Z",
        },
        "token": {"type": "token", "user_id": user, "sha256": uuid4().hex * 2, "scopes": [READ, "admin"]},
        "job": {"type": "job", "id": f"job-{uuid4()}", **of, "owner_id": user},
        "assignment": {"type": "assignment", "pipeline_id": pipeline},
    }


def whole() -> dict[str, Record]:
    found = records()
    found["assignment"]["job_id"] = found["job"]["id"]
    return found


def lines(*found: Record) -> BytesIO:
    return BytesIO(b"".join(json.dumps(record).encode() + b"\n" for record in found))


async def test_import_one_of_each(dsn: str, raw: Raw) -> None:
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
    assert await row("jobs", "id, owner_id") == [(found["job"]["id"], user)]
    assert await row("assignments", "job_id, pipeline_id, position") == [(found["job"]["id"], pipeline, 1)]


async def test_import_is_audited_by_organization(dsn: str, raw: Raw) -> None:
    found, other = whole(), records()["organization"]

    await import_records(dsn, lines(*found.values(), other))

    trail = "SELECT actor, actor_id, action, after FROM audit WHERE organization_id = $1"
    rows = await raw.fetch(trail, UUID(found["organization"]["id"]))
    assert [(row["actor"], row["actor_id"], row["action"]) for row in rows] == [("command line", None, "import")]
    assert json.loads(rows[0]["after"])["written"]["users"] == 1
    assert json.loads(await raw.fetchval(trail.replace("actor, actor_id, action, ", ""), UUID(other["id"]))) == {
        "written": {"organizations": 1}
    }


async def test_import_again_changes_nothing(dsn: str, raw: Raw) -> None:
    found = whole()
    await import_records(dsn, lines(*found.values()))
    revisions = "SELECT id, revision FROM users WHERE organization_id = $1 UNION ALL SELECT id, revision FROM groups"
    before = {*map(tuple, await raw.fetch(revisions, UUID(found["organization"]["id"])))}

    result = await import_records(dsn, lines(*found.values()))

    assert result.written == {}
    assert {*map(tuple, await raw.fetch(revisions, UUID(found["organization"]["id"])))} == before


async def test_import_updates_what_is_there(dsn: str, raw: Raw) -> None:
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


async def test_import_the_last_of_a_repeated_record_counts(dsn: str, raw: Raw) -> None:
    found = whole()

    await import_records(dsn, lines(*found.values(), {**found["pipeline"], "name": "Last"}, found["membership"]))

    name = await raw.fetchval("SELECT name FROM pipelines WHERE id = $1", UUID(found["pipeline"]["id"]))
    assert name == "Last"


async def test_import_assignments_follow_those_there(dsn: str, raw: Raw) -> None:
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


async def test_import_demo(empty_dsn: str) -> None:
    await migrate(empty_dsn)
    with (sql_directory() / "demo.ndjson").open("rb") as demo:
        result = await import_records(empty_dsn, demo)

    assert (result.records["user"], result.records["pipeline"]) == (6, 8)


async def test_import_without_a_last_line_break_and_with_blank_lines(dsn: str) -> None:
    organization = records()["organization"]

    result = await import_records(dsn, BytesIO(b"\n  \n" + json.dumps(organization).encode()))

    assert result.records == {"organization": 1}


async def test_import_nothing(dsn: str) -> None:
    assert (await import_records(dsn, BytesIO())).records == {}


async def test_import_into_a_database_without_tables(empty_dsn: str) -> None:
    with pytest.raises(StartupError, match="run `migrate` first"):
        await import_records(empty_dsn, lines(*whole().values()))


# ---- what is refused


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
    "a missing key": (without("user", "username"), "username is missing"),
    "no role": (without("user", "is_admin"), "either role or is_admin must be given"),
    "two roles": (change("user", role="member"), "either role or is_admin must be given"),
    "is_admin no boolean": (change("user", is_admin=1), "is_admin must be true or false"),
    "an id no UUID": (change("user", id="1"), "id must be a UUID"),
    "an id without dashes": (change("user", id=uuid4().hex), "id must be a UUID"),
    "a username with a space": (change("user", username="a b"), "username must be 1 to 100 of"),
    "a name with a line break": (change("pipeline", name="a\nb"), "name must be 1 to 255 characters"),
    "a name of spaces": (change("pipeline", name="   "), "name must be 1 to 255 characters"),
    "a name too long": (change("pipeline", name="x" * 256), "name must be 1 to 255 characters"),
    "a NUL": (change("organization", name="a\0"), "name must be a text"),
    "an unknown permission": (
        change("grant", permissions=["read"]),
        "permissions must be a list of flow_pipeline:read",
    ),
    "permissions no list": (change("grant", permissions=READ), "permissions must be a list of"),
    "a grant to nobody": (change("grant", group_id=None), "either user_id or group_id must be given"),
    "a grant to two": (
        lambda f: {**f["grant"], "user_id": f["user"]["id"]},
        "either user_id or group_id must be given",
    ),
    "a time without offset": (change("grant", expires_at="2030-01-01T00:00:00"), "expires_at must be an RFC 3339 time"),
    "a time that is none": (change("grant", expires_at="soon"), "expires_at must be an RFC 3339 time"),
    "no SHA-256": (change("token", sha256="x"), "sha256 must be 64 lower-case hexadecimal digits"),
    "scopes empty": (change("token", scopes=[]), "scopes must be null, or a list that is not empty"),
    "a job's id reserved": (change("job", id="pipelines"), "id must be the id of a job"),
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
    "a group's name taken": (change("group", id=str(uuid4()), name="Reviewers"), "name is taken by another group"),
    "a pipeline's name taken": (
        change("pipeline", id=str(uuid4()), name="INVOICES"),
        "name is taken by another pipeline",
    ),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD.keys())
async def test_import_bad_line_by_number_and_nothing_is_changed(
    dsn: str, raw: Raw, bad: Callable[[dict[str, Record]], Record | bytes], reason: str
) -> None:
    found = whole()
    line = bad(found)
    file = lines(*found.values()).getvalue() + (line if isinstance(line, bytes) else json.dumps(line).encode())

    with pytest.raises(ImportRefused) as caught:
        await import_records(dsn, BytesIO(file))

    assert str(caught.value).startswith("line 10: ")
    assert reason in str(caught.value)
    organization = "SELECT count(*) FROM organizations WHERE id = $1"
    assert await raw.fetchval(organization, UUID(found["organization"]["id"])) == 0


async def test_import_the_first_of_several_bad_lines_is_named(dsn: str) -> None:
    found = whole()

    with pytest.raises(ImportRefused, match=r"^line 2: group_id: there is no such group"):
        await import_records(dsn, lines(found["organization"], found["membership"], found["assignment"]))


@pytest.mark.parametrize(("child", "parent"), [("user", "organization"), ("grant", "pipeline"), ("assignment", "job")])
async def test_import_child_before_its_parent_is_refused(dsn: str, child: str, parent: str) -> None:
    found = whole()
    order = [kind for kind in found if kind not in (child, parent)]

    with pytest.raises(ImportRefused, match=rf": there is no such {parent}|organization has no such {parent}"):
        await import_records(dsn, lines(*(found[kind] for kind in order if kind != "x"), found[child], found[parent]))


async def test_import_bad_line_far_in_is_named_by_its_number(dsn: str) -> None:
    organization = json.dumps(records()["organization"]).encode() + b"\n"

    with pytest.raises(ImportRefused, match=r"^line 25001: not JSON"):
        await import_records(dsn, BytesIO(organization * 25_000 + b"x\n"))


async def test_import_never_mixes_organizations(dsn: str) -> None:
    ours, theirs = whole(), whole()

    for record, reason in (
        (
            {**ours["grant"], "group_id": theirs["group"]["id"]},
            "group_id and pipeline_id belong to different organizations",
        ),
        (
            {**ours["membership"], "user_id": theirs["user"]["id"]},
            "user_id and group_id belong to different organizations",
        ),
        ({**ours["job"], "owner_id": theirs["user"]["id"]}, "owner_id and organization_id belong to different"),
        ({**ours["assignment"], "job_id": theirs["job"]["id"]}, "the pipeline's organization has no such job"),
        (
            {**ours["user"], "organization_id": theirs["organization"]["id"]},
            "another organization has a user of the same id",
        ),
    ):
        with pytest.raises(ImportRefused, match=f"^line 19: .*{reason}"):
            await import_records(dsn, lines(*ours.values(), *theirs.values(), record))


async def test_import_a_token_stays_its_users(dsn: str, world: World) -> None:
    ada, grace = await world.user(), await world.user()
    token = {"type": "token", "sha256": uuid4().hex * 2}
    await import_records(dsn, lines({**token, "user_id": str(ada.id)}))

    with pytest.raises(ImportRefused, match=r"^line 1: sha256 is the token of another user"):
        await import_records(dsn, lines({**token, "user_id": str(grace.id)}))


# ---- whatever comes, a line is parsed or refused

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from([READ]),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=3), children, max_size=2),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*whole()]), st.data())
def test_parse_line_mutated(kind: str, data: st.DataObject) -> None:
    record = whole()[kind]
    for key in data.draw(st.sets(st.sampled_from([*record, "expires_at", "scopes", "x"]), max_size=3)):
        record[key] = data.draw(values)
    line = json.dumps(record).encode()

    try:
        parsed = parse_line(line)
    except BadRecord:
        return
    assert parsed is not None
    assert "\n" not in parsed[1]


@given(st.binary(max_size=60))
def test_parse_line_of_noise(line: bytes) -> None:
    try:
        parsed = parse_line(line)
    except BadRecord:
        return
    assert parsed is None
