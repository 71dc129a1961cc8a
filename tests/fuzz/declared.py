"""Declared states with odd values, in files that are JSON, YAML, or neither, put in place by `apply`."""

import json
import tempfile
from typing import Any, Final

import yaml
from hypothesis import strategies as st

from tests.fuzz import values
from tests.fuzz.command_line import check_ending
from tests.fuzz.invariants import TALLY, UNCHANGED, check_bystander, check_lists
from tests.fuzz.stage import Stage

_USER: Final = values.mostly(st.just("carol"), values.NAMES, 7)
_GROUP: Final = values.mostly(st.just("reviewers"), values.NAMES, 7)


def _objects(required: dict[str, Any], optional: dict[str, Any]) -> values.Value:
    return st.one_of(*[st.fixed_dictionaries(required, optional=optional)] * 8, values.JSON)


_GRANT: Final = st.one_of(
    _objects({"user": _USER, "permissions": values.PERMISSIONS}, {"is_manager": st.booleans()}),
    _objects({"group": _GROUP, "permissions": values.PERMISSIONS}, {"expires_at": values.ENDS, "user": _USER}),
)
_PIPELINE: Final = _objects(
    {"name": values.mostly(st.just("Invoices"), values.SHOWN, 5)},
    {"description": values.DESCRIPTIONS, "grants": st.lists(_GRANT, max_size=3)},
)
_DECLARED_GROUP: Final = _objects({"name": _GROUP}, {"members": st.lists(_USER, max_size=3)})
STATES: Final[values.Value] = values.mostly(
    st.fixed_dictionaries(
        {},
        optional={
            "pipelines": st.lists(_PIPELINE, max_size=3),
            "groups": st.lists(_DECLARED_GROUP, max_size=3),
        },
    ),
    st.one_of(values.JSON, st.dictionaries(values.texts(20), values.JSON, max_size=3)),
    8,
)


def _as_yaml(state: Any) -> bytes:
    return yaml.safe_dump(state, allow_unicode=True).encode("utf-8", "surrogatepass")


def _as_json(state: Any) -> bytes:
    return json.dumps(state).encode()


_ODD = [b"", b"\xff", b"\0", b"&a *a", b"<<: ", b"\t"]


def _cut(content: bytes) -> st.SearchStrategy[bytes]:
    """Return strategies for a file that ends early, or has odd bytes within it."""
    return st.tuples(st.integers(0, len(content)), st.sampled_from(_ODD)).map(
        lambda drawn: content[: drawn[0]] + drawn[1] + (content[drawn[0] :] if drawn[1] else b"")
    )


@st.composite
def declared(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Draw a file, and whether what it does not declare goes; of groups alone, as others' pipelines are to stay."""
    state = draw(STATES)
    content = draw(st.sampled_from([_as_json, _as_yaml]))(state)
    prune = isinstance(state, dict) and "pipelines" not in state and draw(st.booleans())
    return (draw(_cut(content)) if draw(st.integers(0, 5)) == 0 else content), prune


async def put_in_place(stage: Stage, drawn: tuple[bytes, bool]) -> None:
    """Apply a file, twice if it is taken: the second time there is nothing left to do."""
    TALLY.begin("apply")
    content, prune = drawn
    scene = await stage.scene()
    with tempfile.NamedTemporaryFile(prefix="declared-") as file:
        file.write(content)
        file.flush()
        arguments = ["apply", "--file", file.name, "--yes", "--json", "--organization", str(scene.world.id)]
        arguments += ["--prune"] if prune else []
        before = await stage.state(scene)
        code, out, err = stage.commands(arguments)
        check_ending(arguments, code, out, err, codes={0, 1, 2})
        after = await stage.state(scene)
        if code == 0:
            TALLY.accept()
            code, out, err = stage.commands(arguments)
            before, after = after, await stage.state(scene)
        with TALLY.holds(UNCHANGED):
            assert after == before, (content, out, err)
    await check_bystander(stage, scene)
    await check_lists(stage, scene)
