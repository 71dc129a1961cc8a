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

    async def expose(request: web.Request) -> web.Response:
        await health.reasons()
        return await answer_metrics(request, registry)

    return expose


async def answer_metrics(request: web.Request, registry: Collector) -> web.Response:
    """Answer a request for metrics, in the format that it asks for."""
    encode, content_type = choose_encoder(",".join(request.headers.getall("Accept", ())))
    return web.Response(body=await asyncio.to_thread(encode, registry), headers={"Content-Type": content_type})
