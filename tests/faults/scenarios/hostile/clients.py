"""Hostile clients: each sends its cases one after the other, and reports the violations in the responses."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.faults.harness.raw_http import MalformedResponse, RawConnection, Response, ResponseTimeout
from tests.faults.scenarios.hostile.framing import FOLLOW_UP, FramingCase, framing_cases
from tests.faults.scenarios.hostile.requests import Request, Target, requests
from tests.faults.scenarios.hostile.response_checker import ResponseChecker

MAX_PIPELINED: Final = 6
SLOW_CONNECTIONS: Final = 8
"""Connections of each kind of slowness."""
IDLE_TIMEOUT: Final = 90.0
"""Seconds to wait for the end of an idle connection: more than the service keeps one."""


@dataclass
class Findings:
    """The findings of some cases."""

    cases: int = 0
    violations: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    """Counts of responses by status; 0 where the connection ended instead."""

    def add(self, other: "Findings") -> None:
        self.cases += other.cases
        self.violations += other.violations
        self.statuses += other.statuses


def send_generated(target: Target, seed_number: int, count: int) -> Findings:
    """Send so many well-framed requests that are wrong in all else, up to six pipelined on a connection."""
    return _GeneratedRequests(target, seed_number).run(count)


class _GeneratedRequests:
    def __init__(self, target: Target, seed_number: int) -> None:
        self._target = target
        self._seed_number = seed_number
        self._checker = ResponseChecker(target.secrets)
        self._connection = RawConnection(target.address)
        self._findings = Findings()
        self._last = b""
        """The last answered request on this connection."""

    def run(self, count: int) -> Findings:
        batches = st.lists(requests(self._target), min_size=1, max_size=MAX_PIPELINED)
        rounds = 0
        while self._findings.cases < count:
            remaining = count - self._findings.cases

            @seed(self._seed_number + 1000 * rounds)
            @settings(
                max_examples=max(1, remaining // 3),
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(batches)
            def attack(batch: list[Request]) -> None:
                if self._findings.cases < count:
                    self._send_batch(batch)

            attack()
            rounds += 1
        self._connection.close()
        return self._findings

    def _send_batch(self, batch: list[Request]) -> None:
        """Send requests pipelined; check that there is one response for each, in order, until the connection ends."""
        first_encoded = next((place for place, request in enumerate(batch) if request.has_encoded_body), len(batch))
        batch = batch[: first_encoded + 1]  # the end of a body that can't be decoded is unknown
        ids = [f"case-{self._seed_number}-{self._findings.cases + place}" for place in range(len(batch))]
        sent = [request.bytes(request_id) for request, request_id in zip(batch, ids, strict=True)]
        self._connection.send([b"".join(sent)])
        for request, request_id, data in zip(batch, ids, sent, strict=True):
            self._findings.cases += 1
            closes = self._check_response(request, request_id, data)
            self._last = data
            if closes:
                self._check_end()
            if closes or request.has_encoded_body:
                self._connection.close()
                self._connection, self._last = RawConnection(self._target.address), b""
                return

    def _check_response(self, request: Request, request_id: str, data: bytes) -> bool:
        """Check the response to a request; return whether the connection is closed after it."""
        case = f"{data[:400]!r}, after {self._last[:400]!r}"
        try:
            response = self._connection.read_response(request.method)
        except (MalformedResponse, ResponseTimeout) as error:
            self._findings.violations.append(f"{type(error).__name__} {error}: {case}")
            return True
        if response is None:
            self._findings.statuses[0] += 1
            self._findings.violations.append(f"no answer: {case}")
            return True
        self._findings.statuses[response.status] += 1
        expected_id = request_id if not request.has_request_id and not response.closes else None
        self._findings.violations += [f"{each}: {case}" for each in self._checker.violations(response, expected_id)]
        return response.closes

    def _check_end(self) -> None:
        """Check that a closed connection ends without an answer to anything else that was sent on it."""
        try:
            if not self._connection.reaches_end():
                self._findings.violations.append(
                    f"more came after the answer to {self._last[:400]!r}: {self._connection.unread[:200]!r}"
                )
        except ResponseTimeout:
            self._findings.violations.append(f"the connection did not end after the answer to {self._last[:400]!r}")


def send_ambiguous_framing(target: Target, seed_number: int, count: int) -> Findings:
    """Send so many requests with ambiguous framing, split anywhere, each on a connection of its own."""
    chance = random.Random(seed_number)  # noqa: S311 - no secret
    checker, findings = ResponseChecker(target.secrets), Findings()
    all_cases = framing_cases(target.tokens[0])
    for case in range(count):
        framing = all_cases[case % len(all_cases)] if case < len(all_cases) else chance.choice(all_cases)
        pieces = list(_cut(framing.bytes + FOLLOW_UP, chance))
        half_closed = chance.random() < 0.1
        findings.cases += 1
        try:
            violations = _framing_violations(target, framing, pieces, checker, findings, half_closed=half_closed)
        except (MalformedResponse, ResponseTimeout) as error:
            violations = [f"{type(error).__name__} {error}"]
        findings.violations += [f"{framing.name}, in {len(pieces)} pieces: {each}" for each in violations]
    return findings


def _cut(data: bytes, chance: random.Random) -> Iterator[bytes]:
    places = sorted(chance.randrange(len(data)) for _ in range(chance.choice((0, 0, 1, 2, 5))))
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        yield data[start:end]


def _framing_violations(
    target: Target,
    framing: FramingCase,
    pieces: list[bytes],
    checker: ResponseChecker,
    findings: Findings,
    *,
    half_closed: bool,
) -> list[str]:
    """Send a case and the follow-up request, and return each violation in how they were parsed."""
    connection = RawConnection(target.address)
    try:
        connection.send(pieces, pause=0.001 if len(pieces) > 1 else 0)
        if half_closed:
            connection.shut_down_writing()
        violations: list[str] = []
        answers = 0
        while (response := connection.read_response()) is not None:
            answers += 1
            findings.statuses[response.status] += 1
            violations += checker.violations(response)
            if answers == (2 if framing.expected == "accepted" else 1):
                break
        if not half_closed:  # a client that has shut down its side may be gone: no answer is owed
            violations += _ending_violations(connection, framing, response)
        return violations
    finally:
        connection.close()


def _ending_violations(connection: RawConnection, framing: FramingCase, response: Response | None) -> list[str]:
    """Return each violation in the last response, and in what came after it."""
    if response is None:
        return ["nothing was answered"]
    match framing.expected:
        case "accepted":
            return [] if response.status == 404 else [f"{response.status} for the follow-up request, not 404"]
        case "closed":
            if not response.closes:  # it was split just at its end, so nothing was lost
                follow_up = connection.read_response()
                served = follow_up is not None and follow_up.status == 404
                return [] if served else ["it neither closed the connection nor left the follow-up request intact"]
            refused = response.status < 500
        case "refused":
            refused = response.status in (400, 408, 414, 417, 431)
    if not refused:
        return [f"{response.status} instead of a refusal, or of the end"]
    return [] if connection.reaches_end() else ["something came after the last answer"]


def send_slowly(target: Target, within: float, *, idle: bool) -> Findings:
    """Send heads and bodies byte by byte, or never read responses; check that each such connection is closed in time.

    Args:
        target: the service.
        within: seconds from the first byte.
        idle: whether to include idle connections, which are kept for longer.
    """
    authorized = f"Host: flow\r\nAuthorization: Bearer {target.tokens[0]}\r\n".encode()
    post = b"POST /api/v1/jobs/pipelines HTTP/1.1\r\n" + authorized
    whole = b"GET /api/v1/users/me HTTP/1.1\r\n" + authorized + b"\r\n"
    kinds = {
        "a head that drips": (b"", b"GET / HTTP/1.1\r\nHost: flow\r\nX: "),
        "a second head that drips": (whole, b"GET / HTTP/1.1\r\nHost: flow\r\nX: "),
        "headers without end": (b"GET / HTTP/1.1\r\nHost: flow\r\n", b"X: y\r\n"),
        "a body that drips": (post + b"Content-Length: 100000\r\n\r\n", b'{"job_id": "'),
        "a body that never comes": (post + b"Content-Length: 100000\r\n\r\n", b""),
        "chunks that drip": (post + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        "a chunk as large as the world": (post + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF\r\n", b" "),
    }
    cases: list[tuple[str, partial[bool]]] = [
        (name, partial(_drip, target, first, drop, within)) for name, (first, drop) in kinds.items()
    ] * SLOW_CONNECTIONS
    if idle:
        cases.append(("an idle connection", partial(_drip, target, b"", b"", IDLE_TIMEOUT)))
        cases.append(("responses that are never read", partial(_never_read, target, IDLE_TIMEOUT)))
    findings = Findings()

    def run(name: str, is_closed_in_time: partial[bool]) -> None:
        closed = is_closed_in_time()
        findings.cases += 1
        if not closed:
            findings.violations.append(f"{name}: the connection was still open after {within:g} s")

    threads = [threading.Thread(target=run, args=case, daemon=True) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return findings


def _drip(target: Target, first: bytes, drop: bytes, within: float) -> bool:
    """Send some bytes, then the same few again and again; return whether the connection is closed in time."""
    connection = RawConnection(target.address, timeout=0.3)
    deadline = time.monotonic() + within
    connection.send([first])
    try:
        while time.monotonic() < deadline:
            if drop:
                connection.send([drop[:1] if len(drop) < 4 else drop])
            try:
                if connection.read_response() is None:
                    return True
            except MalformedResponse:
                return True
            except ResponseTimeout:
                continue
        return False
    finally:
        connection.close()


def _never_read(target: Target, within: float) -> bool:
    """Send requests and never read a response; return whether the connection is closed in time."""
    connection = RawConnection(target.address, timeout=1)
    deadline = time.monotonic() + within
    requests_at_once = b"GET /openapi.json HTTP/1.1\r\nHost: flow\r\n\r\n" * 20
    try:
        while time.monotonic() < deadline:
            connection.send([requests_at_once])
            if connection.is_closed_by_peer():
                return True
        return False
    finally:
        connection.close()
