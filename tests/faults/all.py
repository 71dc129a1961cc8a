"""Every fault that `make faults` makes, in its order: one line a file."""

from typing import Final

from tests.faults import cancelled, overload
from tests.faults.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (*overload.FAULTS, *cancelled.FAULTS)
