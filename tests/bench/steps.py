"""The cost of each step of a call: the service beside itself without one of the steps, under load.

Timed in isolation and repeatedly, a step is in the processor's caches, and takes half of its time in place.
"""

import statistics
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from tests.bench.measure import Load, cpu_seconds, running, wrk

NAMES: Final[Mapping[str, str]] = {
    "statement": "its share of the authentication batch",
    "schema": "the schema",
    "ended": "counting it and writing its line",
    "line": "of which the line",
    "deadline": "the deadline",
    "protocol": "the connection's checks of what comes in",
}
LISTS: Final = ("statement", "ended", "line", "deadline", "protocol")
UPDATES: Final = ("schema", "ended", "deadline", "protocol")
WHOLE: Final = "nothing"
ROUNDS: Final = 12


def show(load: Load, environment: Mapping[str, str], hello: str) -> None:
    """Print, for lists or updates, the server's µs a request, and those of each step.

    A step's is the difference from the whole service's second just before, as the median of many such pairs.
    """
    steps = LISTS if load.workload == "list" else UPDATES
    commands = {step: f'{sys.executable} -m tests.bench.without "{step}"' for step in (WHOLE, *steps)}
    print("| step | µs |\n|---|---|")
    with ExitStack() as stack:
        servers = {step: stack.enter_context(running(command, environment)) for step, command in commands.items()}
        whole, saved = [], dict[str, list[float]]()
        for number in range(ROUNDS + 1):
            for step in steps:
                print(f"\r{load.workload}: round {number} of {ROUNDS}, without {step:<10}", end="", flush=True)
                before, without = (_cost(servers[each], load) for each in (WHOLE, step))
                if number:  # the first round fills the cache
                    whole.append(before)
                    saved.setdefault(step, []).append(before - without)
    print(f"\r| {f'a {load.workload}':<60} | {statistics.median(whole):.0f} |")
    if load.workload == "list":
        with running(hello, environment) as server:
            print(f"| bare aiohttp with a constant body | {_cost(server, load):.0f} |")
    for step, differences in saved.items():
        print(f"| {NAMES[step]} | {statistics.median(differences):.1f} |", flush=True)


def _cost(server: "tuple[subprocess.Popen[bytes], int]", load: Load) -> float:
    process, port = server
    before = cpu_seconds(process.pid)
    requests = wrk(port, load, seconds=1)["requests"]
    return (cpu_seconds(process.pid) - before) / requests * 1e6
