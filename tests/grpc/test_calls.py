"""Calls by gRPC: credentials, failures with their details, deadlines, conditions, what is logged and counted."""

from tests.factories import World
from tests.grpc.calling import Rpcs


async def test_list_pipelines_answers_as_http_does(rpcs: Rpcs, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline("Invoices")
    await world.grant(pipeline, ada)

    told = await rpcs("ListPipelines", token=ada.token, metadata={"x-request-id": "mine"})

    assert told.code == "OK", told
    assert told.body["pipelines"] == [
        {
            "name": "Invoices",
            "id": str(pipeline),
            "permissions": ["flow_pipeline:read", "flow_pipeline:execute"],
            "is_manager": False,
        }
    ]
    assert told.metadata["x-request-id"] == "mine"
