"""Measurements of one server under one load: rate, latency, failures, and CPU time of the server and of PostgreSQL."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).parent
WORKLOADS = {
    "list": ("list", "0"),
    "cold": ("cold", "0"),
    "update": ("update", "0"),
    "change": ("change", "0"),
    "mixed": ("list", "0.1"),
}
"""The arguments of calls.lua: the kind of call, and the share of updates among lists."""


@dataclass(frozen=True)
class Load:
    """A load that wrk generates: one of WORKLOADS, for so many seconds."""

    workload: str
    data: Path
    connections: int
    seconds: int
    postmaster: int
    """The id of PostgreSQL's first process: its CPU time and its children's counts."""


@dataclass(frozen=True)
class Measurement:
    """The results of a load: latency in milliseconds, CPU time in microseconds a request, memory in MiB."""

    requests_per_second: float
    p50: float
    p99: float
    server_cpu: float
    database_cpu: float
    memory: float
    failed: int

    @property
    def cpu(self) -> float:
        return self.server_cpu + self.database_cpu


def measure(command: str, environment: Mapping[str, str], load: Load) -> Measurement:
    """Start a server by a shell command, which has PORT in its environment; warm it up, load it, end it."""
    with running(command, environment) as (server, port):
        wrk(port, load, seconds=2)
        before = _cpu(server.pid, load.postmaster)
        result = wrk(port, load, load.seconds)
        after = _cpu(server.pid, load.postmaster)
        memory = sum(process.memory_info().rss for process in _tree(server.pid)) / 2**20
    requests = result["requests"]
    server_cpu, database_cpu = ((end - start) / requests * 1e6 for end, start in zip(after, before, strict=True))
    return Measurement(
        requests / result["seconds"],
        result["p50_us"] / 1e3,
        result["p99_us"] / 1e3,
        server_cpu,
        database_cpu,
        memory,
        int(result["bad_status"] + result["socket_errors"]),
    )


@contextmanager
def running(command: str, environment: Mapping[str, str]) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    """Run a server by a shell command, on processor 0; yield its process and the port that it listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["taskset", "-c", "0", "sh", "-c", f"exec {command}"],
        env={**os.environ, **environment, "PORT": str(port), "HTTP_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port, server)
        yield server, port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(15)


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the server did not listen within 30 s")


def wrk(port: int, load: Load, seconds: int) -> dict[str, float]:
    """Load a server for so many seconds; return the counts of calls.lua."""
    kind, share = WORKLOADS[load.workload]
    command = [
        "taskset",
        "-c",
        "1",
        "wrk",
        "-t1",
        f"-c{load.connections}",
        f"-d{seconds}s",
        "-s",
        str(HERE / "calls.lua"),
    ]
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{port}", "--", kind, str(load.data), share],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(said.stdout.split("RESULT ", 1)[1])
    return result


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds used so far by a process and its children, those that have ended included."""
    for _ in range(10):  # a child that ends meanwhile is found in its parent's sum, the next time
        with suppress(psutil.NoSuchProcess):
            return sum(sum(process.cpu_times()[:4]) for process in _tree(pid))
    raise RuntimeError(f"process {pid} has no processor time that can be read")


def _cpu(pid: int, postmaster: int) -> tuple[float, float]:
    """Return the CPU seconds of the server, and of PostgreSQL."""
    return cpu_seconds(pid), cpu_seconds(postmaster)
