"""Connect beside the HTTP API: unary calls in JSON or by messages, through the same bindings as gRPC's."""

from contextlib import nullcontext
from typing import Any, Final, cast

from aiohttp import hdrs, web

from service.grpc.binding import AnswerForms, MessageBinding, Parse, Shared, client_deadline, connect_timeout
from service.http.bodies import BodyBudget
from service.http.endpoint import EncodedAnswer
from service.http.unsent import LongResponse
from service.telemetry.request_record import current_request

JSON: Final = "application/json"
PROTO: Final = "application/proto"


class ConnectCall:
    """One call, in the shape in which bindings take requests."""

    def __init__(self, request: web.Request, bodies: BodyBudget) -> None:
        self.path = self.raw_path = request.path
        self.headers, self.outcome, self._request, self._bodies = request.headers, None, request, bodies

    async def receive(self, parse: Parse) -> Any:
        """Receive the body."""
        return await self._bodies.receive(self._request, parse)


class ConnectEndpoint:
    """The calls of one method, by JSON and by messages."""

    def __init__(self, json: MessageBinding, proto: MessageBinding, forms: AnswerForms, *shared: *Shared) -> None:
        self._bindings, self._forms = {JSON: json, PROTO: proto}, forms
        self._dispatcher, self._bodies, self._unsent, _ = shared

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a call."""
        record, kind = current_request(), request.content_type
        record.transport = "connect"
        if kind not in self._bindings:
            record.code = "INVALID_ARGUMENT"
            return web.Response(status=415, headers={"Accept-Post": f"{JSON}, {PROTO}"})
        wait = connect_timeout(request.headers)
        binding, call = self._bindings[kind], cast("Any", ConnectCall(request, self._bodies))
        async with nullcontext() if wait is None else client_deadline(wait):
            await binding.receive(call)
            try:
                answer: EncodedAnswer = await self._dispatcher.dispatch(binding, call)
            finally:
                record.route = request.path
                self._bodies.release(request)
        body = answer.body if kind == JSON else await self._forms.encode(answer)
        tag = {} if answer.tag is None else {hdrs.ETAG: answer.tag}
        headers = {hdrs.CONTENT_TYPE: kind, hdrs.CACHE_CONTROL: "no-store", **tag}
        return LongResponse(request, self._unsent, body, headers)
