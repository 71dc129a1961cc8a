"""The way to the service: by httpx, in threads and in asyncio."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from flow_pipelines_client.answers import Answer, Page
from flow_pipelines_client.attempts import Attempts, Received
from flow_pipelines_client.calls import Call
from flow_pipelines_client.errors import ApiError
from flow_pipelines_client.pages import AsyncPages, Pages
from flow_pipelines_client.retries import Budget, Retries

AnswerType = TypeVar("AnswerType", bound=Answer)
PageType = TypeVar("PageType", bound=Page)
Item = TypeVar("Item")

TIMEOUT: Final = 30.0
"""Seconds that a call may take, with all its attempts, where nothing else is said."""


class _Options:
    """What all calls of a client have in common."""

    def __init__(self, url: str, token: str | Callable[[], str], timeout: float, retries: Retries | None) -> None:
        if not re.match(r"https?://[^/\s?#@]+[^\s?#@]*\Z", url):
            raise ValueError(f"{url!r} is no address of a service: give one such as https://pipelines.example.com.")
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._budget = Budget(retries or Retries())

    def _attempts(self, call: Call, timeout: float | None) -> Attempts:
        token = self._token if isinstance(self._token, str) else self._token()
        if not re.fullmatch("[!-~]+", token):
            raise ValueError("The token is none: it has white space or other characters in it that no token has.")
        return Attempts(call, self._url, token, self._timeout if timeout is None else timeout, self._budget)


class Connection(_Options):
    """The way to the service, for threads: one may be used by several."""

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        timeout: float = TIMEOUT,
        retries: Retries | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """Take the address of the service and a token.

        Args:
            url: such as `https://pipelines.example.com`, without `/api/v1`.
            token: a bearer token, or a function that returns the one that is good now.
            timeout: seconds that a call may take, with all its attempts.
            retries: their bounds.
            http: a client of httpx with settings of your own, such as certificates; it is not closed with this one.
        """
        super().__init__(url, token, timeout, retries)
        self._http = http or httpx.Client()
        self._is_own = http is None

    def __enter__(self) -> Self:
        """Return this client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close its connections."""
        if self._is_own:
            self._http.close()

    def _run(self, call: Call, kind: type[AnswerType], timeout: float | None = None) -> AnswerType:
        """Call the service, again where that is safe, and return its answer."""
        attempts = self._attempts(call, timeout)
        while True:
            try:
                return attempts.answer(kind, self._send(attempts))
            except ApiError as error:
                time.sleep(attempts.wait_after(error))

    def _send(self, attempts: Attempts) -> Received:
        content = bytearray()
        try:
            with self._http.stream(
                attempts.call.method,
                attempts.url,
                headers=attempts.headers,
                content=attempts.content,
                timeout=attempts.timeout(),
                follow_redirects=False,
            ) as response:
                for part in response.iter_bytes():
                    attempts.take(content, part)
                return Received(response.status_code, response.headers, bytes(content))
        except httpx.RequestError as error:
            raise attempts.lost(error) from error

    def _pages(
        self, call: Call, kind: type[PageType], items: Callable[[PageType], list[Item]], timeout: float | None
    ) -> Pages[PageType, Item]:
        return Pages(call, lambda each: self._run(each, kind, timeout), items)


class AsyncConnection(_Options):
    """The way to the service, for asyncio."""

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        timeout: float = TIMEOUT,
        retries: Retries | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Take the address of the service and a token.

        Args:
            url: such as `https://pipelines.example.com`, without `/api/v1`.
            token: a bearer token, or a function that returns the one that is good now.
            timeout: seconds that a call may take, with all its attempts.
            retries: their bounds.
            http: a client of httpx with settings of your own, such as certificates; it is not closed with this one.
        """
        super().__init__(url, token, timeout, retries)
        self._http = http or httpx.AsyncClient()
        self._is_own = http is None

    async def __aenter__(self) -> Self:
        """Return this client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        if self._is_own:
            await self._http.aclose()

    async def _run(self, call: Call, kind: type[AnswerType], timeout: float | None = None) -> AnswerType:
        """Call the service, again where that is safe, and return its answer."""
        attempts = self._attempts(call, timeout)
        while True:
            try:
                return attempts.answer(kind, await self._send(attempts))
            except ApiError as error:
                await asyncio.sleep(attempts.wait_after(error))

    async def _send(self, attempts: Attempts) -> Received:
        content = bytearray()
        try:
            async with self._http.stream(
                attempts.call.method,
                attempts.url,
                headers=attempts.headers,
                content=attempts.content,
                timeout=attempts.timeout(),
                follow_redirects=False,
            ) as response:
                async for part in response.aiter_bytes():
                    attempts.take(content, part)
                return Received(response.status_code, response.headers, bytes(content))
        except httpx.RequestError as error:
            raise attempts.lost(error) from error

    def _pages(
        self, call: Call, kind: type[PageType], items: Callable[[PageType], list[Item]], timeout: float | None
    ) -> AsyncPages[PageType, Item]:
        return AsyncPages(call, lambda each: self._run(each, kind, timeout), items)
