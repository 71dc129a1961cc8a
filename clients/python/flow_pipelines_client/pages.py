"""Lists, page by page: each page is asked for when it is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from flow_pipelines_client.answers import Page
from flow_pipelines_client.calls import Call

PageType = TypeVar("PageType", bound=Page)
Item = TypeVar("Item")


def _next(call: Call, page: Page) -> Call | None:
    """Return the call of the page behind one; None if that is the last, of which a gateway may say an empty token."""
    if not page.next_page_token:
        return None
    return replace(call, query={**call.query, "page_token": page.next_page_token})


@dataclass(frozen=True, slots=True)
class Pages(Generic[PageType, Item]):
    """A list. Iterating yields the items of all pages; each iteration asks anew."""

    _call: Call
    _run: Callable[[Call], PageType]
    _items: Callable[[PageType], list[Item]]

    def __iter__(self) -> Iterator[Item]:
        """Yield the items of all pages."""
        for page in self.by_page():
            yield from self._items(page)

    def by_page(self) -> Iterator[PageType]:
        """Yield the pages, whole answers with tags and totals."""
        call: Call | None = self._call
        while call is not None:
            page = self._run(call)
            yield page
            call = _next(call, page)

    def first(self) -> PageType:
        """Return the first page; no other is asked for."""
        return self._run(self._call)

    def all(self) -> list[Item]:
        """Return the items of all pages."""
        return [*self]


@dataclass(frozen=True, slots=True)
class AsyncPages(Generic[PageType, Item]):
    """A list. Iterating yields the items of all pages; each iteration asks anew."""

    _call: Call
    _run: Callable[[Call], Awaitable[PageType]]
    _items: Callable[[PageType], list[Item]]

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Yield the items of all pages."""
        async for page in self.by_page():
            for item in self._items(page):
                yield item

    async def by_page(self) -> AsyncIterator[PageType]:
        """Yield the pages, whole answers with tags and totals."""
        call: Call | None = self._call
        while call is not None:
            page = await self._run(call)
            yield page
            call = _next(call, page)

    async def first(self) -> PageType:
        """Return the first page; no other is asked for."""
        return await self._run(self._call)

    async def all(self) -> list[Item]:
        """Return the items of all pages."""
        return [item async for item in self]
