"""The short form of tests/faults/timing.py, and what it compares by."""

import random
from pathlib import Path

from tests.faults.controls import timing_leak
from tests.faults.harness.wilcoxon import compare
from tests.faults.scenarios.timing import told_apart


def test_what_is_hidden_takes_no_longer(tmp_path: Path) -> None:
    assert told_apart(tmp_path, 5).broken == ()


def test_one_more_statement_is_told(tmp_path: Path) -> None:
    broken = told_apart(tmp_path, 2, timing_leak.MODULE, MORE="statement").broken

    assert "a pipeline: 3 statements if it is hidden, 2 if it is not there" in broken


def test_differences_that_are_tolerated_and_not() -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    noise = [chance.gauss(0, 1) + (50 if chance.random() < 0.1 else 0) * chance.choice((1, -1)) for _ in range(300)]

    same, more, less = (compare([each + shift for each in noise], 1, 0.001) for shift in (0.8, 1.5, -1.5))

    assert same.p > 0.5
    assert max(more.p, less.p) < 0.001
    assert 1.2 < more.smallest < 1.5
