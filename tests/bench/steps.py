"""What each step of a call costs: the service beside itself without one of them, under load.

Timed alone and again and again, a step is in the processor's caches, and takes half of what it takes in its place.
"""

import statistics
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from tests.bench.measure import Load, cpu_seconds, running, wrk

NAMES: Final[Mapping[str, str]] = {
    "question": "who calls: the question, all of it",
    "statement": "of which its share of the statement, and the waiting",
    "update": "the update: deciding, and its share of the statement",
    "schema": "the schema",
    "ended": "counting it and writing its line",
    "line": "of which the line",
    "deadline": "the deadline",
    "token use": "noting that the token was used",
    "protocol": "watching how requests come",
    "garbage": "looking for garbage",
}
LISTS: Final = ("question", "statement", "ended", "line", "deadline", "token use", "protocol", "garbage")
UPDATES: Final = ("update", "schema", "ended", "line", "deadline", "protocol", "garbage")
ROUNDS: Final = 15


def show(load: Load, environment: Mapping[str, str], hello: str) -> None:
    """Print, for lists or updates, the server's µs a request, and how many of them each step is."""
    steps = LISTS if load.workload == "list" else UPDATES
    commands = {step: f'{sys.executable} -m tests.bench.without "{step}"' for step in ("nothing", *steps)}
    if load.workload == "list":
        commands["hello"] = hello
    with ExitStack() as stack:
        servers = {step: stack.enter_context(running(command, environment)) for step, command in commands.items()}
        costs: dict[str, list[float]] = {step: [] for step in servers}
        for number in range(ROUNDS + 1):
            for step, (server, port) in servers.items():
                print(f"\r{load.workload}: round {number} of {ROUNDS}, without {step:<10}", end="", flush=True)
                before = cpu_seconds(server.pid)
                requests = wrk(port, load, seconds=1)["requests"]
                if number:  # the first fills memory
                    costs[step].append((cpu_seconds(server.pid) - before) / requests * 1e6)
    whole = costs.pop("nothing")
    print(f"\r{load.workload}: {'':<40}\n| step | µs |\n|---|---|\n| all | {statistics.median(whole):.0f} |")
    if "hello" in costs:
        print(f"| bare aiohttp with a constant body | {statistics.median(costs.pop('hello')):.0f} |")
    for step, without in costs.items():
        saved = statistics.median(a - b for a, b in zip(whole, without, strict=True))
        print(f"| {NAMES[step]} | {saved:.1f} |", flush=True)
