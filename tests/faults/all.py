"""Every fault that `make faults` makes, in its order: one line a file."""

from typing import Final

from tests.faults import pgbouncer
from tests.faults.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (*pgbouncer.FAULTS,)
