"""Every fault that `make faults` makes, in its order: one line a file."""

from typing import Final

from tests.faults import (
    cancelled,
    database_away,
    failover,
    hostile,
    isolation,
    killed,
    overload,
    pgbouncer,
    rollout,
    steps,
    timing,
)
from tests.faults.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (
    *killed.FAULTS,
    *steps.FAULTS,
    *failover.FAULTS,
    *rollout.FAULTS,
    *database_away.FAULTS,
    *pgbouncer.FAULTS,
    *overload.FAULTS,
    *hostile.FAULTS,
    *isolation.FAULTS,
    *timing.FAULTS,
    *cancelled.FAULTS,
)
