"""The short form of `make faults FAULTS=neighbours`: with bounds that any machine keeps, unless one waits for all."""

from pathlib import Path

from tests.faults.scenarios.neighbours import Bounds, attack_neighbour
from tests.process.running import running_service


async def test_a_tenant_that_does_its_worst_does_not_stop_another(dsn: str, service_dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, service_dsn) as service:
        findings = await attack_neighbour(service, dsn, 1.5, Bounds(factor=100, late=5, connections=30))

    assert findings.violations == []
