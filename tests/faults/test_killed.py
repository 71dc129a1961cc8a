"""The short form of the kills, and one of their controls."""

from pathlib import Path

import pytest

from tests.faults.scenarios import killed


def test_acknowledged_writes_survive_kills(tmp_path: Path) -> None:
    outcome = killed.run(killed.Build((killed.SERVICE, killed.POSTGRES)), tmp_path, 2)

    assert outcome.violations == ()


@pytest.mark.slow
def test_a_control_that_answers_before_it_commits_is_detected(tmp_path: Path) -> None:
    assert killed.FAULTS[0].control(tmp_path, 1).violations
