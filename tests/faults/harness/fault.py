"""What a harness here is: a promise, a fault that is made many times, and a build without what keeps the promise."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """What came of making a fault."""

    times: int
    """How often it was made."""
    broken: tuple[str, ...]
    """Each time that the promise was not kept, as a sentence; none if it always was."""
    figures: str
    """What was counted and measured, for the table: such as "12,041 acknowledged, recovery 0.3 s (worst 1.1 s)"."""


Run = Callable[[Path, int], Seen]
"""Makes a fault so many times, with an empty directory for all that it writes."""


@dataclass(frozen=True)
class Fault:
    """A row of the README's reliability table."""

    name: str
    """For the command line."""
    what: str
    """The fault."""
    promise: str
    run: Run
    times: int
    without: str
    """What is taken out of the build that the control runs."""
    control: Run
    """The same against that build: it must break the promise, or the harness could not see it broken."""
    control_times: int
    impossible: Callable[[], str] = lambda: ""
    """Why it can't be made on this machine, or by this user; "" if it can."""
