"""Proxies between the command line and a server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from tests.commands.forked import run_each
from tests.commands.test_server import NOBODY, home
from tests.commands.test_server_failures import USERS, answering
from tests.process.running import free_port

SERVER = "https://pipelines.example"
REFUSED = f"The server {SERVER} can't be reached: the proxy that HTTPS_PROXY or HTTP_PROXY names does not let this"
UNUSABLE = "The proxy that HTTPS_PROXY or HTTP_PROXY names can't be used"


class Proxy(BaseHTTPRequestHandler):
    """A proxy that lets nothing through."""

    asked: ClassVar[list[tuple[str, str, str | None]]] = []

    def do_CONNECT(self) -> None:
        self.asked.append((self.command, self.path, self.headers.get("Proxy-Authorization")))
        self.send_response(403 if self.command == "CONNECT" else 502)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_CONNECT  # noqa: N815 - its name there

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - its name there
        """Keep quiet."""


@contextmanager
def proxy() -> Iterator[str]:
    Proxy.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def said(address: str, tmp_path: Path, *more: str, **settings: str) -> str:
    """Run a command, and return what it says of its failure, or that it works."""
    call = ["user", "list", "--server", address, *more]
    (done,) = run_each([call], FLOW_PIPELINES_TOKEN=NOBODY, **{**home(tmp_path), **settings})
    assert (done.returncode, done.stderr.count("\n")) in {(2, 1), (0, 0)}, done
    assert "secret" not in done.stderr
    return done.stderr.removeprefix("flow-pipelines: ") or "it works"


def test_proxy_that_does_not_let_a_call_through_is_told(tmp_path: Path) -> None:
    with proxy() as place:
        assert said(SERVER, tmp_path, HTTPS_PROXY=f"http://me:secret@{place}").startswith(REFUSED)
        assert said(SERVER, tmp_path, HTTPS_PROXY=place).startswith(REFUSED)
        plain = said("http://pipelines.example", tmp_path, "--plaintext", HTTP_PROXY=f"http://{place}")

    assert plain.startswith("What stands before http://pipelines.example answered 502")
    assert Proxy.asked == [
        ("CONNECT", "pipelines.example:443", "Basic bWU6c2VjcmV0"),
        ("CONNECT", "pipelines.example:443", None),
        ("GET", "http://pipelines.example/api/v1/users?page_size=1000", None),
    ]


def test_proxy_that_is_not_there_is_told_as_one(tmp_path: Path) -> None:
    for name in (f"http://127.0.0.1:{free_port()}", "http://proxy.invalid:3128"):
        assert said(SERVER, tmp_path, HTTPS_PROXY=name).startswith(REFUSED)


def test_proxy_that_is_none_is_told(tmp_path: Path) -> None:
    for name in ("socks5://me:secret@127.0.0.1:1", "ftp://127.0.0.1", "http://127.0.0.1:x"):
        assert said(SERVER, tmp_path, HTTPS_PROXY=name).startswith(UNUSABLE)


def test_proxy_is_left_out_for_this_machine_and_for_hosts_of_no_proxy(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with answering((200, {}, USERS)) as url:
        assert said(url, tmp_path, HTTP_PROXY=nowhere, ALL_PROXY=nowhere) == "it works"
    told = said("https://host.invalid", tmp_path, HTTPS_PROXY=nowhere, NO_PROXY=".invalid")
    assert "the name of its host is not known" in told
