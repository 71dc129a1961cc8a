"""The short form: behind a proxy of our own, as there may be no other."""

from pathlib import Path

from tests.faults.controls import abrupt_shutdown
from tests.faults.harness.minimal_balancer import balancer
from tests.faults.scenarios import rollout
from tests.faults.scenarios.rollout import How


def test_no_request_fails_while_replicas_are_replaced(tmp_path: Path) -> None:
    assert rollout.run(balancer, tmp_path, 2, How(delay="0.5", writers=2, pause=0.01)).broken == ()


def test_without_the_shutdown_delay_some_do(tmp_path: Path) -> None:
    seen = rollout.run(balancer, tmp_path, 3, How(delay="0", module=abrupt_shutdown.MODULE, writers=8))

    assert {"answered 502", "not answered"} & {*seen.broken}
