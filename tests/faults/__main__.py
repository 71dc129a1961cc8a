"""`make faults`: makes faults, first against builds without what protects from them, and says what was seen."""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.harness.fault import Fault, Run, Seen
from tests.faults.registry import FAULTS


@dataclass(frozen=True)
class Row:
    """One fault's part of the table."""

    name: str
    protected: Seen
    control: Seen
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(f.name for f in FAULTS)}")
    parser.add_argument("--share", type=float, default=1, help="of how often each fault is made, such as 0.1")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {fault.name for fault in FAULTS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    named = [fault for fault in FAULTS if not arguments.names or fault.name in arguments.names]
    chosen = [fault for fault in named if _possible(fault)]
    rows = [_made(fault, arguments.share) for fault in chosen]
    _print(chosen, rows)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    sys.exit(any(row.protected.broken or not row.control.broken for row in rows))


def _possible(fault: Fault) -> bool:
    reason = fault.impossible()
    if reason:
        print(f"{fault.name}: NOT MADE: {reason}.")
    return not reason


def _made(fault: Fault, share: float) -> Row:
    started = time.monotonic()
    control = _run(f"{fault.name}, without {fault.without}", fault.control, fault.control_times, share)
    if not control.broken:
        print("  THE CONTROL BROKE NOTHING: this harness can't see that promise broken.")
    protected = _run(fault.name, fault.run, fault.times, share)
    for breach in protected.broken[:10]:
        print(f"  BROKEN: {breach}")
    return Row(fault.name, protected, control, time.monotonic() - started)


def _run(name: str, run: Run, times: int, share: float) -> Seen:
    times = max(1, round(times * share))
    print(f"{name}: {times} x ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        seen = run(Path(directory), times)
    print(f"  {seen.times:,} made, promise broken {len(seen.broken):,} times; {seen.figures}", flush=True)
    return seen


def _print(faults: list[Fault], rows: list[Row]) -> None:
    print("\n| fault | times | promised | seen | without |\n|---|---|---|---|---|")
    for fault, row in zip(faults, rows, strict=True):
        protected = row.protected
        seen = f"broken {len(protected.broken):,} times" if protected.broken else "kept"
        control = f"{fault.without}: broken {len(row.control.broken):,} times in {row.control.times:,}"
        cells = (fault.what, f"{protected.times:,}", fault.promise, f"{seen}; {protected.figures}", control)
        print(f"| {' | '.join(cells)} |")
    print(f"\n{sum(row.seconds for row in rows):,.0f} s")


if __name__ == "__main__":
    main()
