"""The short form of `make fuzz`: a few cases by each way in, the same each time, of which some must be accepted."""

from collections.abc import Iterator

import pytest

from tests.fuzz.invariants import TALLY
from tests.fuzz.running import cases_of, open_all, run_cases
from tests.fuzz.stage import Stage

CASES = {"api": 40, "lives": 14, "import": 14, "command": 14, "settings": 300}
"""Cases by way in: as many as take a few seconds."""


@pytest.fixture(scope="module")
def stage(server_dsn: str) -> Iterator[Stage]:
    with open_all(server_dsn) as opened:
        yield opened


@pytest.mark.parametrize("way", CASES)
def test_invariants_hold_of_odd_values(stage: Stage, way: str) -> None:
    cases, accepted = TALLY.cases[way], TALLY.accepted[way]

    run_cases(cases_of(way, stage), CASES[way], None)

    assert TALLY.cases[way] >= cases + CASES[way] // 2
    assert TALLY.accepted[way] > accepted
