"""Those who attack: each makes its cases one after the other, and says what was wrong with the answers."""

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

from tests.faults.harness.raw_http import Answer, Broken, Hung, Wire
from tests.faults.scenarios.hostile.framing import BAIT, Shape, shapes
from tests.faults.scenarios.hostile.judge import Judge
from tests.faults.scenarios.hostile.requests import Request, Target, requests

MOST_PIPELINED: Final = 6
DRIPS: Final = 8
"""Connections on which something comes, or is taken, too slowly, of each kind."""
LONG: Final = 90.0
"""Seconds to wait for the end of a connection on which nothing comes: more than an idle one is kept."""


@dataclass
class Found:
    """What came of some cases."""

    cases: int = 0
    broken: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    """Of the answers; 0 where the connection ended instead."""

    def add(self, other: "Found") -> None:
        self.cases += other.cases
        self.broken += other.broken
        self.statuses += other.statuses


def generated(target: Target, number: int, count: int) -> Found:
    """So many requests, well framed but wrong in all else, up to six at once on a connection; `number` is the seed."""
    return _Generated(target, number).run(count)


class _Generated:
    def __init__(self, target: Target, number: int) -> None:
        self._target = target
        self._number = number
        self._judge = Judge(target.secrets)
        self._wire = Wire(target.address)
        self._found = Found()
        self._last = b""
        """What was answered last on this connection."""

    def run(self, count: int) -> Found:
        batches = st.lists(requests(self._target), min_size=1, max_size=MOST_PIPELINED)
        rounds = 0
        while self._found.cases < count:
            left = count - self._found.cases

            @seed(self._number + 1000 * rounds)
            @settings(
                max_examples=max(1, left // 3),
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(batches)
            def attack(batch: list[Request]) -> None:
                if self._found.cases < count:
                    self._make(batch)

            attack()
            rounds += 1
        self._wire.close()
        return self._found

    def _make(self, batch: list[Request]) -> None:
        """Send all at once; the answers must come in their order, and one each until the connection ends."""
        coded = next((place for place, request in enumerate(batch) if request.coded), len(batch))
        batch = batch[: coded + 1]  # after a body that can't be decoded, nobody knows where the next request begins
        ids = [f"case-{self._number}-{self._found.cases + place}" for place in range(len(batch))]
        sent = [request.bytes(request_id) for request, request_id in zip(batch, ids, strict=True)]
        self._wire.send([b"".join(sent)])
        for request, request_id, data in zip(batch, ids, sent, strict=True):
            self._found.cases += 1
            ends = self._answered(request, request_id, data)
            self._last = data
            if ends:
                self._check_end()
            if ends or request.coded:
                self._wire.close()
                self._wire, self._last = Wire(self._target.address), b""
                return

    def _answered(self, request: Request, request_id: str, data: bytes) -> bool:
        """Judge the answer to a request; whether the connection ends with it."""
        case = f"{data[:400]!r}, after {self._last[:400]!r}"
        try:
            answer = self._wire.answer(request.method)
        except (Broken, Hung) as error:
            self._found.broken.append(f"{type(error).__name__} {error}: {case}")
            return True
        if answer is None:
            self._found.statuses[0] += 1
            self._found.broken.append(f"no answer: {case}")
            return True
        self._found.statuses[answer.status] += 1
        own = not request.own_id and not answer.closes
        self._found.broken += [f"{each}: {case}" for each in self._judge.faults(answer, request_id if own else None)]
        return answer.closes

    def _check_end(self) -> None:
        """The connection is over: whatever else was sent on it must not be answered."""
        try:
            if not self._wire.ends():
                self._found.broken.append(
                    f"more came after the answer to {self._last[:400]!r}: {self._wire.left[:200]!r}"
                )
        except Hung:
            self._found.broken.append(f"the connection did not end after the answer to {self._last[:400]!r}")


def shaped(target: Target, number: int, count: int) -> Found:
    """So many requests that might be understood in two ways, cut anywhere, each on a connection of its own."""
    chance, judge, found = random.Random(number), Judge(target.secrets), Found()  # noqa: S311 - no secret
    all_shapes = shapes(target.tokens[0])
    for case in range(count):
        shape = all_shapes[case % len(all_shapes)] if case < len(all_shapes) else chance.choice(all_shapes)
        pieces = list(_cut(shape.bytes + BAIT, chance))
        half_closed = chance.random() < 0.1
        found.cases += 1
        try:
            broken = _understood(target, shape, pieces, judge, found, half_closed=half_closed)
        except (Broken, Hung) as error:
            broken = [f"{type(error).__name__} {error}"]
        found.broken += [f"{shape.name}, in {len(pieces)} pieces: {each}" for each in broken]
    return found


def _cut(data: bytes, chance: random.Random) -> Iterator[bytes]:
    places = sorted(chance.randrange(len(data)) for _ in range(chance.choice((0, 0, 1, 2, 5))))
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        yield data[start:end]


def _understood(
    target: Target, shape: Shape, pieces: list[bytes], judge: Judge, found: Found, *, half_closed: bool
) -> list[str]:
    """Send a shape and the bait, and say what is wrong with how they were understood."""
    wire = Wire(target.address)
    try:
        wire.send(pieces, pause=0.001 if len(pieces) > 1 else 0)
        if half_closed:
            wire.end_sending()
        broken: list[str] = []
        answers = 0
        while (answer := wire.answer()) is not None:
            answers += 1
            found.statuses[answer.status] += 1
            broken += judge.faults(answer)
            if answers == (2 if shape.end == "goes on" else 1):
                break
        if not half_closed:  # who sends no more may have left: no answer is owed
            broken += _ended(wire, shape, answer)
        return broken
    finally:
        wire.close()


def _ended(wire: Wire, shape: Shape, answer: Answer | None) -> list[str]:
    """What is wrong with the last answer, and with what came after it."""
    if answer is None:
        return ["nothing was answered"]
    match shape.end:
        case "goes on":
            return [] if answer.status == 404 else [f"{answer.status}, where the bait should have had its own answer"]
        case "closed":
            if not answer.closes:  # it was cut just where it ends, so nothing was lost
                bait = wire.answer()
                return (
                    [] if bait and bait.status == 404 else ["it was neither the last request nor followed by the bait"]
                )
            refused = answer.status < 500
        case "refused":
            refused = answer.status in (400, 408)
    if not refused:
        return [f"{answer.status} instead of a refusal, or of the end"]
    return [] if wire.ends() else ["something came after the last answer"]


def slow(target: Target, within: float, *, idle: bool) -> Found:
    """Heads and bodies that come drop by drop, and answers that nobody takes: each must end within so many seconds.

    Args:
        within: seconds from the first byte.
        idle: also connections on which nothing comes, which are kept for longer.
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
    drips: list[tuple[str, partial[bool]]] = [
        (name, partial(_drip, target, first, drop, within)) for name, (first, drop) in kinds.items()
    ] * DRIPS
    if idle:
        drips.append(("a connection on which nothing comes", partial(_drip, target, b"", b"", LONG)))
        drips.append(("answers that nobody takes", partial(_unread, target, LONG)))
    found = Found()

    def make(name: str, ends: partial[bool]) -> None:
        ended = ends()
        found.cases += 1
        if not ended:
            found.broken.append(f"{name}: the connection was still open after {within:g} s")

    threads = [threading.Thread(target=make, args=drip, daemon=True) for drip in drips]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _drip(target: Target, first: bytes, drop: bytes, within: float) -> bool:
    """Whether the connection ends in time, if something is sent, and then the same drop again and again."""
    wire = Wire(target.address, patience=0.3)
    deadline = time.monotonic() + within
    wire.send([first])
    try:
        while time.monotonic() < deadline:
            if drop:
                wire.send([drop[:1] if len(drop) < 4 else drop])
            try:
                if wire.answer() is None:
                    return True
            except Broken:
                return True
            except Hung:
                continue
        return False
    finally:
        wire.close()


def _unread(target: Target, within: float) -> bool:
    """Whether the connection ends in time, if answers are asked for and never read."""
    wire = Wire(target.address, patience=1)
    deadline = time.monotonic() + within
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: flow\r\n\r\n" * 20
    try:
        while time.monotonic() < deadline:
            wire.send([asked])
            if wire.gone():
                return True
        return False
    finally:
        wire.close()
