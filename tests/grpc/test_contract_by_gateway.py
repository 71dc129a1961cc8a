"""The tests of the documented calls through the grpc-gateway that GATEWAY names (docs/how-to/grpc-gateway.md)."""

import asyncio
import os
from collections.abc import AsyncIterator

import aiohttp
import pytest

from service.grpc.server import GrpcServer
from tests.conftest import Client
from tests.grpc.by_gateway import ByGateway
from tests.grpc.cases import cases_of
from tests.process.running import free_port

pytestmark = pytest.mark.skipif("GATEWAY" not in os.environ, reason="GATEWAY names no program of grpc-gateway's")

OF_NO_GATEWAY = (
    "list_pipelines_unknown_query_is_refused",  # the gateway drops what is in no message
    "update_job_pipelines_missing_scope_is_challenged",  # it has no WWW-Authenticate, but ErrorInfo tells the scope
)
globals().update(cases_of("test_list_pipelines", "test_update_job_pipelines"))
for _name in OF_NO_GATEWAY:
    globals().pop(f"test_{_name}")


@pytest.fixture(scope="session")
async def gateway(server: GrpcServer) -> AsyncIterator[str]:
    """Yield the address of a gateway before the gRPC server."""
    address = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        os.environ["GATEWAY"], address, server.address.removeprefix("grpc://")
    )
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        while True:
            try:
                async with session.get(f"http://{address}/"):
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
    yield f"http://{address}"
    process.terminate()
    await process.wait()


@pytest.fixture
async def client(gateway: str, http: Client) -> AsyncIterator[ByGateway]:
    async with aiohttp.ClientSession() as session:
        yield ByGateway(session, gateway, http.app)
