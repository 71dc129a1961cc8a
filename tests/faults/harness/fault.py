"""A fault: a guarantee, a failure that is injected many times, and a control build without the protection."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """The outcome of injecting a fault."""

    times: int
    """How often it was injected."""
    violations: tuple[str, ...]
    """Each violation of the guarantee, as a sentence; empty if it always held."""
    summary: str
    """Counts and measurements for the table, such as "12,041 acknowledged, recovery 0.3 s (worst 1.1 s)"."""


Run = Callable[[Path, int], Outcome]
"""A function that injects a fault so many times; the empty directory is for all files that it writes."""


@dataclass(frozen=True)
class Fault:
    """A row of the table in docs/explanation/reliability.md."""

    name: str
    """The name on the command line."""
    description: str
    """The fault in words, for the table."""
    guarantee: str
    run: Run
    times: int
    without: str
    """The protection that is taken out of the control build."""
    control: Run
    """The same against that build: it must violate the guarantee, or the harness could not detect a violation."""
    control_times: int
    shows: str
    """A pattern of what violations of the control say, so that it fails by what it lacks, and not by anything else."""
    why_unavailable: Callable[[], str] = lambda: ""
    """Returns why this machine or this user can't inject it; "" if it can be injected."""
