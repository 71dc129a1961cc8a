"""The short form of tests/faults/hostile.py: some of all, every shape, and each of the controls."""

from pathlib import Path

import pytest

from tests.faults.controls import without_input_guard
from tests.faults.scenarios.hostile.attack import LEAST_WITHOUT, attack, without


def test_no_hostile_input_gets_through(tmp_path: Path) -> None:
    seen = attack(tmp_path, 900)

    assert seen.broken == ()
    assert seen.times >= 800


@pytest.mark.parametrize("guard", without_input_guard.GUARDS)
def test_a_service_without_a_guard_is_found_out(tmp_path: Path, guard: str) -> None:
    assert without(tmp_path, guard, LEAST_WITHOUT)
