"""`make fuzz`: odd values of every kind through every way in, for some minutes."""

import argparse
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

import structlog

from service.embedded.cluster import embedded_postgres
from tests.conftest import FAST
from tests.fuzz.invariants import TALLY
from tests.fuzz.running import open_all, run_cases
from tests.fuzz.stage import Stage
from tests.fuzz.ways import WAYS

EVERY = 5
"""Seconds between two lines of progress."""


EXAMPLES = {"api": 150, "settings": 1000}
"""Cases of a round, by ways in that are quick; of others 50."""


class TimeOver(BaseException):
    """The minutes are over: it passes through hypothesis as Ctrl-C does."""


class Clock:
    """The time that a run has, and the lines that tell of it."""

    def __init__(self, minutes: float) -> None:
        self.began = self.told = time.monotonic()
        self.until = self.began + 60 * minutes

    def tick(self) -> None:
        """Tell of the progress, now and then.

        Raises:
            TimeOver: that was all.
        """
        now = time.monotonic()
        if now >= self.until:
            raise TimeOver
        if now - self.told >= EVERY:
            self.told = now
            counts = ", ".join(f"{way} {count:,}" for way, count in TALLY.cases.items())
            print(f"{now - self.began:6.0f} s  {counts}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--way", choices=[*WAYS], action="append", help="only by this way in; repeatable")
    parser.add_argument("--seed", type=int, help="of a single round, as a failure names it")
    parser.add_argument("--examples", type=int, help="cases of a round, which has a seed of its own")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as name,
        embedded_postgres(Path(name) / "postgres", FAST) as dsn,
        open_all(dsn) as stage,
    ):
        clock = Clock(arguments.minutes)
        failed = _run(stage, clock, arguments.way or [*WAYS], arguments.seed, arguments.examples)
        _summarize(time.monotonic() - clock.began, failed)
    sys.exit(1 if failed else 0)


def _run(stage: Stage, clock: Clock, ways: list[str], number: int | None, given: int | None) -> list[str]:
    """Run round after round, each way in until it fails; return how each that failed is repeated."""
    failed: list[str] = []
    left = [*ways]
    try:
        while left:
            for way in [*left]:
                drawn = random.randrange(2**32) if number is None else number  # noqa: S311 - no secret
                examples = given or EXAMPLES.get(way, 50)
                if not _holds(stage, clock, way, drawn, examples):
                    failed.append(f"make fuzz FUZZ='--way {way} --seed {drawn} --examples {examples}'")
                    left.remove(way)
            if number is not None:
                break
    except (TimeOver, KeyboardInterrupt):  # what was tried by then is told
        pass
    return failed


def _holds(stage: Stage, clock: Clock, way: str, number: int, examples: int) -> bool:
    """Return whether the invariants held in a round; print the case that broke one."""
    try:
        run_cases(stage, way, examples, number, clock.tick)
    except Exception:
        print(f"\nFAILED: {way}, seed {number}")
        traceback.print_exc(file=sys.stdout, limit=-6)
        print(f"\nAgain, and first of all as .hypothesis has it: make fuzz FUZZ='--way {way}'", flush=True)
        return False
    return True


def _summarize(seconds: float, failed: list[str]) -> None:
    print(f"\n{sum(TALLY.cases.values()):,} cases in {seconds / 60:.1f} minutes")
    for way, count in TALLY.cases.items():
        print(f"  {way:<12}{count:>9,} cases, {TALLY.accepted[way]:,} accepted")
        for (of, invariant), checks in sorted(TALLY.checks.items()):
            if of == way:
                print(f"    {checks:>9,}  {invariant}")
    for each in failed:
        print(f"FAILED; again by: {each}")
    if not failed:
        print("Every invariant held.")


if __name__ == "__main__":
    main()
