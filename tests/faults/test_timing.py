"""The short form of `make faults FAULTS=timing`, and one of its controls."""

from pathlib import Path

import pytest

from tests.faults.controls import timing_leak
from tests.faults.scenarios.timing import compare_timings


def test_a_hidden_resource_takes_no_longer_than_an_absent_one(tmp_path: Path) -> None:
    assert compare_timings(tmp_path, 5).violations == ()


@pytest.mark.slow
def test_a_control_with_one_more_statement_is_detected(tmp_path: Path) -> None:
    violations = compare_timings(tmp_path, 2, timing_leak.MODULE, MORE="statement").violations

    assert "a pipeline: 3 statements if it is hidden, 2 if it is not there" in violations
