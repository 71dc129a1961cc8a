"""The short form of the feed beside writers and kills, and its control."""

from pathlib import Path

from tests.faults.scenarios import feed


def test_feed_is_complete_in_order_and_by_access_beside_kills(tmp_path: Path) -> None:
    outcome = feed.run(feed.Build(clients=feed.FEW_CLIENTS), tmp_path, 2)

    assert outcome.violations == ()


def test_a_control_that_follows_by_id_is_detected(tmp_path: Path) -> None:
    assert feed.FAULTS[0].control(tmp_path, 2).violations
