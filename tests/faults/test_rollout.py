"""The short form of the rollouts, and its control, behind a minimal load balancer, as there may be no real one."""

from pathlib import Path

import pytest

from tests.faults.controls import abrupt_shutdown
from tests.faults.harness.minimal_load_balancer import running_balancer
from tests.faults.scenarios import rollout
from tests.faults.scenarios.rollout import RolloutOptions


def test_a_rollout_fails_no_request(tmp_path: Path) -> None:
    options = RolloutOptions(delay="0.5", writers=2, pause=0.01)

    assert rollout.run(running_balancer, tmp_path, 2, options).violations == ()


@pytest.mark.slow
def test_a_control_without_a_graceful_shutdown_is_detected(tmp_path: Path) -> None:
    options = RolloutOptions(delay="0", module=abrupt_shutdown.MODULE, writers=8)

    outcome = rollout.run(running_balancer, tmp_path, 3, options)

    assert {"answered 502", "not answered"} & {*outcome.violations}
