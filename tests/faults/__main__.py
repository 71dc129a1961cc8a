"""`make faults`: inject faults, first into builds without the protection, and tabulate what was seen."""

import argparse
import json
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.faults.harness.fault import Fault, Outcome, Run
from tests.faults.registry import FAULTS


@dataclass(frozen=True)
class Row:
    """A row of the table: one fault."""

    name: str
    protected: Outcome
    control: Outcome
    seconds: float

    @property
    def proves_nothing(self) -> bool:
        """True if nothing was made, or no control was detected by what it lacks."""
        return not self.protected.times or not self.control.violations


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(f.name for f in FAULTS)}")
    parser.add_argument(
        "--share", type=float, default=1, help="of how often each fault is made, such as 0.1; controls are made whole"
    )
    parser.add_argument("--json", type=Path, help="write all figures here too")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {fault.name for fault in FAULTS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    named = [fault for fault in FAULTS if not arguments.names or fault.name in arguments.names]
    chosen = [fault for fault in named if _is_available(fault)]
    rows = [_run_with_control(fault, arguments.share) for fault in chosen]
    _print_table(chosen, rows)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    left_out = len(chosen) < len(named) if arguments.names else not chosen
    sys.exit(left_out or any(row.protected.violations or row.proves_nothing for row in rows))


def _is_available(fault: Fault) -> bool:
    reason = fault.why_unavailable()
    if reason:
        print(f"{fault.name}: NOT MADE: {reason}.")
    return not reason


def _run_with_control(fault: Fault, share: float) -> Row:
    started = time.monotonic()
    control = _run(f"{fault.name}, without {fault.without}", fault.control, fault.control_times, 1)
    shown = tuple(each for each in control.violations if re.search(fault.shows, each))
    if not shown:
        others = "".join(f"\n    {each}" for each in control.violations[:5])
        print(f"  THE CONTROL DID NOT SHOW {fault.shows!r}: this harness can't detect a violation of it.{others}")
    control = replace(control, violations=shown)
    protected = _run(fault.name, fault.run, fault.times, share)
    if not protected.times:
        print("  NOTHING WAS MADE: this proves nothing.")
    for violation in protected.violations[:10]:
        print(f"  VIOLATED: {violation}")
    return Row(fault.name, protected, control, time.monotonic() - started)


def _run(name: str, run: Run, times: int, share: float) -> Outcome:
    times = max(1, round(times * share))
    print(f"{name}: {times} x ...", flush=True)
    with tempfile.TemporaryDirectory(prefix="faults-") as directory:
        outcome = run(Path(directory), times)
    print(
        f"  {outcome.times:,} made, guarantee violated {len(outcome.violations):,} times; {outcome.summary}", flush=True
    )
    return outcome


def _print_table(faults: list[Fault], rows: list[Row]) -> None:
    print("\n| fault | times | promised | seen | without |\n|---|---|---|---|---|")
    for fault, row in zip(faults, rows, strict=True):
        protected = row.protected
        outcome = f"broken {len(protected.violations):,} times" if protected.violations else "kept"
        control = f"{fault.without}: broken {len(row.control.violations):,} times in {row.control.times:,}"
        cells = (fault.description, f"{protected.times:,}", fault.guarantee, f"{outcome}; {protected.summary}", control)
        print(f"| {' | '.join(cells)} |")
    print(f"\n{sum(row.seconds for row in rows):,.0f} s")


if __name__ == "__main__":
    main()
