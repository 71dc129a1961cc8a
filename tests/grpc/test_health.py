"""grpc.health.v1 and reflection: what probes, load balancers and grpcurl ask for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from service.grpc import health as health_module
from service.grpc.flow_pipelines.v1.flow_pipelines_pb2 import DESCRIPTOR
from service.grpc.health import LIVENESS
from tests.grpc.conftest import Start

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN
SERVICES = [service.full_name for service in DESCRIPTOR.services_by_name.values()]


async def test_health_is_that_of_the_process_for_the_whole_and_each_service(channel: grpc.aio.Channel) -> None:
    stub = HealthStub(channel)

    for name in ("", *SERVICES):
        assert (await stub.Check(HealthCheckRequest(service=name))).status == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await stub.Check(HealthCheckRequest(service="flow_pipelines.v1.Nothing"))
    listed = (await stub.List(HealthListRequest())).statuses
    assert {name: each.status for name, each in listed.items()} == dict.fromkeys(("", LIVENESS, *SERVICES), SERVING)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_is_not_serving_without_a_database(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    served = await start()

    async def reasons() -> list[str]:
        return ["The database did not answer."]

    monkeypatch.setattr(served.server.health._health, "reasons", reasons)

    stub = HealthStub(served.rpcs.channel)

    assert (await stub.Check(HealthCheckRequest())).status == NOT_SERVING
    assert (await stub.Check(HealthCheckRequest(service=LIVENESS))).status == SERVING
    listed = (await stub.List(HealthListRequest())).statuses
    assert [name for name, each in listed.items() if each.status == SERVING] == [LIVENESS]
    assert listed[SERVICES[0]].status == NOT_SERVING
    watch = stub.Watch(HealthCheckRequest(service=LIVENESS))
    assert (await watch.read()).status == SERVING
    watch.cancel()


async def test_watch_tells_each_change_and_ends_with_the_server(start: Start) -> None:
    served = await start(drain_timeout=30)
    stub = HealthStub(served.rpcs.channel)
    watch, unknown = stub.Watch(HealthCheckRequest()), stub.Watch(HealthCheckRequest(service="x"))

    first = [(await watch.read()).status, (await unknown.read()).status]
    served.server.health._health.stopping = True
    served.server.drain()
    async with asyncio.timeout(0.5):
        then = (await watch.read()).status
    still = await served.rpcs("GetMe")
    async with asyncio.timeout(5):  # and not the half minute that calls under way have
        await served.server.stop()

    assert (first, then, still.code) == ([SERVING, UNKNOWN], NOT_SERVING, "UNAUTHENTICATED")
    assert await watch.read() is grpc.aio.EOF


async def test_watches_beyond_a_number_are_refused(channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "MAX_WATCHES", 1)
    stub = HealthStub(channel)
    one = stub.Watch(HealthCheckRequest())
    await one.read()

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Watch(HealthCheckRequest()).read()
    one.cancel()

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def asked(channel: grpc.aio.Channel, version: str, **question: Any) -> ServerReflectionResponse:
    async def questions() -> AsyncIterator[ServerReflectionRequest]:
        yield ServerReflectionRequest(**question)

    call: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    (answer,) = [each async for each in call(questions())]
    return answer


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_tells_services_and_files(channel: grpc.aio.Channel, version: str) -> None:
    listed = await asked(channel, version, list_services="")
    found = await asked(channel, version, file_containing_symbol="flow_pipelines.v1.Pipelines")

    names = {service.name for service in listed.list_services_response.service}
    assert names == {
        *SERVICES,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert DESCRIPTOR.serialized_pb in found.file_descriptor_response.file_descriptor_proto


async def test_reflection_knows_methods_by_their_names(channel: grpc.aio.Channel) -> None:
    """As load generators ask for the one that they are to call."""
    for name, known in (
        ("flow_pipelines.v1.Pipelines.ListPipelines", True),
        ("flow_pipelines.v1.GetJobRequest.job_id", True),
        ("grpc.reflection.v1.ServerReflection", True),
        ("grpc.reflection.v1alpha.ServerReflection", True),
        ("grpc.health.v1.Health", True),
        ("flow_pipelines.v1.Pipelines.Nothing", False),
        ("flow_pipelines.v1.Nothing", False),
    ):
        found = await asked(channel, "v1", file_containing_symbol=name)
        ours = DESCRIPTOR.serialized_pb in found.file_descriptor_response.file_descriptor_proto
        assert ours is (known and name.startswith("flow"))
        assert bool(found.error_response.error_code) is not known


async def test_connection_ends_at_its_age(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that load is spread anew; what lasts longer than the grace, such as a watch, begins again elsewhere."""
    for name in ("CONNECTION_AGE", "CONNECTION_AGE_GRACE"):
        monkeypatch.setattr(f"service.grpc.server.{name}", 0.2)
    served = await start()
    watch = HealthStub(served.rpcs.channel).Watch(HealthCheckRequest())

    async def until_it_ends() -> None:
        while await watch.read() is not grpc.aio.EOF:
            pass

    async with asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await until_it_ends()

    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (await served.rpcs("GetMe")).code == "UNAUTHENTICATED"


async def test_check_whose_message_does_not_come_is_refused_in_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no token: clients that begin messages of a megabyte would have had them kept for minutes."""
    monkeypatch.setattr(health_module, "READ_SECONDS", 0.1)
    served, until = await start(), asyncio.Event()

    async def nothing() -> AsyncIterator[bytes]:
        await until.wait()
        yield b""

    check: Any = served.rpcs.channel.stream_unary("/grpc.health.v1.Health/Check")
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await check(nothing(), timeout=10)

    assert (late.value.code(), "in time" in str(late.value.details())) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)
    assert (await HealthStub(served.rpcs.channel).Check(HealthCheckRequest())).status == SERVING


@pytest.mark.parametrize("message", [b"\xff", HealthCheckRequest(service="x" * 1000).SerializeToString()])
async def test_checks_with_messages_of_other_kinds_are_refused(channel: grpc.aio.Channel, message: bytes) -> None:
    """Kept until each client had taken its refusal, six hundred names of a megabyte took 700 MiB."""
    check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await check(message)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
