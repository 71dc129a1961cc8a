"""The registry of all faults, in the order in which `make faults` injects them: one line a file."""

from typing import Final

from tests.faults.harness.fault import Fault
from tests.faults.scenarios import (
    cancelled,
    ceiling,
    database_outage,
    failover,
    feed,
    goodput,
    identity_provider,
    isolation,
    killed,
    lost_history,
    neighbours,
    overload,
    pgbouncer,
    rollout,
    steps,
    timing,
)
from tests.faults.scenarios.hostile import attack

FAULTS: Final[tuple[Fault, ...]] = (
    *killed.FAULTS,
    *steps.FAULTS,
    *failover.FAULTS,
    *lost_history.FAULTS,
    *feed.FAULTS,
    *rollout.FAULTS,
    *database_outage.FAULTS,
    *pgbouncer.FAULTS,
    *overload.FAULTS,
    *goodput.FAULTS,
    *neighbours.FAULTS,
    *attack.FAULTS,
    *ceiling.FAULTS,
    *isolation.FAULTS,
    *timing.FAULTS,
    *cancelled.FAULTS,
    *identity_provider.FAULTS,
)
