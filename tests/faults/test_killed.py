"""Acknowledged means kept, in a few kills; and a build that does not keep its word is caught."""

from pathlib import Path

from tests.faults.scenarios import killed


def test_what_was_acknowledged_is_kept(tmp_path: Path) -> None:
    seen = killed.run(killed.Build((killed.SERVICE, killed.POSTGRES)), tmp_path, 2)

    assert seen.broken == ()


def test_what_is_not_kept_is_found(tmp_path: Path) -> None:
    assert killed.FAULTS[0].control(tmp_path, 1).broken
