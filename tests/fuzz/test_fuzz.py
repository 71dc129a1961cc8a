"""The short form of `make fuzz`: a few cases by each way in, the same each time, of which some must be accepted."""

from collections.abc import Iterator

import pytest

from service.__main__ import commands
from tests.fuzz.command_line import CALLS
from tests.fuzz.invariants import TALLY
from tests.fuzz.running import open_all, run_cases
from tests.fuzz.stage import Stage

CASES = {"api": 40, "lives": 12, "import": 10, "command": 10, "apply": 8, "settings": 300}
"""Cases by way in: as many as take a few seconds."""


WITHOUT = {"serve", "demo", "migrate", "doctor", "import", "export", "organization"} | {
    *("context", "login", "logout", "whoami"),
    "apply",  # whose values are those of a file, a way of its own
}
"""Commands that are no rows: they name nothing in an organization; imports and `apply` have ways of their own."""


def test_every_command_is_tried() -> None:
    known = {(name, each) for name, group in commands.commands.items() for each in getattr(group, "commands", [""])}

    assert {call for call in known if call[0] not in WITHOUT} <= {call[:2] for call in CALLS}


@pytest.fixture(scope="module")
def stage(server_dsn: str) -> Iterator[Stage]:
    with open_all(server_dsn) as opened:
        yield opened


@pytest.mark.parametrize("way", CASES)
def test_invariants_hold_of_odd_values(stage: Stage, way: str) -> None:
    cases, accepted = TALLY.cases[way], TALLY.accepted[way]

    run_cases(stage, way, CASES[way])

    assert TALLY.cases[way] >= cases + CASES[way] // 2
    assert TALLY.accepted[way] > accepted
