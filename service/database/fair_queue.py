"""A fair queue for the connections of the pool: who asks for few does not wait behind those who ask for many."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

from service.telemetry.request_record import Asking

RECENT_SECONDS: Final = 1.0
"""Seconds for which somebody who asked counts as being there, so that what they may use is kept free for them."""


class Others:
    """The last one that came, and the last before that was another: enough to tell whether others are there."""

    def __init__(self) -> None:
        self._last: tuple[Hashable, float] = (None, float("-inf"))
        self._before: tuple[Hashable, float] = (None, float("-inf"))

    def note(self, who: Hashable, now: float) -> None:
        """Note that somebody is there."""
        if who != self._last[0]:
            self._before = self._last
        self._last = who, now

    def than(self, who: Hashable, now: float) -> bool:
        """Return whether others than this one are there."""
        others = self._before if self._last[0] == who else self._last
        return others[1] > now - RECENT_SECONDS

    def several(self, now: float) -> bool:
        """Return whether more than one are there."""
        return self._before[1] > now - RECENT_SECONDS


class Presence:
    """The organizations and tokens that are there, by the requests of the last second, however these are answered."""

    def __init__(self) -> None:
        self.organizations = Others()
        self.tokens = Others()

    def note(self, asking: Asking) -> None:
        """Note whose request has come."""
        now = _now()
        self.organizations.note(asking.organization, now)
        self.tokens.note(asking.token, now)

    @property
    def several_organizations(self) -> bool:
        """True while more than one organization is there."""
        return self.organizations.several(_now())


def _now() -> float:
    return asyncio.get_running_loop().time()


class Share:
    """The most of something that one may hold while others are there; alone, each may hold all of it."""

    def __init__(self, limit: int, others: Others) -> None:
        self._limit = limit
        self._others = others
        self._held: Counter[Hashable] = Counter()

    def reached(self, who: Hashable, now: float) -> bool:
        """Return whether somebody may hold no more for now."""
        return self._held[who] >= self._limit and self._others.than(who, now)

    def hold(self, who: Hashable) -> None:
        """Count one more that somebody holds."""
        self._held[who] += 1

    def give_back(self, who: Hashable) -> None:
        """Count one less."""
        self._held[who] -= 1
        if not self._held[who]:
            del self._held[who]


class Shares:
    """The shares of a number of things that an organization and a token may hold while others are there."""

    def __init__(self, size: int, presence: Presence, organization_share: float, token_share: float) -> None:
        """Start with nothing held.

        Args:
            size: how many things there are.
            presence: who is there; `note` has to be called for whoever asks.
            organization_share: the part of them that one organization may hold while others are there.
            token_share: the same of a token.
        """
        self._organizations = Share(max(1, int(size * organization_share)), presence.organizations)
        self._tokens = Share(max(1, int(size * token_share)), presence.tokens)

    def organization_reached(self, organization: Hashable, now: float) -> bool:
        """Return whether an organization may hold no more for now."""
        return self._organizations.reached(organization, now)

    def token_reached(self, token: Hashable, now: float) -> bool:
        """Return whether a token may hold no more for now."""
        return self._tokens.reached(token, now)

    def reached(self, asking: Asking) -> bool:
        """Return whether a caller may hold no more for now."""
        now = _now()
        return self._organizations.reached(asking.organization, now) or self._tokens.reached(asking.token, now)

    def hold(self, asking: Asking) -> None:
        """Count one more that a caller holds."""
        self._organizations.hold(asking.organization)
        self._tokens.hold(asking.token)

    def give_back(self, asking: Asking) -> None:
        """Count one less."""
        self._organizations.give_back(asking.organization)
        self._tokens.give_back(asking.token)


class FairQueue:
    """Places that are given to organizations in turn, and within each to tokens in turn, not to who asked first.

    Statements that strangers share come before all, as each is work for many. While others are there, an organization
    and a token hold no more than their share of the places, so that a free one is found at once by who uses few.
    """

    def __init__(
        self, size: int, presence: Presence, organization_share: float = 1.0, token_share: float = 1.0
    ) -> None:
        """Give out places.

        Args:
            size: how many there are.
            presence: who is there; `note` has to be called for whoever asks.
            organization_share: the part of them that one organization may hold while others are there.
            token_share: the same of a token.
        """
        self.free = size
        self._shares = Shares(size, presence, organization_share, token_share)
        self._shared: deque[asyncio.Future[None]] = deque()
        self._waiting: OrderedDict[Hashable, OrderedDict[Hashable, deque[asyncio.Future[None]]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, asking: Asking | None) -> None:
        """Wait for a place.

        Args:
            asking: who it is for; None for what strangers share, and what is for nobody in particular.
        """
        if self.free and (asking is None or not (self._waiting or self._shares.reached(asking))):
            self._take(asking)
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

    def release(self, asking: Asking | None) -> None:
        """Give a place back."""
        self.free += 1
        if asking is not None:
            self._shares.give_back(asking)
        if self._shared or self._waiting:
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
            asking = self._next(_now())
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
