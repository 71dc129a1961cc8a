"""Everything of aiohttp's insides that the service relies on: a new version that changes it fails here.

aiohttp promises none of this. Where a test fails after an upgrade, read what changed in aiohttp beside what
service/http/server/ and service/http/responses.py make of it, then set the fingerprint anew.
"""

import ast
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import base_protocol, web, web_protocol, web_runner, web_server
from aiohttp.web_protocol import RequestHandler

import service

SERVICE = Path(service.__file__).parent
SERVER = SERVICE / "http" / "server"
RELYING = [*SERVER.glob("*.py"), SERVICE / "http" / "responses.py"]

RELIED_UPON: dict[str, str] = {
    "_ErrInfo": "what a request that could not be parsed is queued as: a late head is queued like it",
    "_close": "set by close(): no request is read any more; undone while the rest of an accepted request is parsed",
    "_current_request": "the request whose handler runs: the rest of its body is ended if it is no HTTP",
    "_force_close": "set by an error: nothing is read; undone like _close",
    "_headers": "of a response: its headers, which its head is made of",
    "_keep_alive": "of a response: whether its connection stays open",
    "_keepalive_timeout": "seconds until an idle connection is closed, set anew after a refusal",
    "_kwargs": "the options that aiohttp makes for its server, handed on to the service's own",
    "_loop": "the event loop of server and connection",
    "_make_server": "makes the server of a runner: replaced by one that makes the service's own connections",
    "_must_be_empty_body": "of a response whose head has been made: true if only the head is sent",
    "_messages": "requests parsed and not handled: one that is refused is taken out again",
    "_next_keepalive_close_time": "when an idle connection is closed",
    "_parser": "the parser, which is told that a refused request is consumed",
    "_payload_writer": "of a response whose head has been made: what its body goes to",
    "_reading_paused": "true while the client is not read from: such a request is not refused early",
    "_req": "of a response whose head has been made: its request",
    "_request_count": "requests parsed so far: tells a connection that has not had any",
    "_request_in_progress": "true while a handler runs; else what comes begins a request, and may be held",
    "_request_factory": "makes a request of a message: replaced at the end, so that each answer closes its connection",
    "_runner": "of a site: its runner",
    "_server": "of a site: what it closes when it stops",
    "_upgraded": "true after an Upgrade that was taken",
    "_waiter": "what the connection's task waits for: woken only for requests that are handled",
}
"""The private names of aiohttp that the service uses, and for what."""

FINGERPRINTS: dict[str, tuple[Callable[..., Any], str]] = {
    "RequestHandler.__init__": (RequestHandler.__init__, "46c577d1f419"),
    "RequestHandler.connection_made": (RequestHandler.connection_made, "44d50b5763b2"),
    "RequestHandler.connection_lost": (RequestHandler.connection_lost, "df2fe6e95fd0"),
    "RequestHandler.data_received": (RequestHandler.data_received, "1ee57ebe052e"),
    "RequestHandler.start": (RequestHandler.start, "2e565fd40c8e"),
    "RequestHandler.close": (RequestHandler.close, "84518f965e19"),
    "RequestHandler.force_close": (RequestHandler.force_close, "38d0e1e798e4"),
    "RequestHandler.shutdown": (RequestHandler.shutdown, "5eb4bd473db6"),
    "RequestHandler.handle_error": (RequestHandler.handle_error, "94962ffef500"),
    "RequestHandler._handle_request": (RequestHandler._handle_request, "a88a34ee65a2"),
    "Server.__init__": (web_server.Server.__init__, "ceb06418afb9"),
    "Server.__call__": (web_server.Server.__call__, "c5700549e688"),
    "AppRunner._make_server": (web_runner.AppRunner._make_server, "2d5358865abd"),
    "BaseRunner.setup": (web_runner.BaseRunner.setup, "4ceee18981cf"),
    "BaseRunner.cleanup": (web_runner.BaseRunner.cleanup, "a53a459c698c"),
    "BaseSite.start": (web_runner.BaseSite.start, "8dcebeed1ae0"),
    "BaseSite.stop": (web_runner.BaseSite.stop, "c92f18307773"),
    "BaseProtocol.resume_reading": (base_protocol.BaseProtocol.resume_reading, "21dee847a31a"),
    "StreamResponse.prepare": (web.StreamResponse.prepare, "9c6c49cc0722"),
    "StreamResponse._start": (web.StreamResponse._start, "7e03ebd82e7f"),
    "StreamResponse._prepare_headers": (web.StreamResponse._prepare_headers, "92807d25d9c3"),
    "StreamResponse.write_eof": (web.StreamResponse.write_eof, "12b174e4cfe3"),
}
"""The functions of aiohttp whose course is relied upon, and a fingerprint of their source."""


def private_names(source: str) -> Iterator[str]:
    """Yield the private names that a module uses, of its own or of others."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        else:
            names = []
        yield from (name for name in names if re.match("_[a-zA-Z]", name))


def names_of_aiohttp() -> set[str]:
    """Return the private names of the classes and modules that the service derives from."""
    of_servers = web.Server, web.AppRunner, web_runner.BaseRunner, web.BaseSite
    kinds = (RequestHandler, base_protocol.BaseProtocol, *of_servers, web.StreamResponse, web.Response)
    found = {name for kind in kinds for name in (*vars(kind), *getattr(kind, "__slots__", ()))}
    sources = "".join(inspect.getsource(kind) for kind in kinds)
    found |= set(re.findall(r"self\.(_[a-z]\w*)", sources)) | set(vars(web_protocol))
    return {name for name in found if re.match("_[a-zA-Z]", name)}


def test_list_of_private_names_is_complete_and_right() -> None:
    used = {name for path in RELYING for name in private_names(path.read_text())}

    assert used & names_of_aiohttp() == set(RELIED_UPON)


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_function_of_aiohttp_is_as_it_was_read(name: str) -> None:
    function, fingerprint = FINGERPRINTS[name]
    found = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]

    assert found == fingerprint, f"aiohttp {aiohttp.__version__} changed {name}: read what the service makes of it"


PRIVATE_USE = re.compile(r"SLF001|aiohttp.* import _")


def test_no_other_file_reaches_into_aiohttp() -> None:
    sources = {path: path.read_text() for path in SERVICE.rglob("*.py") if path not in RELYING}
    found = {
        str(path.relative_to(SERVICE)): lines
        for path, source in sources.items()
        if "aiohttp" in source and (lines := [line for line in source.splitlines() if PRIVATE_USE.search(line)])
    }

    assert found == {}
