"""A service that fails as it is told to: each connection's requests are answered by a script, whatever they ask for."""

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import sleep
from typing import Any

RESET = "reset"
SILENCE = "silence"
TRICKLE = "trickle"
TRICKLING_HEAD = "trickling head"


@dataclass
class Request:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any


@dataclass
class FaultyService:
    """A script, what was asked, and where it listens."""

    url: str
    script: list[Any]
    """What comes of each request: one of the words above, or status, body and headers; behind its end, empty lists."""
    asked: list[Request] = field(default_factory=list)


def failure(code: str, status: int, **headers: str) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
    body = {"status": "ERROR", "code": code, "msg": "Try again.", "request_id": "theirs"}
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


def success(**body: Any) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
    return 200, {"status": "OK", **body}, {}


@contextmanager
def faulty_service(*script: Any) -> Iterator[FaultyService]:
    """Run one in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = FaultyService(f"http://127.0.0.1:{listener.getsockname()[1]}", [*script])
        thread = threading.Thread(target=_accept, args=(listener, service), daemon=True)
        thread.start()
        yield service
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _accept(listener: socket.socket, service: FaultyService) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, service), daemon=True).start()


def _serve(connection: socket.socket, service: FaultyService) -> None:
    with connection, connection.makefile("rb") as stream:
        while line := stream.readline():
            method, target, _ = line.decode().split(" ")
            headers = {}
            while (header := stream.readline().strip()) != b"":
                name, _, value = header.decode().partition(": ")
                headers[name.lower()] = value
            content = stream.read(int(headers.get("content-length", 0)))
            service.asked.append(Request(method, target, headers, json.loads(content) if content else None))
            if not _answer(connection, service.script.pop(0) if service.script else success(pipelines=[])):
                return


def _answer(connection: socket.socket, told: Any) -> bool:
    """Answer a request, and return whether another may follow on the connection."""
    if told == RESET:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    if told == SILENCE:
        sleep(1)
        return False
    if told in (TRICKLE, TRICKLING_HEAD):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n" + (b"\r\n" if told == TRICKLE else b"X:"))
        for _ in range(20):
            try:
                connection.sendall(b" ")
            except OSError:
                break
            sleep(0.05)
        return False
    status, body, headers = told
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)
    return True
