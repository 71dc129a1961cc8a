"""Runs of hypothesis over a way in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from service.settings import read_settings
from tests.fuzz.command_line import open_commands
from tests.fuzz.stage import Stage, open_stage
from tests.fuzz.ways import WAYS

KEPT = DirectoryBasedExampleDatabase(".hypothesis/examples")
"""The cases that failed, which are tried first the next time."""


@contextmanager
def open_all(server_dsn: str) -> Iterator[Stage]:
    """Open a stage on new databases of a server, with a process that commands are forked from."""
    with open_stage(server_dsn, read_settings()) as stage, open_commands(stage.dsn) as commands:
        stage.commands = commands
        yield stage


def cases_of(way: str, stage: Stage, before: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Return a test of hypothesis' that draws cases of one way in.

    Args:
        way: its name.
        stage: where the cases are.
        before: called before each case.
    """
    work, strategy = WAYS[way]

    def fuzz(drawn: object) -> None:
        before()
        stage.run(work(stage, drawn))

    fuzz.__name__ = fuzz.__qualname__ = f"fuzz_{way}"  # by which the cases that failed are kept
    test: Callable[[], None] = given(strategy)(fuzz)
    return test


def run_cases(test: Callable[[], None], examples: int, number: int | None, *, shrink: bool = True) -> None:
    """Run a number of cases: those of a seed, or always the same if there is none."""
    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=KEPT if number is not None else None,
        derandomize=number is None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.reuse, Phase.generate, *([Phase.shrink] if shrink else [])],
    )
    (chosen(test) if number is None else seed(number)(chosen(test)))()
