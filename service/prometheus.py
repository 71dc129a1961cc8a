"""`/metrics`: what each part of the application gives by its `collect()`, in Prometheus's text format or OpenMetrics.

Parts are read when Prometheus asks, so that requests pay for nothing here. The text is made in a thread, while the
event loop goes on counting.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from service.health import Health
from service.version import __version__


class Part(Protocol):
    """A part of the application that counts what it does."""

    def collect(self) -> Iterable[Metric]:
        """Return the part's metrics as they are now."""


class _Parts(Collector):
    """The collector of all parts."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = [*parts]

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("flow_pipelines_build", "Version of the program.", {"version": __version__})
        for part in self._parts:
            yield from part.collect()


def metrics_registry(parts: Iterable[Part]) -> CollectorRegistry:
    """Return the metrics of some parts, and of the process."""
    registry = CollectorRegistry()
    registry.register(_Parts(parts))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def metrics_handler(health: Health, parts: Iterable[Part]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make the handler of `/metrics`; the health is checked before each answer."""
    registry = metrics_registry([health, *parts])

    async def collect() -> Collector:
        await health.reasons()
        return registry

    return MetricsTexts(collect).answer


class MetricsTexts:
    """The texts of metrics, made one at a time, as each holds up requests for some milliseconds.

    Scrapes that come while one is made share the next: none is told less than was counted before it came.
    """

    def __init__(self, collect: Callable[[], Awaitable[Collector]]) -> None:
        """Take what returns the metrics as they are now."""
        self._collect = collect
        self._turn = asyncio.Lock()
        self._next: dict[str, asyncio.Task[bytes]] = {}
        """The texts that are still to be begun, by their formats, of which there are a few."""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a request for metrics, in the format that it asks for."""
        encode, content_type = choose_encoder(",".join(request.headers.getall("Accept", ())))
        making = self._next.get(content_type)
        if making is None:
            making = self._next[content_type] = asyncio.create_task(self._make(encode, content_type))
        # One client that leaves does not end what others wait for.
        return web.Response(body=await asyncio.shield(making), headers={"Content-Type": content_type})

    async def _make(self, encode: Callable[[Collector], bytes], content_type: str) -> bytes:
        async with self._turn:
            del self._next[content_type]
            return await asyncio.to_thread(encode, await self._collect())
