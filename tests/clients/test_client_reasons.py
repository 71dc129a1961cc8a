"""The Python client where no answer comes: the sentence says why, and what helps."""

import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from flow_pipelines_client import ApiError, AsyncClient, Client, Retries, Unavailable, UnexpectedAnswer
from flow_pipelines_client.reasons import reason_of
from tests.clients.faulty import RESET, faulty_service
from tests.process.running import free_port

ONCE = Retries(attempts=1)
both_ways = pytest.mark.parametrize("way", ["sync", "async"])


async def told(way: str, url: str, kind: type[ApiError] = Unavailable) -> str:
    """Call a service, and return what is said of the failure."""

    def in_thread() -> None:
        with Client(url, "fp_x", retries=ONCE, timeout=5) as client:
            client.get_me()

    async def in_loop() -> None:
        async with AsyncClient(url, "fp_x", retries=ONCE, timeout=5) as client:
            await client.get_me()

    with pytest.raises(kind) as raised:
        await (asyncio.to_thread(in_thread) if way == "sync" else in_loop())
    return raised.value.message.removeprefix(f"The server {url} can't be reached: ")


@contextmanager
def saying(content: bytes) -> Iterator[str]:
    """Run what says the same to each that connects; yield its host and port."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(2)
                connection.recv(1000)
                connection.sendall(content)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


PARTS = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"
BROKEN = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"


@both_ways
async def test_reason_is_told_with_what_helps(way: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert (await told(way, nowhere)).startswith("nothing accepts connections there.")
    assert (await told(way, nowhere.replace("127.0.0.1", "localhost"))).startswith("nothing accepts connections")
    assert (await told(way, "http://host.invalid")).startswith("the name of its host is not known.")
    with faulty_service(RESET) as service:
        assert (await told(way, service.url)).startswith("the connection ended before the answer did.")
    for content, said in (
        (b"220 mail.example ESMTP\r\n\r\n", "what it answers is not HTTP."),
        (b"", "the connection ended before the answer did."),
        (PARTS, "the connection ended before the answer did."),
        (BROKEN, "what it answers is not HTTP."),
    ):
        with saying(content) as place:
            assert (await told(way, f"http://{place}")).startswith(said), content
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as place:
        assert (await told(way, f"https://{place}")).startswith("it does not speak TLS there as this does.")


@both_ways
async def test_proxy_in_between_is_told(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there, which httpx does not tell from a service that is not, and one that refuses."""
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for url in ("https://pipelines.example", "http://pipelines.example"):
        assert (await told(way, url)).startswith("the proxy that HTTPS_PROXY or HTTP_PROXY names does not let this")
    with saying(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as place:
        monkeypatch.setenv("https_proxy", f"http://{place}")
        assert (await told(way, "https://pipelines.example")).startswith("the proxy that HTTPS_PROXY")


def test_reason_that_is_none_of_these_is_that_of_the_system() -> None:
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError(113, "No route to host")
    assert reason_of(error) == "No route to host. See that the address is right."
    several = httpx.ConnectError("All connection attempts failed")
    several.__cause__ = ExceptionGroup("several", [OSError(113, "No route to host"), ConnectionRefusedError(111, "x")])
    assert reason_of(several).startswith("nothing accepts connections there.")
    assert reason_of(httpx.LocalProtocolError("Illegal header.")) == "Illegal header. See that the address is right."
    assert reason_of(httpx.ConnectTimeout("")).startswith("it did not answer in time.")
    assert reason_of(httpx.ConnectTimeout(""), by_proxy=True).startswith("the proxy that")


def test_reason_of_a_certificate_is_what_tls_says() -> None:
    refused = httpx.ConnectError("x")
    refused.__cause__ = ssl.SSLCertVerificationError(1, "x")
    assert reason_of(refused).startswith("its certificate is not good: it is not trusted. If it is of an authority of")


@both_ways
async def test_answer_of_a_proxy_is_told_as_one(way: str) -> None:
    for status, headers, kind, said in (
        (503, {}, Unavailable, "What stands before {url} answered 503: the service is not there now."),
        (302, {"Location": "http://x"}, UnexpectedAnswer, "{url} sends on to http://x, where the token is not sent"),
        (200, {}, UnexpectedAnswer, "{url} answered 200, and not as the service does"),
    ):
        with faulty_service((status, b"<html>", headers)) as service:
            assert (await told(way, service.url, kind)).startswith(said.format(url=service.url))


async def test_compressed_answer_is_read() -> None:
    content = gzip.compress(b'{"status": "OK", "pipelines": []}')
    with faulty_service((200, content, {"Content-Encoding": "gzip"})) as service:
        async with AsyncClient(service.url, "fp_x") as client:
            assert await client.list_pipelines().all() == []
