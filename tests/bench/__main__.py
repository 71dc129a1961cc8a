"""`make bench`: measure the service beside its peers, from an empty directory to the table; see README.md here."""

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import requests

from service.database.migrations import migrate
from service.embedded.cluster import embedded_postgres
from service.transfer.importing import import_records
from tests.bench import growth, identities, offered, process, profile, steps
from tests.bench.churn import hit_rate
from tests.bench.measure import WORKLOADS, Load, Measurement, measure
from tests.process.running import running_service

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SERVER = ("-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=512MB", "-c", "max_wal_size=8GB")
DSN = "postgresql://postgres@127.0.0.1:5432/flow_pipelines"
SERVE = f"{sys.executable} -m service serve"
ENVIRONMENT = {"DATABASE_URL": DSN, "DSN": DSN, "OPS_PORT": "0", "LOG_FORMAT": "json", "SHUTDOWN_DELAY": "0"}
"""The environment of every server, of which each reads the variables that it knows."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--peers", nargs="*", default=["hello", "go", "rsgi", "fastapi", "fastify"])
    parser.add_argument("--workloads", nargs="*", default=[*WORKLOADS], choices=[*WORKLOADS])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--lone", action="store_true", help="measure each workload by one connection, too")
    parser.add_argument("--seed", default="11", help="of the data set")
    parser.add_argument(
        "--size", action="append", default=[], help="an option of dataset.py, such as --size=--users=100; any number"
    )
    parser.add_argument("--directory", type=Path, default=ROOT / ".data" / "bench")
    parser.add_argument("--growth", action="store_true", help="compare with organizations 20 times as large, too")
    parser.add_argument("--start", action="store_true", help="measure how long the service takes to be ready, too")
    parser.add_argument("--requests", type=int, help="send so many, a tenth updates, and watch memory, too")
    parser.add_argument("--churn", action="store_true", help="measure the hit rate while access changes, too")
    parser.add_argument("--before", metavar="COMMIT", help="measure that commit's service beside this one's, too")
    parser.add_argument("--steps", action="store_true", help="measure what each step of a call costs, too")
    parser.add_argument("--profile", action="store_true", help="show by part where the service's Python goes, too")
    parser.add_argument(
        "--identities", action="store_true", help="measure lists by an identity provider's tokens beside the own, too"
    )
    parser.add_argument("--offered", type=int, metavar="RATE", help="offer so many lists a second, and time them, too")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    arguments = parser.parse_args()
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            sys.exit(f"make bench takes {program}: on Debian and Ubuntu, 'apt install wrk util-linux'.")
    run(arguments)


def run(arguments: argparse.Namespace) -> None:
    directory: Path = arguments.directory
    directory.mkdir(parents=True, exist_ok=True)
    python = _install_peers(directory, "fastify" in arguments.peers)
    if "go" in arguments.peers and not _build_go_peer(directory):
        arguments.peers.remove("go")
    if arguments.before:
        arguments.peers = ["before", *arguments.peers]
        _check_out(arguments.before, directory / "before")
    data = _make_data(directory, arguments.seed, arguments.size)
    shutil.rmtree(directory / "postgres", ignore_errors=True)
    with embedded_postgres(directory / "postgres", SERVER) as dsn:
        asyncio.run(_load(dsn, data))
        subprocess.run([python, HERE / "peers" / "load.py", dsn, data], check=True)
        _write_sample(dsn, data, directory)
        postmaster = int((directory / "postgres" / "postgres" / "postmaster.pid").read_text().split()[0])
        figures = {}
        for connections in (arguments.connections, 1) if arguments.lone else (arguments.connections,):
            for workload in arguments.workloads:
                load = Load(workload, data, connections, arguments.seconds, postmaster)
                figures[f"{workload} by {connections}"] = _side_by_side(load, arguments, python)
        commands = _commands(directory, python, data)
        _measure_other_ways(dsn, data, arguments, postmaster, commands)
        if arguments.growth:
            _compare_with_growth(dsn, data, arguments, postmaster)
        if arguments.start:
            seconds = process.start_seconds(SERVE, ENVIRONMENT)
            print(f"ready {seconds:.2f} s after its start, the median of {process.STARTS}", flush=True)
        if arguments.requests:
            load = Load("mixed", data, arguments.connections, arguments.seconds, postmaster)
            print("| requests | MiB resident |\n|---|---|")
            process.memory(
                SERVE, ENVIRONMENT, load, arguments.requests, lambda n, mib: print(f"| {n:,} | {mib:.1f} |", flush=True)
            )
        if arguments.churn:
            rate, changes = hit_rate(dsn, data, directory, arguments.connections, 30)
            print(f"with {changes:.0f} changes of access a second, {rate:.1%} of lists came from the cache", flush=True)
    if arguments.json:
        kept = {w: {name: [asdict(m) for m in ms] for name, ms in by.items()} for w, by in figures.items()}
        arguments.json.write_text(json.dumps(kept, indent=1))


def _measure_other_ways(
    dsn: str, data: Path, arguments: argparse.Namespace, postmaster: int, commands: dict[str, str]
) -> None:
    """Measure steps of a call, its parts, another kind of token, and a fixed rate, where that is wanted."""
    if arguments.steps:
        for workload in ("list", "update"):
            steps.show(
                Load(workload, data, arguments.connections, arguments.seconds, postmaster),
                ENVIRONMENT,
                commands["hello"],
            )
    if arguments.profile:
        loads = {
            f"{workload} by {connections}": Load(workload, data, connections, arguments.seconds, postmaster)
            for workload in arguments.workloads
            for connections in ((arguments.connections, 1) if arguments.lone else (arguments.connections,))
        }
        profile.show(loads, ENVIRONMENT)
    if arguments.identities:
        load = Load("list", data, arguments.connections, arguments.seconds, postmaster)
        identities.show(dsn, SERVE, ENVIRONMENT, load)
    if arguments.offered:
        beside = {name: commands[name] for name in ("service", *arguments.peers) if name != "hello"}
        offered.show(beside, ENVIRONMENT, data, arguments.offered, arguments.seconds)


def _install_peers(directory: Path, with_node: bool) -> Path:
    python = directory / "venv" / "bin" / "python"
    if not python.exists():
        print("Installing the peers ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
        install = (
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--no-deps",
            "-r",
            ROOT / "requirements" / "bench.txt",
        )
        subprocess.run([python, *install], check=True)
    if with_node and not (directory / "node_modules").exists():
        for name in ("package.json", "fastify_app.mjs"):
            shutil.copy(HERE / "peers" / name, directory)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=directory, check=True)
    return python


def _build_go_peer(directory: Path) -> bool:
    """Build the peer in Go; say so loudly if that can't be done here."""
    go = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
    if go is None:
        print("make bench: NO GO HERE: the service is not measured beside the peer in Go.", file=sys.stderr, flush=True)
        return False
    subprocess.run([go, "build", "-o", directory / "gopeer", "."], cwd=HERE / "peers" / "gopeer", check=True)
    return True


