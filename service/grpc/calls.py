"""Calls by gRPC: around each is what the middleware is for HTTP: admission, record, deadline, failures and log."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, Final, NamedTuple, NoReturn
from urllib.parse import unquote

import grpc
from aiohttp import hdrs
from grpc_status import rpc_status
from multidict import CIMultiDict, CIMultiDictProxy

from service.database.fair_queue import FairQueue
from service.deadlines import Deadlines
from service.errors import ServiceError, UnknownCall
from service.grpc.binding import (
    AnswerForms,
    KeptMessages,
    MessageBinding,
    Parse,
    client_deadline,
    later_than_the_client_waits,
)
from service.grpc.failures import NO_SUCH_CALL, grpc_status_of
from service.grpc.gathering import Gathering
from service.grpc.reading import SHARE, MessageReader, Receiver
from service.grpc.untaken import UntakenAnswers
from service.http.admission import AdmissionController
from service.http.bodies import BodyBudget
from service.http.endpoint import EncodedAnswer
from service.http.middleware import as_service_error, begin, delay_not_found
from service.http.open_streams import Streams
from service.http.public_address import PublicAddresses
from service.http.request_id import X_REQUEST_ID, request_id_of
from service.http.request_log import RequestLog
from service.http.responses import NO_HEADERS, failure_headers, status_of
from service.http.unsent import UnsentBudget
from service.operations.dispatcher import Dispatcher
from service.telemetry.metrics import RequestMetrics
from service.telemetry.request_record import RequestRecord, current_record, current_request

SAME_MOMENT: Final = 0.05
"""Seconds by which the clocks of a client and of this process may see the same deadline pass apart."""

LARGE: Final = 65_536
"""Bytes of an answer that grpcio is not handed together with many others: it copies them, 3 MB in a millisecond."""
LARGE_PER_TURN: Final = 4
"""Such answers that it is handed in one turn of the event loop, each caller's in turn."""

NO_SPAN: Final = nullcontext()

Context = grpc.aio.ServicerContext[Any, Any]

Spans = Callable[["GrpcCall", RequestRecord], AbstractContextManager[object]]
"""Makes the span of a call."""


class GrpcCall(Receiver):
    """One call, in the shape in which bindings and the log take requests."""

    method: Final = "POST"

    def __init__(self, rpc: str, context: Context, bodies: BodyBudget) -> None:
        super().__init__()
        self.path = self.raw_path = f"/{rpc}"
        self.headers = headers_of(context)
        self.outcome: Any = None
        self.message = b""
        self._context = context
        self._bodies = bodies

    @property
    def remote(self) -> str | None:
        """The address of the peer."""
        return _host_of(self._context.peer())

    async def receive(self, parse: Parse) -> Any:
        """Return what the message, which is here, is parsed as, and keep the message no longer than that takes."""
        message, self.message = self.message, b""
        return await self._bodies.parse_received(self, message, parse)


@lru_cache(maxsize=1024)
def _host_of(peer: str) -> str:
    """Return the address of a peer, which gRPC tells as ipv4:host:port or ipv6:[host]:port."""
    kind, _, address = peer.partition(":")
    return unquote(address).rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""


def headers_of(context: Context) -> CIMultiDictProxy[str]:
    """Return a call's metadata as headers, without what is binary."""
    metadata = context.invocation_metadata() or ()
    return CIMultiDictProxy(CIMultiDict([(key, value) for key, value in metadata if isinstance(value, str)]))


class Parts(NamedTuple):
    """The parts of the application that calls share with requests by HTTP."""

    dispatcher: Dispatcher
    admission: AdmissionController
    bodies: BodyBudget
    unsent: UnsentBudget
    addresses: PublicAddresses
    metrics: RequestMetrics
    log: RequestLog
    kept: KeptMessages
    streams: Streams


