"""The short form of the faults lost-tail and restored-in-place: revisions alone, forgetting alone, and neither."""

from pathlib import Path

import pytest

from tests.faults.controls import without_forgetting
from tests.faults.scenarios.lost_history import Kind, failing_over, restored, run

KINDS = pytest.mark.parametrize("kind", [failing_over, restored])


@KINDS
@pytest.mark.slow
def test_random_revisions_alone_keep_a_lost_history_out(kind: Kind, tmp_path: Path) -> None:
    assert run(kind, (without_forgetting.MODULE,), (), tmp_path, 1).violations == ()


@KINDS
@pytest.mark.slow
def test_forgetting_alone_keeps_a_lost_history_out(kind: Kind, tmp_path: Path) -> None:
    assert run(kind, ("service",), (without_forgetting.SEQUENCE,), tmp_path, 1).violations == ()


@KINDS
def test_a_control_with_neither_is_detected(kind: Kind, tmp_path: Path) -> None:
    violations = run(kind, (without_forgetting.MODULE,), (without_forgetting.SEQUENCE,), tmp_path, 1).violations

    assert len(violations) == 2, "a stale list, and an update that was not granted"