def _check_out(commit: str, before: Path) -> None:
    """Lay an earlier commit's files beside this one's; both run by one interpreter and its packages."""
    shutil.rmtree(before, ignore_errors=True)
    before.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", before], input=archive.stdout, check=True)


def _make_data(directory: Path, seed: str, size: Sequence[str]) -> Path:
    data = directory / f"data-{seed}{''.join(size)}"
    if not (data / "targets.ndjson").exists():
        print("Making the data set ...", flush=True)
        subprocess.run([sys.executable, HERE / "dataset.py", "--out", data, "--seed", seed, *size], check=True)
    return data


async def _load(dsn: str, data: Path) -> None:
    await migrate(dsn)
    with (data / "data.ndjson").open("rb") as lines:
        result = await import_records(dsn, lines)
    total = sum(result.records.values())
    print(f"imported {total:,} records in {result.seconds:.1f} s: {total / result.seconds:,.0f}/s", flush=True)


def _write_sample(dsn: str, data: Path, directory: Path) -> None:
    """Write one answer to a list, for `hello`."""
    token = (data / "tokens.txt").read_text().split()[0]
    with running_service(directory, dsn) as service:
        service.wait_until("/readyz", 200)
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.get(f"{service.api}/api/v1/flow/pipeline", headers=headers, timeout=10)
    answer.raise_for_status()
    (data / "sample.json").write_bytes(answer.content)


