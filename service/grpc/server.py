"""The gRPC server: the method table's calls, health and reflection on a port of its own, in the same event loop."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.protobuf.text_format import MessageToString, Parse
from grpc_reflection.v1alpha.reflection import SERVICE_NAME, aio
from grpc_reflection.v1alpha.reflection_pb2 import DESCRIPTOR as REFLECTION_FILE
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from service.errors import StartupError
from service.grpc.binding import AnswerForms, MessageBinding
from service.grpc.calls import Calls, Context, Parts, Spans
from service.grpc.certificates import Certificates
from service.grpc.flow_pipelines.v1.flow_pipelines_pb2 import DESCRIPTOR
from service.grpc.health import SERVICE as HEALTH_SERVICE
from service.grpc.health import HealthService
from service.grpc.messages import WATCH, methods
from service.grpc.reading import WINDOW, MessageReader
from service.grpc.untaken import MAX_UNTAKEN, UntakenAnswers
from service.grpc.watch import Watches
from service.health import Health
from service.settings import Settings

CONNECTION_AGE: Final = 300.0
"""Seconds after which a connection is asked to end, so that load is spread anew; the calls on it go on."""
CONNECTION_AGE_GRACE: Final = 30.0
"""Seconds for those calls to end."""
HANDSHAKE: Final = 10.0
"""Seconds for a connection to begin with HTTP/2, or with TLS before; it would have two minutes by default."""
KEEPALIVE: Final = 30.0
"""Seconds without a word from the client after which it is asked whether it is still there."""
KEEPALIVE_TIMEOUT: Final = 10.0
"""Seconds that it has to answer."""
MIN_PING_INTERVAL: Final = 10.0
"""Seconds between a client's own pings; one that asks more often is sent away."""
MAX_CALLS_ON_CONNECTION: Final = 500
"""Calls of one connection at once, which clients keep to: others wait there, or have a further connection.

grpcio takes memory for each that a client begins, also where it resets it at once.
"""
UNADMITTED: Final = 2 * MAX_UNTAKEN
"""Calls beyond MAX_REQUESTS and MAX_STREAMS that the server takes on, so that these are what refuses, and says why.

Half of them is for answers that clients do not take.
"""
MAX_REFLECTIONS: Final = 20
"""Streams of reflection at once; each holds a call, and an answer of 60 kB."""
OTHER_METADATA: Final = 8192
"""Bytes of a call's metadata beside one that has MAX_HEADER_BYTES, each counted with 32 bytes more (RFC 9113)."""
REFLECTION_V1: Final = "grpc.reflection.v1.ServerReflection"


class GrpcServer:
    """The gRPC server of a process."""

    def __init__(self, settings: Settings, parts: Parts, health: Health, spans: Spans | None = None) -> None:
        """Put the server together; it listens on no port yet."""
        self._settings = settings
        self.address = ""
        """The address that it listens on; empty before it does."""
        services = [service.full_name for service in DESCRIPTOR.services_by_name.values()]
        self.untaken: Final = UntakenAnswers(parts.unsent)
        presence = parts.dispatcher.presence
        messages = MessageReader(parts.bodies, presence, settings.max_body_bytes)  # in turns apart from those of calls
        self.health: Final = HealthService(health, services, self.untaken, messages)
        self._server = grpc.aio.server(
            options=_options(settings.max_body_bytes, settings.max_header_bytes + OTHER_METADATA),
            maximum_concurrent_rpcs=settings.max_requests + settings.max_streams + UNADMITTED,
        )
        calls = Calls(parts, self.untaken, settings.request_timeout, settings.max_body_bytes, spans)
        self._feed = parts.dispatcher.feed
        self._server.add_generic_rpc_handlers([_Handlers(calls, parts)])
        self._server.add_generic_rpc_handlers([self.health.handler()])
        _add_reflection(self._server, [*services, HEALTH_SERVICE, REFLECTION_V1, SERVICE_NAME])
        self._server.add_generic_rpc_handlers([_Unknown(calls)])  # the last that is asked

    async def start(self) -> None:
        """Listen.

        Raises:
            StartupError: the port can't be had, or the certificate can't be used.
        """
        settings = self._settings
        host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
        address, port = f"{host}:{settings.grpc_port}", 0
        certificates = None
        if settings.grpc_tls_cert is not None and settings.grpc_tls_key is not None:
            certificates = Certificates(settings.grpc_tls_cert, settings.grpc_tls_key).credentials()
        try:
            if certificates is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, certificates)
        except RuntimeError:
            pass
        if port == 0:
            raise StartupError(f"{address} can't be listened on for gRPC: set GRPC_PORT to another port.")
        self.untaken.port = port
        await self._server.start()
        self.address = f"{'grpc' if certificates is None else 'grpcs'}://{host}:{port}"

    def drain(self) -> None:
        """Tell at once who watches the health that the process is about to end; calls are answered as before."""
        self.health.look()

    async def stop(self) -> None:
        """Accept no more calls, and wait for those under way; watches end at once, those of changes with a cursor."""
        self.health.end()
        await self._feed.reader.close("draining")
        await self._server.stop(self._settings.drain_timeout)


