"""The short form of `make faults FAULTS=hostile`: some of its requests, every case of framing, and each control."""

from pathlib import Path

import pytest

from tests.faults.controls import without_input_guard
from tests.faults.scenarios.hostile.attack import MIN_CONTROL_CASES, attack, without


def test_hostile_input_violates_no_guarantee(tmp_path: Path) -> None:
    outcome = attack(tmp_path, 900)

    assert outcome.violations == ()
    assert outcome.times >= 800


@pytest.mark.parametrize("guard", without_input_guard.GUARDS)
@pytest.mark.slow
def test_a_control_without_a_guard_is_detected(tmp_path: Path, guard: str) -> None:
    violations = without(tmp_path, guard, MIN_CONTROL_CASES)

    assert any(without_input_guard.SHOWS[guard] in each for each in violations), violations[:5]
