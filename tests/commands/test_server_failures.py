"""Answers of a server, and of what stands before it, that are none to what was asked."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests import tls
from tests.commands.forked import run_each
from tests.commands.test_server import NOBODY, home

USERS = {"status": "OK", "users": [{"username": "ada"}]}


def failure(code: str, msg: str = "It is so.") -> dict[str, Any]:
    return {"status": "ERROR", "code": code, "msg": msg, "request_id": "r-1"}


class Server(BaseHTTPRequestHandler):
    """Answers by a list, the last of it again and again."""

    answers: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    asked: ClassVar[list[tuple[str, str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
        status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - its name there

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - its name there
        """Keep quiet."""


Answered = tuple[int, dict[str, str], Any]


@contextmanager
def answering(*answers: Answered, context: ssl.SSLContext | None = None) -> Iterator[str]:
    Server.asked.clear()
    Server.answers[:] = [
        (status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())
        for status, headers, body in answers
    ]
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


SAID: list[tuple[Answered, int, str]] = [
    ((401, {}, failure("UNAUTHENTICATED")), 1, "It is so. `flow-pipelines login {url}` keeps another token."),
    ((403, {}, failure("PERMISSION_DENIED")), 1, "It is so."),
    ((404, {}, failure("NOT_FOUND", "There is nothing at this address.")), 2, "of another version than this program"),
    ((200, {}, failure("NOT_FOUND")), 1, "It is so."),
    ((500, {}, failure("INTERNAL")), 2, "It is so. Its request id is r-1."),
    ((503, {}, failure("UNAVAILABLE")), 2, "It is so. Its request id is r-1."),
    ((418, {}, failure("TEAPOT", "\x1b\u202e")), 2, "\\x1b\\u202e"),
    ((502, {}, b"<html>Bad Gateway"), 2, "What stands before {url} answered 502: the service is not there now."),
    (
        (302, {"Location": "https://elsewhere.example"}, b""),
        2,
        "sends on to https://elsewhere.example, where the token",
    ),
    ((200, {}, b"<html>"), 2, "{url} answered 200, and not as the service does"),
    ((200, {}, b"[1]"), 2, "{url} answered 200, and not as the service does"),
    ((200, {}, {"status": "OK", "msg": 1}), 2, "{url} answered 200, and not as the service does"),
    ((200, {}, {"status": "OK", "users": {}}), 2, "{url} answered 200, and not as the service does"),
    ((200, {"Content-Length": "99"}, b"{}"), 2, "the connection ended before the answer did"),
]


def test_answers_of_another_kind_are_told_in_a_sentence(tmp_path: Path) -> None:
    answers = [answer for answer, _, _ in SAID for _ in ("plain", "in JSON")]
    calls = [["user", "list"], ["user", "list", "--json"]] * len(SAID)
    with answering(*answers) as url:
        done = run_each(calls, FLOW_PIPELINES_SERVER=url, FLOW_PIPELINES_TOKEN=NOBODY, **home(tmp_path))

    for plain, in_json, (_, code, said) in zip(done[::2], done[1::2], SAID, strict=True):
        assert (plain.returncode, plain.stdout, plain.stderr.count("\n")) == (code, "", 1), plain
        assert said.format(url=url) in plain.stderr
        assert NOBODY not in plain.stderr + in_json.stderr
        assert json.loads(in_json.stderr)["status"] == "ERROR"
    assert {asked[2] for asked in Server.asked} == {f"Bearer {NOBODY}"}


WAIT = {"Retry-After": "1"}


def test_call_is_sent_again_where_the_server_asks_for_that_and_nothing_was_done(tmp_path: Path) -> None:
    made = {"status": "OK", "group": {"name": "g"}}
    calls: list[tuple[list[str], list[Answered], int, int]] = [
        (["user", "list"], [(503, WAIT, failure("UNAVAILABLE")), (200, {}, USERS)], 0, 2),
        (["user", "list"], [(503, WAIT, b"<html>"), (200, {}, USERS)], 0, 2),
        (["user", "list"], [(503, {"Retry-After": "9999"}, failure("UNAVAILABLE")), (200, {}, USERS)], 2, 1),
        (["group", "create", "g"], [(429, WAIT, failure("RESOURCE_EXHAUSTED")), (201, {}, made)], 0, 2),
        (["group", "create", "g"], [(409, WAIT, failure("ABORTED")), (201, {}, made)], 0, 2),
        (["group", "create", "g"], [(503, WAIT, failure("UNAVAILABLE")), (201, {}, made)], 2, 1),
        (["group", "create", "g"], [(503, WAIT, b"<html>"), (201, {}, made)], 2, 1),
    ]
    for call, answers, code, asked in calls:
        with answering(*answers) as url:
            (done,) = run_each([[*call, "--server", url]], FLOW_PIPELINES_TOKEN=NOBODY, **home(tmp_path))
            assert (done.returncode, len(Server.asked)) == (code, asked), done
        assert ("This tries again in 1 s." in done.stderr) is (asked == 2)


def test_certificate_of_an_authority_of_ones_own(tmp_path: Path) -> None:
    if not tls.has_openssl():
        pytest.skip(tls.NO_OPENSSL)
    authority = tls.Authority(tmp_path / "authority")
    issued = authority.issue("localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.file, issued.key)
    settings = {"FLOW_PIPELINES_TOKEN": NOBODY, **home(tmp_path)}
    with answering((200, {}, USERS), context=context) as url:
        calls = [
            ["user", "list", "--server", each]
            for each in (url.replace("127.0.0.1", "localhost"), url, url.replace("https", "http"))
        ]
        unknown, _, without = run_each(calls, **settings)
        known, other_name, _ = run_each(calls, SSL_CERT_FILE=str(authority.file), **settings)

    for refused in (unknown, other_name):
        assert (refused.returncode, "its certificate is not good: " in refused.stderr) == (2, True)
    assert (without.returncode, known.returncode) == (2, 0)
    assert [asked[2] for asked in Server.asked] == [f"Bearer {NOBODY}"]
