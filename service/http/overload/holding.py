"""Requests that have come and are not begun yet, as more are under way than the process gets on with.

They are held as bytes, unparsed. As there is room, organizations and their tokens have theirs begun in turn: whoever
sends little waits for little. While all are begun in time, the oldest of a token comes first. Once they are not, the
newest does, as its client waits for the longest from now on; what waits for too long is refused, in a small part of the
process's time. The rest stays unanswered, and its connection unread, until its client leaves: answering costs more.
"""

import asyncio
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from time import perf_counter
from typing import Final, Protocol

from prometheus_client.metrics_core import Metric

from service.database.fair_queue import Presence
from service.http.overload.window import Window
from service.telemetry.metrics import SECONDS, Histogram, counters, gauge, histogram

MAX_HELD_BYTES: Final = 33_554_432
"""Bytes of what is held; what comes beyond them is not held, but refused beyond `MAX_REQUESTS`."""
HELD_PART: Final = 1 / 40
"""The part of its deadline for which a request is held until more comes than can be begun: an overload."""
FRESH_SECONDS: Final = 0.02
"""Seconds for which a request is held in an overload. Later, it is begun only if there is little else to do.

With 15 ms, other tokens of the busy organization were refused where the process did not get its processor at once.
"""
FEW: Final = 4
"""Requests of an organization under way that are few: it has not to wait for those who send more."""
BUSY: Final = 8
"""Requests under way that are enough to do."""
MAX_LATE: Final = 4096
"""Requests that are late, beyond which new connections are reset that could only wait to be refused."""
OVERDUE_PART: Final = 1 / 2
"""The part of its deadline after which a request is refused, however long that takes."""
REFUSING_PART: Final = 0.03
"""The part of the time in which requests are refused."""
MAX_REFUSING_SECONDS: Final = 0.004
"""Seconds of refusing before the loop goes on with everything else."""

MAX_WAITING: Final = 32
"""Requests of a token that are held, beyond which its new connections are reset in an overload, which is cheapest.

About as many are begun in `FRESH_SECONDS`: of more, the rest would become late, at twice the cost.
"""

OUTCOMES: Final = ("begun", "refused", "reset", "left")
"""The ways in which requests end to be held."""

CALL_SECONDS: Final = 0.0002
"""Seconds that it takes to refuse a call of another transport."""
CALL_BYTES: Final = 64
"""Bytes that such a call counts as while it is held, beside its credentials."""

UNKNOWN: Final = "unknown"
"""The organization of all tokens that were not seen yet: whoever makes tokens up has one turn for all of them."""

_CREDENTIALS: Final = re.compile(rb"\r\nauthorization:[ \t]*([^\r\n]*)", re.IGNORECASE)


class Holdable(Protocol):
    """A connection with a request that has come, as bytes."""

    @property
    def left(self) -> bool:
        """True if the client has left."""

    def begin_held(self) -> None:
        """Read the request."""

    def refuse_held(self) -> float:
        """Refuse the request; return the seconds that this will still take."""

    def reset_held(self) -> bool:
        """End the connection without an answer, if that is cheap; False if it stays as it is."""


class HeldCall:
    """A call of another transport, which that has read."""

    __slots__ = ("turn",)

    def __init__(self) -> None:
        self.turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """True once the call is begun, False once it is refused; cancelled with its handler, if the client leaves."""

    @property
    def left(self) -> bool:
        """True if the client has left."""
        return self.turn.done()

    def begin_held(self) -> None:
        """Have the call handled."""
        self.turn.set_result(True)

    def refuse_held(self) -> float:
        """Have the call refused."""
        self.turn.set_result(False)
        return CALL_SECONDS

    def reset_held(self) -> bool:
        """Leave it as it is, as its connection has others."""
        return False


class Entry:
    """A request that is held."""

    __slots__ = ("came", "connection", "organization", "size", "token")

    def __init__(
        self, connection: Holdable, size: int, organization: Hashable, token: Hashable, age: float = 0.0
    ) -> None:
        self.connection: Holdable | None = connection
        """None once it is held no more."""
        self.size = size
        self.organization = organization
        self.token = token
        self.came = perf_counter() - age


