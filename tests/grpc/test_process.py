"""A real process with a gRPC port: how it starts, what it logs, and how it ends without losing a call."""

import asyncio
import signal
from pathlib import Path
from time import monotonic

import asyncpg
import grpc
import requests
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from tests.factories import World
from tests.grpc.calling import Rpcs
from tests.process.running import Service, running_service, wait_for


def channel_to(service: Service) -> grpc.aio.Channel:
    (started,) = service.events("started")
    return grpc.aio.insecure_channel(str(started["grpc"]).removeprefix("grpc://"))


async def test_process_drains_calls_and_ends_though_the_health_is_watched(
    dsn: str, tmp_path: Path, world: World
) -> None:
    """It says that it ends, answers for the delay, and lets what is under way end; a watch holds up nothing."""
    settings = {"GRPC_PORT": "0", "SHUTDOWN_DELAY": "2.5", "DRAIN_TIMEOUT": "20"}
    ada = await world.user(role="admin")
    job = await world.job(ada, await world.pipeline())
    locker = await asyncpg.connect(dsn)
    with running_service(tmp_path, dsn, **settings) as service:
        async with channel_to(service) as channel:
            rpcs, watch = Rpcs(channel), HealthStub(channel).Watch(HealthCheckRequest())
            assert (await watch.read()).status == HealthCheckResponse.SERVING
            service.process.send_signal(signal.SIGTERM)
            told = monotonic()
            assert (await watch.read()).status == HealthCheckResponse.NOT_SERVING
            answered = await rpcs("ListPipelines", token=ada.token)
            await locker.execute("BEGIN")
            await locker.execute("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", job)
            await asyncio.sleep(told + 2 - monotonic())
            update = {"job_id": job, "pipeline_ids": {}}
            under_way = asyncio.create_task(rpcs("UpdateJobPipelines", update, token=ada.token))
            await asyncio.sleep(0.75)  # the delay has passed: no more are accepted
            await locker.close()
            ended = await under_way
            assert await watch.read() is grpc.aio.EOF
            refused = await rpcs("GetMe", token=ada.token, within=3)
        code = await asyncio.to_thread(service.process.wait, 10)
        events = [line["event"] for line in service.lines()]

    assert (answered.code, ended.code, refused.code, code) == ("OK", "OK", "UNAVAILABLE", 0)
    assert await world.pipelines_of(job) == []
    assert events[-1] == "stopped"


async def test_process_logs_calls_and_counts_them(service_dsn: str, tmp_path: Path, world: World) -> None:
    ada = await world.user()
    with running_service(tmp_path, service_dsn, GRPC_PORT="0") as service:
        async with channel_to(service) as channel:
            told = await Rpcs(channel)("GetMe", token=ada.token, metadata={"x-request-id": "one"})
        wait_for(lambda: any(line.get("request_id") == "one" for line in service.lines()))
        (line,) = (line for line in service.lines() if line.get("request_id") == "one")
        metrics = await asyncio.to_thread(requests.get, service.operations + "/metrics", timeout=5)

    assert (told.code, line["transport"], line["route"]) == ("OK", "grpc", "flow_pipelines.v1.Users/GetMe")
    labels = 'rpc_method="flow_pipelines.v1.Users/GetMe",rpc_response_status_code="OK"'
    assert f"rpc_server_call_duration_seconds_count{{{labels}}} 1.0" in metrics.text


def test_process_without_the_setting_has_no_such_port(service_dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, service_dsn) as service:
        assert "grpc" not in service.events("started")[0]