def _commands(directory: Path, python: Path, data: Path) -> dict[str, str]:
    peers, bin_ = HERE / "peers", python.parent
    return {
        "service": SERVE,
        "before": f"env --chdir={directory}/before {SERVE}",
        "hello": f"{python} {peers}/hello_app.py $PORT {data}/sample.json",
        "go": str(directory / "gopeer"),
        "rsgi": f"{bin_}/granian --interface rsgi --loop uvloop --port $PORT --workers 1 --no-ws --log-level error"
        f" --working-dir {peers} rsgi_app:app",
        "fastapi": f"{bin_}/uvicorn --app-dir {peers} fastapi_app:app --port $PORT --no-access-log --log-level error",
        "fastify": f"node {directory}/fastify_app.mjs",
    }


def _side_by_side(load: Load, arguments: argparse.Namespace, python: Path) -> dict[str, list[Measurement]]:
    commands = _commands(arguments.directory, python, load.data)
    names = ["service", *(peer for peer in arguments.peers if peer != "hello" or load.workload in ("list", "cold"))]
    measured: dict[str, list[Measurement]] = defaultdict(list)
    for number in range(1, arguments.rounds + 1):
        for name in names:
            print(f"\r{load.workload}: round {number} of {arguments.rounds}, {name:<10}", end="", flush=True)
            measured[name].append(measure(commands[name], ENVIRONMENT, load))
    _print_table(load, measured)
    return measured


def _compare_with_growth(dsn: str, data: Path, arguments: argparse.Namespace, postmaster: int) -> None:
    grown = _make_data(arguments.directory, arguments.seed, growth.SIZE)
    large = growth.create_database(dsn)
    asyncio.run(_load(large, grown))
    growth.settle(dsn)
    growth.settle(large)

    def serve(database: str) -> tuple[str, dict[str, str]]:
        return SERVE, {**ENVIRONMENT, "DATABASE_URL": database}

    print(f"CPU µs a request, and in organizations {growth.TIMES} times as large\n| | | | |\n|---|---|---|---|")
    for workload in ("list", "cold", "update"):
        load = Load(workload, data, arguments.connections, arguments.seconds, postmaster)
        growth.compare(
            load, grown, arguments.rounds, serve, (DSN, DSN.replace("/flow_pipelines", f"/{growth.DATABASE}"))
        )


def _print_table(load: Load, measured: dict[str, list[Measurement]]) -> None:
    rounds = len(measured["service"])
    print(
        f"\r{load.workload}: {load.connections} connections, {rounds} rounds of {load.seconds} s, medians,"
        f" {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    print("| | requests/s | service is | p50 ms | p99 ms | server µs | database µs | service's CPU | MiB | failed |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    ours = measured["service"]
    for name, runs in measured.items():
        ratios = [a.requests_per_second / b.requests_per_second for a, b in zip(ours, runs, strict=True)]
        costs = [a.cpu / b.cpu for a, b in zip(ours, runs, strict=True)]
        m = {field: statistics.median(getattr(run, field) for run in runs) for field in asdict(runs[0])}
        print(
            f"| {name} | {m['requests_per_second']:,.0f} | {statistics.median(ratios):.2f} x | {m['p50']:.2f}"
            f" | {m['p99']:.2f} | {m['server_cpu']:.0f} | {m['database_cpu']:.0f} | {statistics.median(costs):.2f} x"
            f" | {m['memory']:.0f}"
            f" | {sum(run.failed for run in runs)} |"
        )
    print(flush=True)


if __name__ == "__main__":
    main()