class Holding:
    """Holds requests, and begins or refuses them."""

    def __init__(
        self,
        presence: Presence,
        timeout: float,
        under_way: Callable[[], int],
        window: Window,
        held_by: Callable[[Hashable], int],
    ) -> None:
        """Hold nothing yet.

        Args:
            presence: knows the organizations of tokens.
            timeout: seconds that a request may take, which tell for how long it is held.
            under_way: says how many have been begun and not ended.
            window: says how many may be.
            held_by: says how many of these are of an organization.
        """
        self._presence = presence
        self._seconds = timeout * HELD_PART
        self._overdue = timeout * OVERDUE_PART
        self._under_way = under_way
        self._window = window
        self._held_by = held_by
        self._lanes: OrderedDict[Hashable, OrderedDict[Hashable, deque[Entry]]] = OrderedDict()
        """By organization and token, the newest last."""
        self._oldest: deque[Entry] = deque()
        """All in lanes, the oldest first; those that are held no more are taken out when they are met."""
        self._spared: deque[Entry] = deque()
        """Requests of organizations with few under way, held for as long as makes others late."""
        self._late: deque[Entry] = deque()
        """Requests that were held for too long, the oldest first."""
        self._bytes = 0
        self._may_refuse_from = perf_counter()
        """The time at which the part of it that may be used for refusals is used up."""
        self.held = 0
        """Requests that are held."""
        self.overloaded = False
        """True from when a request is held for too long, or beyond all that may be under way, until none is held."""
        self._outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        self._waits = Histogram(SECONDS)

    def hold(self, connection: Holdable, data: bytes, age: float = 0.0) -> bool:
        """Hold a request that begins with these bytes and came so many seconds ago; False if there is no room."""
        return self._hold(connection, len(data), self._asking(_credentials_in(data)), age)

    def hold_call(self, call: HeldCall, credentials: str | None) -> bool:
        """Hold a call of another transport with these credentials; False if there is no room."""
        return self._hold(call, CALL_BYTES + len(credentials or ""), self._asking(credentials))

    def _hold(self, connection: Holdable, size: int, asking: tuple[Hashable, Hashable], age: float = 0.0) -> bool:
        if self._bytes + size > MAX_HELD_BYTES:
            return False
        organization, token = asking
        entry = Entry(connection, size, organization, token, age)
        self._lanes.setdefault(organization, OrderedDict()).setdefault(token, deque()).append(entry)
        self._oldest.append(entry)
        self._bytes += entry.size
        self.held += 1
        return True

    def resets(self, data: bytes) -> bool:
        """Return whether to reset a new connection with these bytes, as more of its token wait than will be begun."""
        if not self.overloaded:
            return False
        organization, token = self._asking(_credentials_in(data))
        tokens = self._lanes.get(organization)
        resets = tokens is not None and len(tokens.get(token, ())) >= MAX_WAITING
        self._outcomes["reset"] += resets
        return resets

    def _asking(self, credentials: str | None) -> tuple[Hashable, Hashable]:
        """Return the organization and the token of a request with these credentials."""
        asking = self._presence.find(credentials)
        return (UNKNOWN, hash(credentials)) if asking is None else asking

    def look(self) -> None:
        """Begin as many as there is room for, and refuse some of what was held for too long."""
        now = perf_counter()
        under_way = self._under_way()
        while under_way < self._window.size and (entry := self._next(under_way)) is not None:
            under_way += self._begin(entry, now)
        for organization in [*self._lanes]:
            few = 0 if organization == UNKNOWN else FEW - self._held_by(organization)
            while few > 0 and under_way < self._window.reserved and organization in self._lanes:
                under_way += self._begin(self._next_of(organization), now)
                few -= 1
        self._find_late(now)
        self._refuse_late(now)
        self.overloaded = self.overloaded and self.held > 0

    def _next(self, under_way: int) -> Entry | None:
        """Take out the next one, of the token whose turn it is in the organization whose turn it is."""
        if not self._lanes:
            return self._late.pop() if self._late and under_way < BUSY else None
        return self._next_of(next(iter(self._lanes)))

    def _begin(self, entry: Entry, now: float) -> bool:
        """Begin a request; False if its client has left."""
        connection = self._take(entry)
        if connection.left:
            self._outcomes["left"] += 1
            return False
        self._outcomes["begun"] += 1
        self._waits.observe(now - entry.came)
        connection.begin_held()
        return True

    def _next_of(self, organization: Hashable) -> Entry:
        """Take out the next one of an organization, of the token whose turn it is."""
        tokens = self._lanes[organization]
        token, lane = next(iter(tokens.items()))
        entry = lane.pop() if self.overloaded else lane.popleft()
        tokens.move_to_end(token)
        self._lanes.move_to_end(organization)
        self._forget_empty(organization, tokens, token)
        return entry

    def _find_late(self, now: float) -> None:
        """Take out of their lanes those that were held for too long; who has few under way may wait for longer."""
        oldest, spared = self._oldest, self._spared
        while oldest:
            entry = oldest[0]
            if entry.connection is not None:
                age = now - entry.came
                self.overloaded = self.overloaded or age > self._seconds or self._window.is_largest
                if not self.overloaded or age < FRESH_SECONDS:
                    break
                if entry.organization != UNKNOWN and self._held_by(entry.organization) < FEW:
                    spared.append(entry)
                else:
                    self._put_late(entry)
            oldest.popleft()
        while spared and (spared[0].connection is None or now - spared[0].came > self._seconds):
            entry = spared.popleft()
            if entry.connection is not None:
                self._put_late(entry)

    def _put_late(self, entry: Entry) -> None:
        tokens = self._lanes[entry.organization]
        tokens[entry.token].remove(entry)  # nearly always the first
        self._forget_empty(entry.organization, tokens, entry.token)
        if len(self._late) >= MAX_LATE and entry.connection is not None and entry.connection.reset_held():
            self._take(entry)
            self._outcomes["reset"] += 1
        else:
            self._late.append(entry)

    def _refuse_late(self, now: float) -> None:
        """Refuse those that are late, the oldest first, in the part of the time that is for it."""
        since = max(self._may_refuse_from, now - MAX_REFUSING_SECONDS / REFUSING_PART / 2)
        began = ended = perf_counter()
        while self._late and ended - began < MAX_REFUSING_SECONDS:
            overdue = self._late[0].came < now - self._overdue
            if not overdue and ended - began >= (now - since) * REFUSING_PART:
                break
            connection = self._take(self._late.popleft())
            if connection.left:
                self._outcomes["left"] += 1
            else:
                self._outcomes["refused"] += 1
                began -= connection.refuse_held()
            ended = perf_counter()
        self._may_refuse_from = since + (ended - began) / REFUSING_PART

    def _take(self, entry: Entry) -> Holdable:
        """Hold something no more."""
        connection, entry.connection = entry.connection, None
        assert connection is not None  # noqa: S101 - nothing is taken twice
        self.held -= 1
        self._bytes -= entry.size
        return connection

    def _forget_empty(self, organization: Hashable, tokens: dict[Hashable, deque[Entry]], token: Hashable) -> None:
        if not tokens[token]:
            del tokens[token]
            if not tokens:
                del self._lanes[organization]

    def collect(self) -> Iterator[Metric]:
        """Yield what is held, what came of what was, and for how long what was begun had been."""
        yield gauge("flow_pipelines_held_requests", "Requests that have come and are not begun yet.", self.held)
        help_ = "Requests that were held before they were begun or refused, by what came of them."
        yield counters("flow_pipelines_held", help_, "outcome", self._outcomes)
        help_ = "For how long requests that were begun had been held."
        yield histogram("flow_pipelines_held_seconds", help_, self._waits)


def _credentials_in(data: bytes) -> str | None:
    """Return the credentials of a request that begins with these bytes, None if they are not among them."""
    found = _CREDENTIALS.search(data)
    return found[1].decode("latin-1").rstrip() if found else None
