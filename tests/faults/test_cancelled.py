"""The short form of `make faults FAULTS=cancelled`, and its control."""

from pathlib import Path

import pytest

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE
from tests.faults.controls import leak_on_disconnect
from tests.faults.harness import introspection
from tests.faults.harness.fault import Outcome
from tests.faults.scenarios.cancelled import QUIET_TIMEOUT, SETTINGS, run_disconnects
from tests.process.running import running_service


async def disconnect(times: int, module: str, quiet_timeout: float, directory: Path, dsn: str) -> Outcome:
    """Run disconnects on a database of their own, as its connections are counted."""
    await migrate(dsn)
    as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
    with running_service(directory, as_service, module=module, **SETTINGS) as service:
        service.wait_until("/readyz", 200)  # a control, too, works until clients leave
        return await run_disconnects(service, dsn, times, quiet_timeout)


async def test_disconnects_leak_no_resources(empty_dsn: str, tmp_path: Path) -> None:
    outcome = await disconnect(200, introspection.MODULE, QUIET_TIMEOUT, tmp_path, empty_dsn)

    assert outcome.violations == ()
    assert outcome.times >= 200


@pytest.mark.slow
async def test_a_control_that_leaks_connections_is_detected(empty_dsn: str, tmp_path: Path) -> None:
    outcome = await disconnect(60, leak_on_disconnect.MODULE, 3, tmp_path, empty_dsn)

    assert any("connections in use" in violation for violation in outcome.violations)
