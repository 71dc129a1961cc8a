"""The life of one thing with odd values: made, read, listed, carried to another database, changed and deleted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote

from hypothesis import strategies as st

from service.transfer.importing import import_records
from service.values.instants import parse_instant
from tests.fuzz import values
from tests.fuzz.invariants import (
    CARRIED,
    CHANGED,
    DELETED,
    LISTED,
    READ_BACK,
    TALLY,
    UNCHANGED,
    check_answer,
    check_bystander,
    check_lists,
)
from tests.fuzz.stage import Answer, Scene, Stage, exported

READ: Final = "flow_pipeline:read"
PIPELINES: Final = "/api/v1/flow/pipeline"

Make = Callable[[Mapping[str, Any]], tuple[str, str]]


@dataclass(frozen=True)
class Thing:
    """A kind of thing, and its calls."""

    drawn: Mapping[str, values.Value]
    """Strategies for the fields of its creation."""
    make: Make
    """Returns method and path of its creation; the fields that the path names are not in the body."""
    at: Callable[[Mapping[str, Any]], str]
    """Returns the path of what an answer has."""
    listed_at: str
    key: str
    """The name of the thing in answers; its lists have the plural."""
    id: str
    """The field that no two have the same."""
    change: tuple[str, Mapping[str, Any]] | None
    """The method of a change, and its body."""
    ends_by: tuple[str, Mapping[str, Any] | None] = ("DELETE", None)
    in_path: tuple[str, ...] = ()
    filtered: bool = False
    """Whether its list finds a part of its name."""


def _step(value: Any) -> str:
    return quote(str(value), safe="", errors="surrogatepass")


GRANTS: Final = PIPELINES + "/$pipeline/grants"

THINGS: Final[Mapping[str, Thing]] = {
    "pipeline": Thing(
        {"name": values.SHOWN, "description": values.DESCRIPTIONS},
        lambda _: ("POST", PIPELINES),
        lambda made: f"{PIPELINES}/{made['id']}",
        PIPELINES,
        "pipeline",
        "id",
        ("PATCH", {"name": "a usual one", "description": ""}),
        filtered=True,
    ),
    "job": Thing(
        {"job_id": values.JOB_IDS, "name": values.SHOWN, "pipeline_ids": st.just(["$pipeline"])},
        lambda drawn: ("PUT", f"/api/v1/jobs/{_step(drawn['job_id'])}"),
        lambda made: f"/api/v1/jobs/{_step(made['id'])}",
        "/api/v1/jobs",
        "job",
        "id",
        ("PUT", {"name": "a usual one"}),
        in_path=("job_id",),
    ),
    "user": Thing(
        {
            "username": values.NAMES,
            "role": values.ROLES,
            "display_name": st.one_of(values.SHOWN, st.none()),
            "email": st.one_of(values.EMAILS, st.none()),
        },
        lambda _: ("POST", "/api/v1/users"),
        lambda made: f"/api/v1/users/{_step(made['username'])}",
        "/api/v1/users",
        "user",
        "username",
        ("PATCH", {"role": "pipeline_admin"}),
        ends_by=("PATCH", {"disabled": True}),
        filtered=True,
    ),
    "group": Thing(
        {"name": values.NAMES},
        lambda _: ("POST", "/api/v1/groups"),
        lambda made: f"/api/v1/groups/{_step(made['name'])}",
        "/api/v1/groups",
        "group",
        "name",
        None,
        filtered=True,
    ),
    "token": Thing(
        {"name": values.SHOWN, "scopes": st.one_of(values.SCOPES, st.none()), "expires_at": values.ENDS},
        lambda _: ("POST", "/api/v1/tokens"),
        lambda made: f"/api/v1/tokens/{made['id']}",
        "/api/v1/tokens",
        "token",
        "id",
        None,
    ),
    "grant": Thing(
        {"permissions": values.PERMISSIONS, "expires_at": values.ENDS, "is_manager": st.booleans()},
        lambda _: ("PUT", f"{GRANTS}/groups/reviewers"),
        lambda _: f"{GRANTS}/groups/reviewers",
        GRANTS,
        "grant",
        "group",
        ("PUT", {"permissions": [READ], "expires_at": None}),
    ),
}


@st.composite
def lives(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a kind of thing and the values that it is made of."""
    kind = draw(st.sampled_from([*THINGS]))
    return kind, {name: draw(strategy) for name, strategy in THINGS[kind].drawn.items()}