class Calls:
    """The calls of one process."""

    def __init__(
        self,
        parts: Parts,
        untaken: UntakenAnswers,
        timeout: float,
        max_message_bytes: int,
        spans: Spans | None = None,
    ) -> None:
        """Answer calls by the application's parts.

        Args:
            parts: of the application.
            untaken: counts answers that clients do not take.
            timeout: seconds that a call may take.
            max_message_bytes: of a request.
            spans: makes spans; None: there are none.
        """
        self._parts = parts
        self._gathering = Gathering(parts.admission, parts.metrics)
        self.untaken: Final = untaken
        self._deadlines = Deadlines(timeout)
        self._timeout = timeout
        self._messages = MessageReader(parts.bodies, parts.dispatcher.presence, max_message_bytes)
        self._large: Final = FairQueue(LARGE_PER_TURN, parts.dispatcher.presence, SHARE, SHARE)
        self._spans = spans

    async def answer(self, binding: MessageBinding, forms: AnswerForms, context: Context) -> bytes:
        """Answer one call."""
        parts, call = self._parts, GrpcCall(binding.rpc, context, self._parts.bodies)
        refusal, limits = parts.admission.admit(call.headers)
        if refusal is None and parts.admission.holds:
            refusal = await parts.admission.wait(call.headers)
        if refusal is not None:
            parts.metrics.rpc_ended(binding.rpc, refusal.code, refusal.label, 0.0)
            self.untaken.sent(context, 0)
            await abort(context, refusal, request_id_of(call.headers), limits)
        record = begin(call.headers)
        record.transport, record.route = "grpc", binding.rpc
        reset = current_record.set(record)
        parts.metrics.active += 1
        parts.metrics.active_rpcs += 1
        try:
            with self._spans(call, record) if self._spans else NO_SPAN:
                result = await self._outcome(binding, forms, call, record, context)
        except asyncio.CancelledError:
            call.ended()
            _note_cancellation(record, context)
            raise
        finally:
            record.route = binding.rpc  # the dispatcher has set the path that it has by HTTP
            current_record.reset(reset)
            parts.metrics.active -= 1
            parts.metrics.active_rpcs -= 1
            parts.log.end(call, record)
        if isinstance(result, ServiceError):
            self.untaken.sent(context, 0)
            try:
                await abort(context, result, record.request_id, limits)
            finally:
                call.ended()
        message, tag = result
        if len(message) > LARGE:
            await self._large.turn(record.asking)
        tags = () if tag is None else (("etag", tag),)
        context.set_trailing_metadata((("x-request-id", record.request_id), *tags, *_metadata(limits)))
        return message

    async def refuse_unknown(self, path: str, context: Context) -> NoReturn:
        """Refuse a call that is none of the service's, as its addresses by HTTP are refused."""
        parts, call = self._parts, GrpcCall(path.removeprefix("/"), context, self._parts.bodies)
        refusal, limits = parts.admission.admit(call.headers)
        error, record = refusal or UnknownCall(NO_SUCH_CALL), begin(call.headers)
        if refusal is None:
            record.transport = "grpc"
            record.failed(error, status_of(type(error)), error)
            parts.log.end(call, record)
        self.untaken.sent(context, 0)
        await abort(context, error, record.request_id, limits)

    async def _outcome(
        self, binding: MessageBinding, forms: AnswerForms, call: GrpcCall, record: RequestRecord, context: Context
    ) -> tuple[bytes, str | None] | ServiceError:
        """Return the answer and its tag, or the failure, which is noted in the record."""
        deadline = self._deadlines.begin()
        try:
            with deadline:
                answer = await self._in_time(binding, call, context)
                return await forms.encode(answer), answer.tag
        except Exception as exception:
            error = as_service_error(exception, record)
            await delay_not_found(error, deadline.begun)
            record.failed(error, status_of(type(error)), exception)
            call.message = b""  # which is kept, as it is by the traceback, until the client has taken the failure
            return error.with_traceback(None)

    async def _in_time(self, binding: MessageBinding, call: GrpcCall, context: Context) -> EncodedAnswer:
        """Answer within the client's own deadline, if that is the shorter one."""
        remaining: float | None = context.time_remaining()
        if remaining is None or remaining >= self._timeout:
            return await self._answer(binding, call, context)
        async with client_deadline(remaining):
            return await self._answer(binding, call, context)

    async def _answer(self, binding: MessageBinding, call: GrpcCall, context: Context) -> EncodedAnswer:
        record = current_request()
        record.reading_body = True
        asking = self._messages.asking_by(call.headers.get(hdrs.AUTHORIZATION))
        call.message = await self._messages.read(call, context, asking)
        record.reading_body = False
        with self._parts.bodies.reserved(len(call.message)):
            await self._gathering.begin(call.headers)
            await binding.receive(call)
            request: Any = call  # in the shape of one
            answer: EncodedAnswer = await self._parts.dispatcher.dispatch(binding, request)
        return answer


def _note_cancellation(record: RequestRecord, context: Context) -> None:
    """Note why a call was cancelled: by the client, or as its deadline passed, of which it may tell first."""
    remaining: float | None = context.time_remaining()
    if remaining is None or remaining > SAME_MOMENT:
        record.client_left()
    else:
        error = later_than_the_client_waits()
        record.failed(error, status_of(type(error)), error)


async def abort(
    context: Context, error: ServiceError, request_id: str, limits: Mapping[str, str] = NO_HEADERS
) -> NoReturn:
    """End a call with a failure."""
    headers = {X_REQUEST_ID: request_id, **failure_headers(error), **limits}
    retry_after = headers.get("Retry-After")
    status = rpc_status.to_status(grpc_status_of(error, request_id, int(retry_after) if retry_after else None))
    await context.abort(status.code, status.details, (*status.trailing_metadata, *_metadata(headers)))


def _metadata(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield headers as metadata, which have names in lower case."""
    return ((name.lower(), value) for name, value in headers.items())
