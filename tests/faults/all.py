"""Every fault that `make faults` makes, in its order: one line a file."""

from typing import Final

from tests.faults import hostile, isolation, pgbouncer, timing
from tests.faults.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (*pgbouncer.FAULTS, *hostile.FAULTS, *isolation.FAULTS, *timing.FAULTS)
