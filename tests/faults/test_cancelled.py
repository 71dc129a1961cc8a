"""The short form of `make faults FAULTS=cancelled`, and its control."""

from pathlib import Path

from service.database.migrations import migrate
from service.embedded.cluster import SERVICE_ROLE
from tests.faults.harness.fault import Seen
from tests.faults.harness.introspection import MODULE
from tests.faults.scenarios.cancelled import LEAKING, QUIET_WITHIN, SETTINGS, cut
from tests.process.running import running_service


async def left(times: int, settings: dict[str, str], patience: float, directory: Path, dsn: str) -> Seen:
    """On a database to itself, as its connections are counted."""
    await migrate(dsn)
    as_service = dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
    with running_service(directory, as_service, module=MODULE, **settings) as service:
        return await cut(service, dsn, times, patience)


async def test_nothing_is_left_over_of_clients_that_leave(empty_dsn: str, tmp_path: Path) -> None:
    seen = await left(400, SETTINGS, QUIET_WITHIN, tmp_path, empty_dsn)

    assert seen.broken == ()
    assert seen.times >= 400


async def test_a_service_that_leaks_is_found_out(empty_dsn: str, tmp_path: Path) -> None:
    """The control: it shows that the test above can fail."""
    seen = await left(60, LEAKING, 3, tmp_path, empty_dsn)

    assert any("connections in use" in breach for breach in seen.broken)
