"""Calls by gRPC in one short line each, by the descriptors alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from service.grpc.messages import methods

METHODS: Mapping[str, MethodDescriptor] = {method.name: method for _, method in methods()}


@dataclass(frozen=True)
class Told:
    """What a call was answered."""

    code: str
    message: str
    body: dict[str, Any]
    details: dict[str, Any]
    """By the names of their types."""
    metadata: dict[str, Any]
    """That came behind the answer."""


@dataclass(frozen=True)
class Rpcs:
    """Calls through one channel."""

    channel: grpc.aio.Channel

    async def __call__(
        self,
        name: str,
        values: Mapping[str, Any] | bytes | None = None,
        token: str = "",
        within: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Told:
        """Call a method with what JSON would have, or with bytes."""
        method = METHODS[name]
        raw = values if isinstance(values, bytes) else message_of(method, values or {}).SerializeToString()
        call = self.channel.unary_unary(
            f"/{method.containing_service.full_name}/{name}",
            request_serializer=lambda given: given,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        sent = [(key.lower(), value) for key, value in (metadata or {}).items()]
        if token:
            sent.append(("authorization", f"Bearer {token}"))
        under_way = call(raw, timeout=within, metadata=tuple(sent))
        try:
            answer = await under_way
        except grpc.aio.AioRpcError as error:
            behind = dict(error.trailing_metadata() or ())
            return Told(error.code().name, error.details() or "", {}, details_of(error), behind)
        return Told("OK", "", body_of(answer), {}, dict(await under_way.trailing_metadata() or ()))


def message_of(method: MethodDescriptor, values: Mapping[str, Any]) -> Message:
    return ParseDict(dict(values), GetMessageClass(method.input_type)())


def body_of(message: Message) -> dict[str, Any]:
    """Return an answer as JSON has it, with false and empty values, without null."""
    body: dict[str, Any] = MessageToDict(message, always_print_fields_with_no_presence=True)
    return body


def details_of(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    status = rpc_status.from_call(error)
    found = {}
    for packed in status.details if status else ():
        name = packed.type_url.rpartition(".")[2]
        message = getattr(error_details_pb2, name)()
        packed.Unpack(message)
        found[name] = MessageToDict(message)
    return found
