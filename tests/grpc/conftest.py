"""A gRPC server over the application that the tests of the API call by HTTP, with the same caches."""

from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from service.app import ADMISSION, BODIES, DISPATCHER, METRICS, REQUEST_LOG, TURNS
from service.database.pool import Database
from service.grpc.calls import Parts
from service.grpc.server import GrpcServer
from service.health import Health
from service.settings import Settings
from tests.conftest import Client
from tests.grpc.calling import Rpcs


@pytest.fixture(scope="session")
async def server(client: Client, settings: Settings, database: Database) -> AsyncIterator[GrpcServer]:
    app = client.app
    parts = Parts(app[DISPATCHER], app[ADMISSION], app[TURNS], app[BODIES], app[METRICS], app[REQUEST_LOG])
    started = GrpcServer(replace(settings, grpc_port=0), parts, Health(database, settings.ready_timeout))
    await started.start()
    yield started
    await started.stop()


@pytest.fixture(scope="session")
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.address.removeprefix("grpc://")) as opened:
        yield opened


@pytest.fixture
def rpcs(channel: grpc.aio.Channel) -> Rpcs:
    return Rpcs(channel)