def _options(max_message_bytes: int, max_metadata_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),  # else a second process would get the same port without an error
        ("grpc.max_concurrent_streams", MAX_CALLS_ON_CONNECTION),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.http2.bdp_probe", 0),  # else a fast connection is let send whole messages before they are read
        ("grpc.http2.lookahead_bytes", WINDOW),
        ("grpc.max_metadata_size", max_metadata_bytes),  # both alike: between them it is by chance that calls fail
        ("grpc.absolute_max_metadata_size", max_metadata_bytes),
        ("grpc.server_handshake_timeout_ms", _milliseconds(HANDSHAKE)),
        ("grpc.max_connection_age_ms", _milliseconds(CONNECTION_AGE)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(CONNECTION_AGE_GRACE)),
        ("grpc.keepalive_time_ms", _milliseconds(KEEPALIVE)),
        ("grpc.keepalive_timeout_ms", _milliseconds(KEEPALIVE_TIMEOUT)),
        ("grpc.http2.ping_timeout_ms", _milliseconds(KEEPALIVE_TIMEOUT)),  # this is what ends it; a minute by default
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _milliseconds(MIN_PING_INTERVAL)),
    ]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


class _Handlers(grpc.GenericRpcHandler):
    """The handlers of all services, found by one look, in which a message is read only once its call is admitted."""

    def __init__(self, calls: Calls, parts: Parts) -> None:
        self._by_path: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for route, method in methods():
            binding = MessageBinding(route, method, parts.dispatcher, parts.bodies, parts.unsent, parts.addresses)
            handle = _handler(calls, binding, AnswerForms(route, method, parts.kept))
            # On the wire a call of one message is like a stream of one; to read it is left to the handler.
            self._by_path[f"/{binding.rpc}"] = grpc.stream_unary_rpc_method_handler(handle)
        watch = f"/{WATCH.containing_service.full_name}/{WATCH.name}"
        self._by_path[watch] = grpc.stream_stream_rpc_method_handler(Watches(calls, parts).handle)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """Return the handler of a call; None if it is of another service."""
        return self._by_path.get(handler_call_details.method)


def _handler(calls: Calls, binding: MessageBinding, forms: AnswerForms) -> Callable[[Any, Any], Any]:
    async def handle(_: object, context: Context) -> bytes:
        message = await calls.answer(binding, forms, context)
        calls.untaken.sent(context, len(message))
        return message

    return handle


class _Unknown(grpc.GenericRpcHandler):
    """The handler of calls that no other one knows."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        """Return what refuses a call."""
        path = str(handler_call_details.method)

        async def refuse(_: object, context: Context) -> None:
            await self._calls.refuse_unknown(path, context)

        return grpc.stream_unary_rpc_method_handler(refuse)


class _Symbols:
    """The pool of descriptors, in which methods have names, too: load generators such as ghz ask for them."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802 - the pool's name
        """Return the file that has a symbol.

        Raises:
            KeyError: none has.
        """
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            return found.methods_by_name[method].containing_service.file


class _Reflection:
    """The reflection of grpcio, for a bounded number of clients at once, as it takes no token."""

    def __init__(self, names: Iterable[str]) -> None:
        self._servicer = aio.ReflectionServicer(names, pool=_Symbols(Default()))
        self._open = 0

    async def answer(self, requests: Any, context: Context) -> AsyncIterator[Any]:
        """Yield what is asked for."""
        if self._open >= MAX_REFLECTIONS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "More clients ask for reflection than it takes.")
        self._open += 1
        try:
            async for response in self._servicer.ServerReflectionInfo(requests, context):
                yield response
        finally:
            self._open -= 1


def _add_reflection(server: grpc.aio.Server, names: Iterable[str]) -> None:
    """Add reflection, in the version that grpcio has, and by the name of v1, which is the same on the wire."""
    described = FileDescriptorProto()
    REFLECTION_FILE.CopyToProto(described)
    as_v1 = MessageToString(described).replace("v1alpha", "v1")
    Default().AddSerializedFile(Parse(as_v1, FileDescriptorProto()).SerializeToString())  # as v1 is asked for, too
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        _Reflection(names).answer,
        ServerReflectionRequest.FromString,
        ServerReflectionResponse.SerializeToString,
    )
    for name in (REFLECTION_V1, SERVICE_NAME):
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})])
