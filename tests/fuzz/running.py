"""Runs of hypothesis over a way in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from service.settings import read_settings
from tests.fuzz.command_line import commands_on
from tests.fuzz.stage import Stage, open_stage
from tests.fuzz.ways import WAYS

KEPT: dict[str, ExampleDatabase] = {way: DirectoryBasedExampleDatabase(f".hypothesis/fuzz/{way}") for way in WAYS}
"""The cases that failed, by way in, which are tried first the next time."""


@contextmanager
def open_all(server_dsn: str) -> Iterator[Stage]:
    """Open a stage on new databases of a server, with commands on it."""
    with open_stage(server_dsn, read_settings()) as stage:
        stage.commands = commands_on(stage.dsn)
        yield stage


def run_cases(
    stage: Stage,
    way: str,
    examples: int,
    number: int | None = None,
    before: Callable[[], None] = lambda: None,
    *,
    shrink: bool = True,
) -> None:
    """Run a number of cases of one way in.

    Args:
        stage: where the cases are.
        way: its name.
        examples: their number.
        number: the seed of what is drawn; None: the same each time, and no case that failed is kept.
        before: called before each case.
        shrink: whether the smallest case is looked for that fails.
    """
    work, strategy = WAYS[way]

    def fuzz(drawn: object) -> None:
        before()
        stage.run(work(stage, drawn))

    fuzz.__name__ = fuzz.__qualname__ = f"fuzz_{way}"
    chosen = settings(
        max_examples=examples,
        deadline=None,
        database=KEPT[way] if number is not None else None,
        derandomize=number is None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.reuse, Phase.generate, *([Phase.shrink] if shrink else [])],
    )
    test: Callable[[], None] = given(strategy)(fuzz)
    chosen(test if number is None else seed(number)(test))()  # in this order, as a seed takes the database away
