"""Turns of the event loop, in which no organization has more than a few requests begun while others are there.

Hundreds of requests that come at the same moment would all be begun in one turn of the loop otherwise, and each step of
another caller's request would wait for a step of all of theirs: 55 ms instead of 3.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from typing import Final

from service.database.fair_queue import Presence

AT_ONCE: Final = 32
"""Requests of one organization that are begun in the turn of the loop in which they come; more wait."""
BEGUN_PER_TURN: Final = 8
"""Requests that have waited and are begun in one turn of the loop, of all organizations."""


class Turns:
    """Begins requests that have been read, as many in each turn of the loop as let others have theirs."""

    def __init__(self, presence: Presence) -> None:
        self.presence = presence
        self._begun: Counter[Hashable] = Counter()
        """In this turn of the loop, by organization."""
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    def begin(self, handler: "asyncio.Future[None]", credentials: str | None) -> None:
        """Wake the handler of a request that has been read, in this turn of the loop or one that comes.

        Args:
            handler: waits for the request.
            credentials: came with it.
        """
        if not self.presence.several_organizations and not self._waiting:
            handler.set_result(None)
            return
        asking = self.presence.find(credentials)
        organization: Hashable = hash(credentials) if asking is None else asking.organization
        if not (self._begun or self._waiting):
            asyncio.get_running_loop().call_soon(self._next_turn)
        waiting = self._waiting.get(organization)
        if waiting is None and self._begun[organization] < AT_ONCE:
            self._begun[organization] += 1
            handler.set_result(None)
        elif waiting is None:
            self._waiting[organization] = deque([handler])
        else:
            waiting.append(handler)

    def _next_turn(self) -> None:
        """Begin some of the requests that wait, of one organization after the other."""
        self._begun.clear()
        begun = 0
        while self._waiting and begun < BEGUN_PER_TURN:
            organization, waiting = self._waiting.popitem(last=False)
            handler = waiting.popleft()
            if not handler.done():  # else its connection has ended
                handler.set_result(None)
                self._begun[organization] += 1
                begun += 1
            if waiting:
                self._waiting[organization] = waiting
        if self._begun or self._waiting:
            asyncio.get_running_loop().call_soon(self._next_turn)
