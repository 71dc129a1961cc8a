"""grpc.health.v1: readiness as /readyz has it, of the whole server and by service; a watch is told of each change."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import DESCRIPTOR, HealthCheckRequest, HealthCheckResponse, HealthListResponse

from service.errors import InvalidArgument, ServiceError
from service.grpc.reading import MessageReader, Receiver
from service.grpc.untaken import UntakenAnswers
from service.health import Health
from service.telemetry.request_record import Asking

SERVICE: Final = DESCRIPTOR.services_by_name["Health"].full_name
READ_SECONDS: Final = 1.0
"""Seconds in which the message of a call must be here."""
MAX_MESSAGE_BYTES: Final = 1_000
"""Bytes of that message, which is the name of a service."""

INTERVAL: Final = 1.0
"""Seconds between two looks at the readiness, while a client watches."""
MAX_WATCHES: Final = 100
"""Watches at once: each holds a call for as long as it lasts."""
LIVENESS: Final = "liveness"
"""The name of a service that serves as long as the process can answer, whatever the database does: for probes whose
failure starts the process anew, which would not mend that."""

Context = grpc.aio.ServicerContext[Any, Any]
Response: Any = HealthCheckResponse


class HealthService:
    """The health of a process for gRPC's own probes and clients."""

    def __init__(
        self, health: Health, services: Collection[str], untaken: UntakenAnswers, messages: MessageReader
    ) -> None:
        """Tell of the services of these names, which are as ready as the process is, and of its liveness."""
        self._health = health
        self._messages = messages
        self._untaken = untaken
        self._known = {"", LIVENESS, *services}
        self._changed = asyncio.Event()
        """Set when watches are to look at once."""
        self._ended = False
        self._watches = 0

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler of the calls, each of which reads its message itself, as these take no token."""
        unary, streaming = grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Check": unary(self.check, response_serializer=Response.SerializeToString),
            "List": unary(self.list, response_serializer=HealthListResponse.SerializeToString),
            "Watch": streaming(self.watch, response_serializer=Response.SerializeToString),
        }
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    async def check(self, _: object, context: Context) -> Any:
        """Return whether the process can serve now."""
        service = await self._asked_for(context)
        if service not in self._known:
            await self._refuse(context, "NOT_FOUND", "There is no service of this name here.")
        status = await self._status(service)
        self._untaken.sent(context, 0)
        return Response(status=status)

    async def list(self, _: object, context: Context) -> Any:
        """Return the same of each service."""
        statuses = {name: Response(status=await self._status(name)) for name in ("", LIVENESS)}
        ready = statuses[""]
        self._untaken.sent(context, 0)
        return HealthListResponse(statuses={**dict.fromkeys(self._known, ready), **statuses})

    async def watch(self, _: object, context: Context) -> AsyncIterator[Any]:
        """Yield whether the process can serve, now and after each change, until it ends."""
        service = await self._asked_for(context)
        if self._watches >= MAX_WATCHES:
            sentence = "More clients watch this process than it takes; ask by Check."
            await self._refuse(context, "RESOURCE_EXHAUSTED", sentence)
        self._watches += 1
        try:
            told = None
            while not self._ended:
                known = service in self._known
                status = await self._status(service) if known else Response.SERVICE_UNKNOWN
                if status != told:
                    told = status
                    yield Response(status=status)
                await self._wait()
        finally:
            self._watches -= 1

    async def _asked_for(self, context: Context) -> str:
        """Return the service that a call asks for; calls of each connection have their turn."""
        call, refusal = Receiver(), ("", "")
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await self._read(call, context)
        except ServiceError as error:
            refusal = error.code, str(error)  # without the error, whose traceback would keep the message
        except TimeoutError:
            refusal = "DEADLINE_EXCEEDED", "The message did not come in time."
        try:
            await self._refuse(context, *refusal)
        finally:
            call.ended()

    async def _read(self, call: Receiver, context: Context) -> str:
        peer = hash(context.peer())
        message = await self._messages.read(call, context, Asking(peer, peer))
        if len(message) > MAX_MESSAGE_BYTES:
            raise InvalidArgument(f"The message is larger than {MAX_MESSAGE_BYTES:,} bytes.")
        try:
            return str(HealthCheckRequest.FromString(message).service)
        except DecodeError:
            raise InvalidArgument("The message is none of a check of health.") from None

    async def _refuse(self, context: Context, code: str, sentence: str) -> NoReturn:
        self._untaken.sent(context, 0)
        await context.abort(grpc.StatusCode[code], sentence)

    async def _status(self, service: str) -> int:
        ready = service == LIVENESS or not await self._health.reasons()
        return int(Response.SERVING if ready else Response.NOT_SERVING)

    async def _wait(self) -> None:
        """Wait for the next look."""
        changed = self._changed
        try:
            async with asyncio.timeout(INTERVAL):
                await changed.wait()
        except TimeoutError:
            pass

    def look(self) -> None:
        """Have all watches look at once."""
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """End all watches, which would hold up the end of the server."""
        self._ended = True
        self.look()
