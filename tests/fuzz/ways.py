"""The ways in, a test of one case each: what is drawn goes in, and the invariants must hold afterwards."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.addresses import VARIABLES_SET, settings
from tests.fuzz.command_line import command, commands
from tests.fuzz.declared import declared, put_in_place
from tests.fuzz.imports import FILES, bring_in
from tests.fuzz.invariants import TALLY, UNCHANGED, check_answer, check_bystander, check_lists
from tests.fuzz.lifecycles import live, lives
from tests.fuzz.requests import Request, requests
from tests.fuzz.stage import Stage

SEQUENCES = st.lists(requests(), min_size=1, max_size=4)


async def api(stage: Stage, drawn: "list[Request]") -> None:
    """Send requests of any rows, one after the other."""
    scene = await stage.scene()
    ids = {"$pipeline": scene.pipeline, "$token": scene.token}
    for each in drawn:
        TALLY.begin("api")
        before = await stage.state(scene)
        answer = await stage.send(each.encode(scene.admin.token, ids))
        check_answer(answer, each.route if each.plain else None, method=each.method)
        if answer.status >= 400 or each.method in ("GET", "HEAD", "OPTIONS"):
            with TALLY.holds(UNCHANGED):
                assert await stage.state(scene) == before, answer
        else:
            TALLY.accept()
        await check_bystander(stage, scene)
    await check_lists(stage, scene)


WAYS: Mapping[str, tuple[Callable[[Stage, Any], Coroutine[Any, Any, None]], st.SearchStrategy[Any]]] = {
    "api": (api, SEQUENCES),
    "lives": (live, lives()),
    "import": (bring_in, FILES),
    "command": (command, commands()),
    "apply": (put_in_place, declared()),
    "settings": (settings, VARIABLES_SET),
}
"""By name, the work on one case and the strategy of what is drawn for it."""
