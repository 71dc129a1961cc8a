"""Goodput under overload: what is answered in time of what can be sustained, and to others than the heavy caller."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.overload import Measured, measure_builds
from tests.faults.harness.fault import Fault, Outcome

GOODPUT: Final = {"kept": 0.7, "new": 0.4}
"""The least that is answered in time, as a part of the sustainable rate."""
OTHERS: Final = {"kept": 0.95, "new": 0.9}
"""The least part of the requests of callers that send little that is answered in time."""
LATENESS: Final = 5.0
"""The 99th percentile of what is answered, as a multiple of what it is at the sustainable rate."""
SECONDS: Final = 4.0


def violations(kind: str, measured: Measured) -> Iterator[str]:
    """Yield what was promised and not kept."""
    if measured.goodput < GOODPUT[kind]:
        yield f"{kind} connections: {measured.goodput:.0%} of the sustainable rate was answered in time"
    if measured.others < OTHERS[kind]:
        yield f"{kind} connections: callers that send little got {measured.others:.0%} of their answers in time"
    if measured.answered_99 > LATENESS * measured.usual_99:
        yield f"{kind} connections: 99 % in {measured.answered_99:.0f} ms, usually {measured.usual_99:.0f} ms"


def _run(build: str, directory: Path, times: int) -> Outcome:
    found = measure_builds(directory, [build], times, SECONDS)
    broken = [each for (_, kind), results in found.items() for one in results for each in violations(kind, one)]
    summary = "; ".join(
        f"{kind}: {min(one.goodput for one in results):.0%} at worst, others {min(one.others for one in results):.0%},"
        f" 99 % in {max(one.answered_99 for one in results):.0f} ms (usually {results[0].usual_99:.0f})"
        for (_, kind), results in found.items()
    )
    return Outcome(times * 2, tuple(broken), summary)


FAULTS: Final = (
    Fault(
        "goodput",
        "five times the sustainable rate, nearly all by one caller, over kept and over new connections",
        "most of what can be sustained is answered in time, and nearly all of what others ask on kept connections",
        partial(_run, "nothing"),
        2,
        "holding",
        partial(_run, "holding"),
        1,
        "was answered in time|of their answers in time",
    ),
)