async def live(stage: Stage, drawn: tuple[str, dict[str, Any]]) -> None:
    """Make one thing of what is drawn; what is accepted must have a whole life."""
    TALLY.begin("lives")
    thing, scene = THINGS[drawn[0]], await stage.scene()
    sent = scene.put_in(drawn[1])
    method, path = thing.make(sent)
    before = await stage.state(scene)
    body = {name: value for name, value in sent.items() if name not in thing.in_path}
    answer = await _call(stage, scene, method, path, body)
    if answer.status >= 400 or thing.key not in answer.json:  # `PUT /jobs/..` is another address
        with TALLY.holds(UNCHANGED):
            assert await stage.state(scene) == before, answer
    else:
        TALLY.accept()
        await _live(stage, scene, thing, sent, answer.json[thing.key])
    await check_bystander(stage, scene)
    await check_lists(stage, scene)


async def _call(stage: Stage, scene: Scene, method: str, path: str, body: Any = None, to: str = "") -> Answer:
    path = path.replace("$pipeline", scene.pipeline)
    answer = await stage.call(scene.admin.token, method, path, body, to=to)
    check_answer(answer)
    return answer


async def _live(stage: Stage, scene: Scene, thing: Thing, sent: dict[str, Any], made: dict[str, Any]) -> None:
    with TALLY.holds(READ_BACK):
        _require_equal(sent, made)
        read = await _call(stage, scene, "GET", thing.at(made))
        assert read.json[thing.key] == made, read
    with TALLY.holds(LISTED):
        part = f"&name={_step(made[thing.id if thing.id != 'id' else 'name'])}" if thing.filtered else ""
        for query in {"", part}:
            listed = await _call(stage, scene, "GET", f"{thing.listed_at}?page_size=1000{query}")
            assert made[thing.id] in [each[thing.id] for each in listed.json[f"{thing.key}s"]], listed
    await _carry(stage, scene, thing, made)
    if thing.change:
        with TALLY.holds(CHANGED):
            method, body = thing.change
            changed = await _call(stage, scene, method, thing.at(made), body)
            assert changed.status == 200, changed
    with TALLY.holds(DELETED):
        method, last = thing.ends_by
        ended = await _call(stage, scene, method, thing.at(made), last)
        assert ended.status == 200, ended
        gone = await _call(stage, scene, "GET", thing.at(made))
        assert gone.status == 404 if last is None else gone.json[thing.key]["disabled"], gone


def _require_equal(sent: dict[str, Any], made: dict[str, Any]) -> None:
    """Require what was answered to be what was sent, as docs/reference/values.md has it."""
    for name, value in sent.items():
        read = made.get({"job_id": "id"}.get(name, name))
        if name in ("permissions", "scopes"):
            added: set[str] = {READ} if name == "permissions" else set()
            if value is not None and not sent.get("is_manager"):
                assert {*(read or ())} == {*value} | added, (value, read)
        elif name == "expires_at" and value is not None:
            assert parse_instant(read) == parse_instant(value), (value, read)
        elif name != "pipeline_ids":
            assert read == (value.strip() if name == "name" and "description" in sent else value), (value, read)


async def carry(stage: Stage, data: bytes, *, resident: bool = True) -> None:
    """Require that an export, imported into an empty database, is exported as it was."""
    await stage.empty_other(resident=resident)
    await import_records(stage.other_dsn, BytesIO(data))
    again = await exported(stage.other_dsn)
    assert again == data, [
        pair for pair in zip(data.splitlines(), again.splitlines(), strict=False) if len({*pair}) > 1
    ]


async def _carry(stage: Stage, scene: Scene, thing: Thing, made: dict[str, Any]) -> None:
    with TALLY.holds(CARRIED):
        data, before = await exported(stage.dsn, scene.world), await stage.state(scene)
        await carry(stage, data)
        there = await _call(stage, scene, "GET", thing.at(made), to=stage.other_api)
        assert there.json[thing.key] == made, there
        await import_records(stage.dsn, BytesIO(data))
        if await stage.state(scene) != before:  # the last use of a token may have been written in between, once
            data, before = await exported(stage.dsn, scene.world), await stage.state(scene)
            await import_records(stage.dsn, BytesIO(data))
            assert await stage.state(scene) == before, "what is there already was written again"
