"""A gRPC server over an application that is called by HTTP, too, with the same caches."""

from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import ADMISSION, BODIES, DISPATCHER, KEPT_MESSAGES, METRICS, REQUEST_LOG, TURNS, create_app
from service.database.pool import Database
from service.grpc.calls import Parts
from service.grpc.server import GrpcServer
from service.health import Health
from service.settings import Settings
from tests.conftest import Client, RecordingLog
from tests.grpc.calling import Rpcs


def parts_of(client: Client) -> Parts:
    app = client.app
    shared = app[DISPATCHER], app[ADMISSION], app[TURNS], app[BODIES], app[METRICS], app[REQUEST_LOG]
    return Parts(*shared, app[KEPT_MESSAGES])


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
