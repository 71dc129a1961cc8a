"""The API through grpc-gateway, for tests written for HTTP: its paths are ours, its bodies those of messages."""

from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp import web
from google.rpc import code_pb2, error_details_pb2
from yarl import URL

from service.schemas.request import schema_of
from tests.grpc.as_http import Answered, Verbs, answered, found, read, rpc_of, wrapped
from tests.grpc.calling import Told


class ByGateway(Verbs):
    """A client in the shape of aiohttp's test client, whose requests go to a gateway before the gRPC port."""

    def __init__(self, session: aiohttp.ClientSession, address: str, app: web.Application) -> None:
        self._session = session
        self._address = address
        self.app = app

    async def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | str | None = None,
    ) -> Answered:
        body = json if data is None else read(data)
        route, _ = found(method, path, None, params or {})
        if body is not None and method != "GET":
            body = wrapped(schema_of(route.request), body, rpc_of(route))
        url = URL(self._address + path, encoded=True).update_query(params or {})
        async with self._session.request(method, url, json=body, headers=headers) as response:
            return answered(route, told(await response.json(), response))


def told(body: dict[str, Any], response: aiohttp.ClientResponse) -> Told:
    """Return what a call was answered, whose failures have a shape of the gateway's."""
    metadata = {name.lower(): value for name, value in response.headers.items()}
    if response.status == 200:
        return Told("OK", "", body, {}, metadata)
    details = {}
    for packed in body["details"]:
        name = packed.pop("@type").rpartition(".")[2]
        message = getattr(error_details_pb2, name)()
        details[name] = {
            key: value for key, value in packed.items() if key in message.DESCRIPTOR.fields_by_camelcase_name
        }
    metadata.setdefault("x-request-id", details.get("RequestInfo", {}).get("requestId", ""))
    return Told(code_pb2.Code.Name(body["code"]), body["message"], {}, details, metadata)
