"""What must hold of each answer and after each case, and the count of how often it was looked at."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from service.http.routes import Route
from service.values.names import has_unfit
from tests import contract
from tests.fuzz.stage import Answer, Scene, Stage

Step = tuple[str, str]

NO_FAULT: Final = "no 5xx"
NO_INTERNALS: Final = "no traceback, no SQL"
SHAPE: Final = "answers have the documented shape"
UNCHANGED: Final = "what is refused changes nothing"
READ_BACK: Final = "what is accepted is read back equal"
LISTED: Final = "what is accepted is listed"
CARRIED: Final = "export, import, export is equal"
CHANGED: Final = "what is accepted can be changed"
DELETED: Final = "what is accepted can be deleted"
BYSTANDER: Final = "others' requests are answered"
ENDING: Final = "commands end as documented"
SENTENCE: Final = "refusals are sentences"

_INTERNALS: Final = re.compile(
    r'Traceback|File "|\.py\b|asyncpg|SQLSTATE|syntax error at'
    r"|\b(?:SELECT .+ FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b"
    r"|violates|relation \"|column \"|duplicate key|NoneType|Error\(|KeyError|object at 0x"
)

BESIDE_THE_DOCUMENT: Final = frozenset({400, 401, 404, 405, 413, 414, 415, 417, 431})
"""Statuses of requests that reach no call: their head, or the address that it names, is none."""


@dataclass
class Tally:
    """Counts of cases by way in, and of checks by way in and invariant."""

    cases: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    checks: Counter[tuple[str, str]] = field(default_factory=Counter)
    way: str = ""

    def begin(self, way: str) -> None:
        self.way = way
        self.cases[way] += 1

    def accept(self) -> None:
        self.accepted[self.way] += 1

    @contextmanager
    def holds(self, invariant: str) -> Iterator[None]:
        """Count one check; what fails in it says which invariant does not hold."""
        self.checks[self.way, invariant] += 1
        try:
            yield
        except Exception as error:
            error.add_note(f"This does not hold: {invariant} ({self.way}).")
            raise


TALLY: Final = Tally()


def shown_as_text(value: Any) -> bool:
    """Return whether no text in a value, but in a description, has a character that acts on who reads it."""
    if isinstance(value, dict):
        return all(shown_as_text(key) and (key == "description" or shown_as_text(item)) for key, item in value.items())
    if isinstance(value, list):
        return all(map(shown_as_text, value))
    return not (isinstance(value, str) and has_unfit(value))


def require_no_internals(text: str, *sent: str) -> None:
    """Require that a text tells nothing of the inside, but what was sent itself."""
    with TALLY.holds(NO_INTERNALS):
        for each in sent:
            text = text.replace(each, "") if len(each) > 3 else text
        found = _INTERNALS.search(text)
        assert found is None, f"{found[0]!r} is in {text[:2000]!r}"


def check_answer(answer: Answer, route: Route | None = None, *, method: str = "") -> None:
    """Check what holds of every answer of the API."""
    with TALLY.holds(NO_FAULT):
        assert answer.status < 500, (answer.status, answer.body[:2000])
    require_no_internals(answer.body.decode("utf-8", "replace"))
    with TALLY.holds(SHAPE):
        if method == "HEAD" or answer.status == 304:
            assert not answer.body
            return
        assert answer.headers["content-type"].partition(";")[0] == "application/json", answer.headers
        body = answer.json
        assert shown_as_text(body), body
        if answer.status >= 400:
            assert body["status"] == "ERROR"
            assert body["msg"]
            assert body["code"]
        if route is None:
            return
        responses = contract.DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
        if answer.status not in BESIDE_THE_DOCUMENT or str(answer.status) in responses:
            contract.check(route.path, route.method.lower(), answer.status, body)


async def check_bystander(stage: Stage, scene: Scene) -> None:
    """Check that another user's list and update are answered as ever."""
    with TALLY.holds(BYSTANDER):
        token, pipeline = scene.bystander.token, scene.bystander_pipeline
        listed = await stage.call(token, "GET", "/api/v1/flow/pipeline")
        assert listed.status == 200, listed
        assert pipeline in [each["id"] for each in listed.json["pipelines"]]
        update = {"job_id": "the-bystanders", "pipeline_ids": [pipeline]}
        updated = await stage.call(token, "POST", "/api/v1/jobs/pipelines", update)
        assert updated.status == 200, updated


LISTS: Final = (
    "/api/v1/flow/pipeline",
    "/api/v1/jobs",
    "/api/v1/users",
    "/api/v1/groups",
    "/api/v1/tokens",
    "/api/v1/audit",
)


async def check_lists(stage: Stage, scene: Scene) -> None:
    """Check that every list is answered, whatever is in it."""
    of_pipeline = [f"/api/v1/flow/pipeline/{scene.pipeline}/{each}" for each in ("jobs", "grants", "access")]
    with TALLY.holds(LISTED):
        for path in (*LISTS, *of_pipeline):
            answer = await stage.call(scene.admin.token, "GET", path)
            check_answer(answer)
            gone = path in of_pipeline and answer.status == 404
            assert gone or answer.status == 200, (path, answer)
