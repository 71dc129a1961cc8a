"""A gRPC server over an application that is called by HTTP, too, with the same caches."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import (
    ADDRESSES,
    ADMISSION,
    BODIES,
    DISPATCHER,
    KEPT_MESSAGES,
    METRICS,
    REQUEST_LOG,
    STREAMS,
    UNSENT,
    create_app,
)
from service.database.pool import Database
from service.grpc.calls import Parts
from service.grpc.server import GrpcServer
from service.health import Health
from service.settings import Settings
from service.tracing import Tracing
from tests.conftest import Client, RecordingLog
from tests.grpc.calling import Rpcs


def parts_of(client: Client) -> Parts:
    app = client.app
    shared = app[DISPATCHER], app[ADMISSION], app[BODIES], app[UNSENT], app[ADDRESSES], app[METRICS], app[REQUEST_LOG]
    return Parts(*shared, app[KEPT_MESSAGES], app[STREAMS])


@dataclass
class Served:
    """An application with a gRPC server, and clients of both."""

    http: Client
    server: GrpcServer
    rpcs: Rpcs


Start = Callable[..., Awaitable[Served]]


@pytest.fixture(name="start")
async def _start(settings: Settings, database: Database) -> AsyncIterator[Start]:
    """Return a function that starts a service with other settings."""
    async with AsyncExitStack() as stack:

        async def start(tracing: Tracing | None = None, **other: Any) -> Served:
            changed = replace(settings, **{"grpc_port": 0, **other})
            health = Health(database, settings.ready_timeout)
            app = create_app(changed, database, health, tracing, RecordingLog)
            client = await stack.enter_async_context(TestClient(TestServer(app)))
            server = GrpcServer(changed, parts_of(client), health, tracing.rpc_span if tracing else None)
            await server.start()
            stack.push_async_callback(server.stop)
            opened = await stack.enter_async_context(grpc.aio.insecure_channel(server.address.rpartition("/")[2]))
            return Served(client, server, Rpcs(opened))

        yield start


@pytest.fixture(scope="session")
async def http(settings: Settings, database: Database) -> AsyncIterator[Client]:
    """Open a client by HTTP; not named `client`, as modules here give that name to clients by other transports."""
    app = create_app(settings, database, Health(database, settings.ready_timeout), request_log=RecordingLog)
    async with TestClient(TestServer(app)) as opened:
        yield opened


@pytest.fixture(scope="session")
async def server(http: Client, settings: Settings, database: Database) -> AsyncIterator[GrpcServer]:
    health = Health(database, settings.ready_timeout)
    started = GrpcServer(replace(settings, grpc_port=0), parts_of(http), health)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture(scope="session")
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.address.removeprefix("grpc://")) as opened:
        yield opened


@pytest.fixture(scope="session")
def rpcs(channel: grpc.aio.Channel) -> Rpcs:
    return Rpcs(channel)
