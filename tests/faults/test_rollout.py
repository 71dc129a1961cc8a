"""The short form: behind a proxy of our own, as there may be no other."""

from pathlib import Path

from tests.faults import rollout
from tests.faults.balancer import balancer


def test_no_request_fails_while_replicas_are_replaced(tmp_path: Path) -> None:
    assert rollout.run(balancer, tmp_path, 2, delay="0.5", clients=2, pause=0.01).broken == ()


def test_without_the_shutdown_delay_some_do(tmp_path: Path) -> None:
    assert "answered 502" in rollout.run(balancer, tmp_path, 1, delay="0", clients=2, pause=0.01).broken
