"""`python -m tests.bench.bare_grpc FILE`: a grpcio server that answers each call with the bytes of a file, from memory.

It is what the service's own gRPC port is compared with: the same library and loop, the same message, the same names
in the trailing metadata. It knows no callers, deadlines, limits, log or metrics.
"""

import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

SERVICE, RPC = "flow_pipelines.v1.Pipelines", "ListPipelines"


async def serve(answer: bytes) -> None:
    metadata = ("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736"), ("etag", '"4bf92f3577b34da6a3ce929d"')

    async def handle(_: bytes, context: Any) -> bytes:
        context.set_trailing_metadata(metadata)
        return answer

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {RPC: grpc.unary_unary_rpc_method_handler(handle)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]).read_bytes()))
