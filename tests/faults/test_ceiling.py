"""The short form of `make faults FAULTS=ceiling`: some of the worst requests of each row, and the control."""

from pathlib import Path

import pytest

from tests.faults.scenarios.ceiling import FAULTS

(CEILING,) = FAULTS
SHARE = 70
"""Requests sent alone."""


def test_worst_requests_stall_nothing_and_fit_into_the_memory(tmp_path: Path) -> None:
    outcome = CEILING.run(tmp_path, SHARE)

    assert outcome.violations == (), outcome.summary
    assert outcome.times > SHARE


@pytest.mark.slow
def test_a_control_without_bounds_is_detected(tmp_path: Path) -> None:
    violations = CEILING.control(tmp_path, SHARE).violations

    assert any("stood still" in each for each in violations)
    assert any("MiB" in each for each in violations)
