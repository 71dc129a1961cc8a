"""`python -m tests.bench.transports`: the CPU of the service for one call by HTTP, Connect and gRPC, in one run.

The call is the list of pipelines from memory, as the demo has it. Clients run beside the server, so that only its own
processor time counts, and of that only ratios on a machine that does other things, too.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path
from typing import Final

import aiohttp
import grpc
import psutil

from tests.process.running import free_port
from tests.process.test_demo import demo
from tests.process.test_examples import told

Call = Callable[[], Awaitable[None]]

METHOD: Final = "/flow_pipelines.v1.Pipelines/ListPipelines"
UNDER_WAY: Final = 16
"""Calls at once."""


async def _calls(stack: AsyncExitStack, address: str, port: int, token: str) -> Mapping[str, Call]:
    """Return a call by each transport."""
    headers = {"Authorization": f"Bearer {token}"}
    session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
    rpc: Callable[..., Awaitable[bytes]] = channel.unary_unary(METHOD)

    async def http() -> None:
        async with session.get(f"{address}/api/v1/flow/pipeline") as response:
            assert len(await response.read()) > 100

    def connect(kind: str, body: bytes) -> Call:
        async def call() -> None:
            kinds = {"Content-Type": f"application/{kind}"}
            async with session.post(address + METHOD, data=body, headers=kinds) as response:
                assert len(await response.read()) > 100

        return call

    async def by_grpc() -> None:
        assert len(await rpc(b"", metadata=(("authorization", f"Bearer {token}"),))) > 100

    return {
        "HTTP and JSON": http,
        "Connect, JSON": connect("json", b"{}"),
        "Connect, messages": connect("proto", b""),
        "gRPC": by_grpc,
    }


async def _send(call: Call, number: int) -> None:
    """Send some calls, a few at once."""

    async def worker(share: int) -> None:
        for _ in range(share):
            await call()

    await asyncio.gather(*(worker(number // UNDER_WAY) for _ in range(UNDER_WAY)))


async def measure(
    server: psutil.Process, calls: Mapping[str, Call], number: int, rounds: int
) -> dict[str, list[float]]:
    """Return the microseconds of the server for a call, by transport and round; the rounds take turns."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in chain(calls.items(), *[calls.items()] * rounds):
        before = server.cpu_times()
        await _send(call, number)
        after = server.cpu_times()
        found[name].append((after.user + after.system - before.user - before.system) / number * 1e6)
    return {name: each[1:] for name, each in found.items()}  # the first is to warm up


async def _run(address: str, port: int, token: str, server: psutil.Process, number: int, rounds: int) -> None:
    async with AsyncExitStack() as stack:
        found = await measure(server, await _calls(stack, address, port, token), number, rounds)
    medians = {name: statistics.median(each) for name, each in found.items()}
    print("| By | CPU µs a call | beside HTTP |\n|---|---|---|")
    for name, median in medians.items():
        spread = f"{min(found[name]):.0f} to {max(found[name]):.0f}"
        print(f"| {name} | {median:.0f} ({spread}) | {median / medians['HTTP and JSON']:.2f} x |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.transports", description=__doc__)
    parser.add_argument("--calls", type=int, default=4000, help="in each round, by each transport")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        settings = {"GRPC_PORT": str(port), "LOG_FORMAT": "json"}
        with demo(Path(directory), **settings) as (process, printed):
            token, address = told(printed)
            server = psutil.Process(process.pid)
            asyncio.run(_run(address, port, token, server, arguments.calls, arguments.rounds))


if __name__ == "__main__":
    main()
