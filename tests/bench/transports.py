"""`python -m tests.bench.transports`: the CPU of the service for one call by each transport, in one run.

The call is the list of pipelines from memory, as the demo has it. Clients run beside the server, so that only its own
processor time counts, and of that only ratios on a machine that does other things, too. Beside them there is a bare
grpcio server, which answers the same message from memory; and with `--gateway PROGRAM` the grpc-gateway of
docs/how-to/grpc-gateway.md, whose own processor time is counted apart.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import grpc
import psutil

from tests.process.running import ROOT, free_port
from tests.process.test_demo import demo
from tests.process.test_examples import told

Call = Callable[[], Awaitable[None]]

METHOD: Final = "/flow_pipelines.v1.Pipelines/ListPipelines"
LIST: Final = "/api/v1/flow/pipeline"


class Servers(NamedTuple):
    """The servers that are measured."""

    service: psutil.Process
    http: str
    grpc: str
    bare: psutil.Process
    bare_grpc: str
    gateway: psutil.Process | None
    gateway_http: str


class Way(NamedTuple):
    """A way to call: one call of it, and the processes whose processor time it takes."""

    call: Call
    processes: tuple[psutil.Process, ...]


def _message(address: str, token: str) -> bytes:
    """Return the message that the service answers."""
    with grpc.insecure_channel(address) as channel:
        call: Callable[..., bytes] = channel.unary_unary(METHOD)
        return call(b"", metadata=(("authorization", f"Bearer {token}"),), wait_for_ready=True, timeout=10)


@contextmanager
def _started(*command: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _ways(stack: AsyncExitStack, servers: Servers, token: str) -> Mapping[str, Way]:
    """Return the ways to call, each by connections of its own."""
    headers = {"Authorization": f"Bearer {token}"}

    async def get(address: str) -> Call:
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))

        async def call() -> None:
            async with session.get(address + LIST) as response:
                assert len(await response.read()) > 100

        return call

    async def connect(kind: str, body: bytes) -> Call:
        sent = {**headers, "Content-Type": f"application/{kind}"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=sent))

        async def call() -> None:
            async with session.post(servers.http + METHOD, data=body) as response:
                assert len(await response.read()) > 100

        return call

    async def rpc(address: str) -> Call:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        made: Callable[..., Awaitable[bytes]] = channel.unary_unary(METHOD)

        async def call() -> None:
            assert len(await made(b"", metadata=(("authorization", f"Bearer {token}"),))) > 100

        return call

    own = (servers.service,)
    ways = {
        "HTTP and JSON": Way(await get(servers.http), own),
        "Connect, JSON": Way(await connect("json", b"{}"), own),
        "Connect, messages": Way(await connect("proto", b""), own),
        "gRPC": Way(await rpc(servers.grpc), own),
        "a bare grpcio server": Way(await rpc(servers.bare_grpc), (servers.bare,)),
    }
    if servers.gateway is not None:
        ways["HTTP and JSON by grpc-gateway"] = Way(await get(servers.gateway_http), (*own, servers.gateway))
    return ways


async def _send(call: Call, number: int, under_way: int) -> None:
    """Send some calls, a few at once."""

    async def worker(share: int) -> None:
        for _ in range(share):
            await call()

    await asyncio.gather(*(worker(number // under_way) for _ in range(under_way)))


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(
    ways: Mapping[str, Way], number: int, rounds: int, under_way: int
) -> dict[str, list[tuple[float, ...]]]:
    """Return the microseconds of each process for a call, by way and round; the rounds take turns."""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in ways}
    for name, way in chain(ways.items(), *[ways.items()] * rounds):
        before = [*map(_seconds, way.processes)]
        await _send(way.call, number, under_way)
        after = map(_seconds, way.processes)
        found[name].append(tuple((b - a) / number * 1e6 for a, b in zip(before, after, strict=True)))
    return {name: each[1:] for name, each in found.items()}  # the first is to warm up


async def _run(servers: Servers, token: str, arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        ways = await _ways(stack, servers, token)
        found = await measure(ways, arguments.calls, arguments.rounds, arguments.under_way)
    medians = {name: [statistics.median(each) for each in zip(*rounds, strict=True)] for name, rounds in found.items()}
    http, bare = medians["HTTP and JSON"][0], medians["a bare grpcio server"][0]
    print("| By | CPU µs a call | beside HTTP | beside a bare grpcio server |\n|---|---|---|---|")
    for name, (own, *others) in medians.items():
        spread = f"{min(each[0] for each in found[name]):.0f} to {max(each[0] for each in found[name]):.0f}"
        beside = "".join(f", and {other:.0f} of the gateway" for other in others)
        print(f"| {name} | {own:.0f} ({spread}){beside} | {own / http:.2f} x | {own / bare:.2f} x |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.transports", description=__doc__)
    parser.add_argument("--calls", type=int, default=4000, help="in each round, by each transport")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--under-way", type=int, default=32, help="calls at once")
    parser.add_argument("--gateway", help="the program of docs/how-to/grpc-gateway.md")
    arguments = parser.parse_args()
    own = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = {"GRPC_PORT": own.rpartition(":")[2], "LOG_FORMAT": "json"}
        process, printed = stack.enter_context(demo(directory, **settings))
        token, address = told(printed)
        (directory / "answer").write_bytes(_message(own, token))
        command = sys.executable, "-m", "tests.bench.bare_grpc", str(directory / "answer")
        bare = stack.enter_context(_started(*command))
        assert bare.stdout is not None
        bare_port, between = bare.stdout.readline().strip(), f"127.0.0.1:{free_port()}"
        gateway = stack.enter_context(_started(arguments.gateway, between, own)) if arguments.gateway else None
        servers = Servers(
            psutil.Process(process.pid),
            address,
            own,
            psutil.Process(bare.pid),
            f"127.0.0.1:{bare_port}",
            psutil.Process(gateway.pid) if gateway else None,
            f"http://{between}",
        )
        asyncio.run(_run(servers, token, arguments))


if __name__ == "__main__":
    main()
