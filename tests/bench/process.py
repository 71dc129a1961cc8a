"""The process's time to readiness, and its memory after many requests."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Final

import psutil
import requests

from tests.bench.measure import Load, running, wrk
from tests.process.running import free_port

STARTS: Final = 7
TENTHS: Final = 10


def start_seconds(command: str, environment: Mapping[str, str]) -> float:
    """Return the seconds from the start of the process to its first 200 of /readyz: the median of several starts."""
    return statistics.median(_start(command, environment) for _ in range(STARTS))


def _start(command: str, environment: Mapping[str, str]) -> float:
    port = free_port()
    ports = {"HTTP_PORT": str(free_port()), "OPS_PORT": str(port)}
    began = time.perf_counter()
    with subprocess.Popen(
        ["sh", "-c", f"exec {command}"], env={**os.environ, **environment, **ports}, stdout=subprocess.DEVNULL
    ) as process:
        while not _ready(port):
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode} before it was ready")
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        process.terminate()
    return seconds


def _ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=1).status_code == 200
    except requests.ConnectionError:
        return False


def memory(
    command: str, environment: Mapping[str, str], load: Load, total: int, show: Callable[[int, float], None]
) -> None:
    """Send at least so many requests; show their number and the resident MiB after each tenth."""
    with running(command, environment) as (server, port):
        process, sent = psutil.Process(server.pid), 0
        sent += int(wrk(port, load, seconds=2)["requests"])
        show(sent, process.memory_info().rss / 2**20)
        for tenth in range(1, TENTHS + 1):
            while sent < total * tenth // TENTHS:
                sent += int(wrk(port, load, seconds=load.seconds)["requests"])
            show(sent, process.memory_info().rss / 2**20)
