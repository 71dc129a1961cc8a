"""A fair queue for the connections of the pool: a tenant with few requests does not wait behind one with many."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final

from service.telemetry.request_record import Asking

RECENT_SECONDS: Final = 1.0
"""Seconds after a request for which its caller counts as active, so that what they may use is kept free for them."""
MAX_KNOWN: Final = 10_000
"""Callers that are known by their credentials; others count as an organization of their own."""


class Others:
    """The last one that was active, and the last other one before: enough to tell whether there are others."""

    __slots__ = ("last", "last_seen", "seen_before")

    def __init__(self) -> None:
        self.last: Hashable = None
        self.last_seen = float("-inf")
        self.seen_before = float("-inf")
        """The last time that another one than the last was active."""

    def than(self, who: Hashable, now: float) -> bool:
        """Return whether others than this one are active."""
        return (self.seen_before if self.last == who else self.last_seen) > now - RECENT_SECONDS

    def several(self, now: float) -> bool:
        """Return whether more than one are active."""
        return self.seen_before > now - RECENT_SECONDS


class Presence:
    """The active organizations and tokens: those with requests in the last second, however these are answered."""

    def __init__(self) -> None:
        self.organizations = Others()
        self.tokens = Others()
        self._callers: OrderedDict[int, Asking] = OrderedDict()
        """By the hash of their credentials, as these are kept nowhere."""

    def note(self, asking: Asking) -> None:
        """Note whose request has come; each request is noted, hence no call for each part."""
        now = perf_counter()
        organization, token = asking
        for others, who in ((self.organizations, organization), (self.tokens, token)):
            if who != others.last:
                others.seen_before, others.last = others.last_seen, who
            others.last_seen = now

    def learn(self, credentials: str | None, asking: Asking) -> None:
        """Note the organization and token that credentials belong to, once that is known."""
        self._callers[hash(credentials)] = asking
        if len(self._callers) > MAX_KNOWN:
            self._callers.popitem(last=False)

    def find(self, credentials: str | None) -> Asking | None:
        """Return the organization and token that credentials belonged to when last seen; it proves nothing."""
        return self._callers.get(hash(credentials))

    @property
    def several_organizations(self) -> bool:
        """True while more than one organization is active."""
        return self.organizations.several(perf_counter())


class Share:
    """The most of something that one may hold while others are active; alone, each may hold all of it."""

    __slots__ = ("_others", "held", "limit")

    def __init__(self, limit: int, others: Others) -> None:
        self.limit = limit
        self.held: dict[Hashable, int] = {}
        self._others = others

    def reached(self, who: Hashable, now: float) -> bool:
        """Return whether an organization or token may hold no more for now."""
        return self.held.get(who, 0) >= self.limit and self._others.than(who, now)


class Shares:
    """The shares of a number of things that an organization and a token may hold while others are active."""

    def __init__(self, size: int, presence: Presence, organization_share: float, token_share: float) -> None:
        """Start with nothing held.

        Args:
            size: how many things there are.
            presence: the active callers; `note` must have been called for each that asks.
            organization_share: the part of them that one organization may hold while others are active.
            token_share: the same of a token.
        """
        self._organizations = Share(max(1, int(size * organization_share)), presence.organizations)
        self._tokens = Share(max(1, int(size * token_share)), presence.tokens)
        self.idle = 0
        """Of those that are held, those that only wait for their turn."""

    def organization_reached(self, organization: Hashable, now: float) -> bool:
        """Return whether an organization may hold no more for now."""
        return self._organizations.reached(organization, now)

    def token_reached(self, token: Hashable, now: float) -> bool:
        """Return whether a token may hold no more for now."""
        return self._tokens.reached(token, now)

    def held_by(self, organization: Hashable) -> int:
        """Return how many an organization holds."""
        return self._organizations.held.get(organization, 0)

    @property
    def unreached(self) -> int:
        """The number of things held by all together below which no share is reached."""
        return min(self._organizations.limit, self._tokens.limit)

    def reached(self, asking: Asking) -> bool:
        """Return whether a caller may hold no more for now."""
        now = perf_counter()
        return self._organizations.reached(asking.organization, now) or self._tokens.reached(asking.token, now)

    def hold(self, asking: Asking) -> None:
        """Count one more that a caller holds; each request does so, hence no call for each count."""
        organization, token = asking
        held = self._organizations.held
        held[organization] = held.get(organization, 0) + 1
        held = self._tokens.held
        held[token] = held.get(token, 0) + 1

    def give_back(self, asking: Asking) -> None:
        """Count one less."""
        organization, token = asking
        for held, who in ((self._organizations.held, organization), (self._tokens.held, token)):
            if held[who] == 1:
                del held[who]
            else:
                held[who] -= 1


class FairQueue:
    """Places that are given to organizations in turn, and within each to tokens in turn, not to who asked first.

    Statements that strangers share come before all, as each is work for many. While others are active, an organization
    and a token hold no more than their share of the places, so that a free one is found at once by who uses few.
    """

    def __init__(
        self, size: int, presence: Presence, organization_share: float = 1.0, token_share: float = 1.0
    ) -> None:
        """Give out places.

        Args:
            size: how many there are.
            presence: the active callers; `note` must have been called for each that asks.
            organization_share: the part of them that one organization may hold while others are active.
            token_share: the same of a token.
        """
        self.free = size
        self._presence = presence
        self._shares = Shares(size, presence, organization_share, token_share)
        self._ample = size - self._shares.unreached
        """The number of free places beyond which no share can be reached."""
        self._resting = 0
        """Free places that still count to the share of the caller who had them."""
        self._shared: deque[asyncio.Future[None]] = deque()
        self._waiting: OrderedDict[Hashable, OrderedDict[Hashable, deque[asyncio.Future[None]]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, asking: Asking | None) -> None:
        """Wait for a place.

        Args:
            asking: who it is for; None for what strangers share, and what is for nobody in particular.
        """
        if self.acquire_at_once(asking):
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lane(asking).append(place)
        self._hand_out()
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():
                self.release(asking)
            raise

    def acquire_at_once(self, asking: Asking | None) -> bool:
        """Take a place and return True if there is one for this caller now; most callers need no more than this."""
        if not self.free:
            return False
        if asking is not None:
            if self._waiting or (self.free - self._resting <= self._ample and self._shares.reached(asking)):
                return False
            self._shares.hold(asking)
        self.free -= 1
        return True

    def release(self, asking: Asking | None) -> None:
        """Give a place back."""
        self.free += 1
        if asking is not None:
            self._shares.give_back(asking)
        if self._shared or self._waiting:
            self._hand_out()

    def release_rested(self, asking: Asking | None, seconds: float) -> None:
        """Give a place back, but keep the caller's share for some seconds more while others are active.

        So what takes the processors of the database for long has them for a part of the time.
        """
        if asking is None or not self._presence.several_organizations:
            self.release(asking)
            return
        self.free += 1
        self._resting += 1
        asyncio.get_running_loop().call_later(seconds, self._end_rest, asking)
        self._hand_out()

    def _end_rest(self, asking: Asking) -> None:
        self._resting -= 1
        self._shares.give_back(asking)
        self._hand_out()

    @asynccontextmanager
    async def place(self, asking: Asking | None) -> AsyncIterator[None]:
        """Hold a place while something is done."""
        await self.acquire(asking)
        try:
            yield
        finally:
            self.release(asking)

    async def turn(self, asking: Asking | None) -> None:
        """Wait for a place until the event loop comes around: what is done before the next wait is one turn's work."""
        await self.acquire(asking)
        asyncio.get_running_loop().call_soon(self.release, asking)

    def _take(self, asking: Asking | None) -> None:
        self.free -= 1
        if asking is not None:
            self._shares.hold(asking)

    def _lane(self, asking: Asking | None) -> "deque[asyncio.Future[None]]":
        if asking is None:
            return self._shared
        return self._waiting.setdefault(asking.organization, OrderedDict()).setdefault(asking.token, deque())

    def _hand_out(self) -> None:
        """Give the free places to those who wait, as far as they may hold them."""
        while self.free and (self._shared or self._waiting):
            if self._shared:
                self._give(self._shared, None)
                continue
            asking = self._next(perf_counter())
            if asking is None:
                self._look_again()
                return
            self._give(self._waiting[asking.organization][asking.token], asking)
            self._turn(asking)

    def _next(self, now: float) -> Asking | None:
        """Return who comes next; None if all that wait have reached their share."""
        for organization, tokens in self._waiting.items():
            if not self._shares.organization_reached(organization, now):
                for token in tokens:
                    if not self._shares.token_reached(token, now):
                        return Asking(organization, token)
        return None

    def _give(self, lane: "deque[asyncio.Future[None]]", asking: Asking | None) -> None:
        place = lane.popleft()
        if not place.done():  # else who waited has left
            self._take(asking)
            place.set_result(None)

    def _turn(self, asking: Asking) -> None:
        """Let those who have just had their turn come last, and forget them if they wait for nothing more."""
        tokens = self._waiting[asking.organization]
        tokens.move_to_end(asking.token)
        if not tokens[asking.token]:
            del tokens[asking.token]
        self._waiting.move_to_end(asking.organization)
        if not tokens:
            del self._waiting[asking.organization]

    def _look_again(self) -> None:
        """Hand out places that are kept free for others as soon as these are gone, if nothing else does before."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RECENT_SECONDS, self._time_up)

    def _time_up(self) -> None:
        self._timer = None
        self._hand_out()
