"""Where the service's own processor time goes, by part: calls and shares of the profiler's time for each request.

What starting takes is left out, by the difference of a short and a long profile; so is the event loop itself, whose
time can't be told from waiting. A profiler makes calls of Python's functions dearer than what they do: so its shares
tell where to look, and its microseconds tell nothing.
"""

import pstats
import shlex
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, cast

from tests.bench.measure import Load, running, wrk

SHORT, LONG = 1, 6
"""Seconds of the profiles."""

Function: TypeAlias = tuple[str, int, str]
"""A function by its file, line and name; of one in C, the file is ~."""
Stats: TypeAlias = Mapping[Function, tuple[int, int, float, float, Mapping[Function, tuple[int, int, float, float]]]]
"""Calls with and without recursion, seconds of its own and in all, and the same by caller."""

PARTS: Final[Mapping[str, Sequence[str]]] = {
    "the answer's way into the socket": ("http_writer.py:_writelines",),
    "aiohttp: parsing, routing, tasks, the response": ("/aiohttp/",),
    "the connection, admission, deadlines, the record": (
        *("/service/http/server/", "/service/http/admission", "/service/http/turns", "/service/http/middleware"),
        *("/service/deadlines", "/service/http/request_id", "/service/telemetry/request_record"),
    ),
    "counting it, and its line of the log": (
        *("/service/telemetry/", "/service/http/request_log", "/service/http/clients", "/structlog/"),
    ),
    "authentication": ("/service/authentication/", "/service/repositories/tokens"),
    "batches and shares": ("/service/batching/", "/service/database/fair_queue"),
    "the pool, and the way to the database (asyncpg)": ("/service/database/", "/asyncpg/"),
    "reading the request (marshmallow, JSON)": (
        *("/service/http/reader", "/service/http/bodies", "/service/schemas/fields", "/service/schemas/request"),
        *("/marshmallow/", "/json/"),
    ),
    "rows, decisions, and the answer's form": (
        *("/service/operations/", "/service/permissions/", "/service/repositories/", "/service/schemas/"),
        *("/service/values/", "/service/http/responses", "/service/http/endpoint", "/service/http/conditions"),
    ),
    "the rest": ("",),
}
"""The parts by what their functions' files, with names, contain; the first that fits counts."""

WAITING: Final = ("asyncio/runners.py:run", "aiohttp/web_app.py:_on_cleanup")
"""The functions that have the time in which nothing runs, as the profiler has it."""


class Cost(NamedTuple):
    """The cost of a part, for a number of requests."""

    calls: float
    seconds: float

    def __add__(self, other: object) -> "Cost":
        assert isinstance(other, Cost)
        return Cost(self.calls + other.calls, self.seconds + other.seconds)


def show(loads: Mapping[str, Load], environment: Mapping[str, str]) -> None:
    """Print the parts of each load's requests, as a table."""
    found = {name: profile(load, environment) for name, load in loads.items()}
    print(f"| Part | {' | '.join(f'{name}: calls, share' for name in found)} |\n|---|{'---|' * len(found)}")
    for part in PARTS:
        costs = [(by[part], sum(each.seconds for each in by.values())) for by in found.values()]
        print(f"| {part} | {' | '.join(f'{cost.calls:.0f}, {cost.seconds / whole:.0%}' for cost, whole in costs)} |")
    print(f"| all | {' | '.join(f'{sum(each.calls for each in by.values()):.0f}' for by in found.values())} |")


def profile(load: Load, environment: Mapping[str, str]) -> dict[str, Cost]:
    """Return the calls and seconds of each part, for one request of a load."""
    with tempfile.TemporaryDirectory() as directory:
        (few, short), (many, long) = (
            _profiled(load, environment, seconds, Path(directory)) for seconds in (SHORT, LONG)
        )
    return {
        part: Cost(
            (long[part].calls - short[part].calls) / (many - few),
            (long[part].seconds - short[part].seconds) / (many - few),
        )
        for part in PARTS
    }


def _profiled(
    load: Load, environment: Mapping[str, str], seconds: int, directory: Path
) -> tuple[float, dict[str, Cost]]:
    """Return the number of requests in some seconds, and what each part took in all."""
    written = directory / f"{seconds}.profile"
    command = shlex.join([sys.executable, "-m", "cProfile", "-o", str(written), "-m", "service", "serve"])
    with running(command, environment) as (_, port):
        requests = wrk(port, load, seconds)["requests"]
    return requests, by_part(cast("Stats", vars(pstats.Stats(str(written)))["stats"]))


def by_part(stats: Stats) -> dict[str, Cost]:
    """Return the cost of each part; functions in C are their callers' doing, and waiting is nobody's."""
    costs: dict[str, Cost] = defaultdict(lambda: Cost(0, 0))
    for function, (_, calls, seconds, _, callers) in stats.items():
        if function[0] != "~":
            costs[_part_of(function)] += Cost(calls, seconds)
        else:
            for caller, (_, called, own, _) in callers.items():
                costs[_part_of(caller)] += Cost(called, own)
    return {part: costs[part] for part in PARTS}


def _part_of(function: Function) -> str:
    name = f"{function[0]}:{function[2]}"
    if name.endswith(WAITING):
        return ""
    return next(part for part, files in PARTS.items() if any(file in name for file in files))
