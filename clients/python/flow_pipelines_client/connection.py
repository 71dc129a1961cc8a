"""The way to the service: by httpx, in threads and in asyncio."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from flow_pipelines_client.answers import Answer, JsonAnswer, Page, read, read_json
from flow_pipelines_client.attempts import AGENT, Attempts, Received
from flow_pipelines_client.calls import Call, ListOperation, Operation, plain
from flow_pipelines_client.deadlines import deadline
from flow_pipelines_client.errors import ApiError
from flow_pipelines_client.pages import AsyncPages, Pages
from flow_pipelines_client.retries import Budget, Retries
from flow_pipelines_client.table import OPERATIONS

AnswerType = TypeVar("AnswerType", bound=Answer)
PageType = TypeVar("PageType", bound=Page)
Item = TypeVar("Item")

TIMEOUT: Final = 30.0
"""Seconds that a call may take, with all its attempts, where nothing else is said."""


class _Options:
    """What all calls of a client have in common."""

    def __init__(self, url: str, agent: str, timeout: float, retries: Retries | None) -> None:
        if not re.match(r"https?://[^/\s?#@]+[^\s?#@]*\Z", url):
            raise ValueError(f"{url!r} is no address of a service: give one such as https://pipelines.example.com.")
        try:
            httpx.URL(url).host.encode("idna")  # of one whose parts are too long, the system knows no address
        except (httpx.InvalidURL, ValueError) as error:
            raise ValueError(f"{url[:200]!r} is no address of a service: {error}") from error
        if not timeout > 0:
            raise ValueError(f"{timeout!r} is no time that a call may take: give seconds.")
        self._url = url.rstrip("/")
        self._agent = AGENT if agent.startswith("python-httpx/") else agent
        self._timeout = timeout
        self._budget = Budget(retries or Retries())

    def _attempts(self, call: Call, timeout: float | None) -> Attempts:
        return Attempts(call, self._url, self._agent, self._timeout if timeout is None else timeout, self._budget)


def _named(operation: str) -> Operation[Any]:
    """Return an operation by its name.

    Raises:
        ValueError: there is none.
    """
    if operation not in OPERATIONS:
        raise ValueError(f"{operation!r} is no operation of this version.")
    return OPERATIONS[operation]


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
        self._own = http is None
        self._http = http or httpx.Client()
        self._process = os.getpid()
        self._former: httpx.Client | None = None
        self._token = token
        super().__init__(url, self._http.headers.get("User-Agent", AGENT), timeout, retries)

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
        if self._own:
            self._client().close()

    def _client(self) -> httpx.Client:
        """Return the client of httpx; in a process that was forked since, another one, if it is not the caller's own.

        On connections that two processes share, each would read what the other one was answered. What there was before
        is kept as it is: to close it would end it for both.
        """
        if self._own and self._process != os.getpid() and not self._http.is_closed:
            self._former, self._http, self._process = self._http, httpx.Client(), os.getpid()
        return self._http

    def call(
        self,
        operation: str,
        request: Mapping[str, Any],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        timeout: float | None = None,
    ) -> JsonAnswer:
        """Run an operation by its name, by a request and to an answer as JSON has them, for what passes these on.

        Args:
            operation: its name, which is that of the method, such as `get_pipeline`.
            request: its parameters as JSON has them; null is sent, and not left out.
            if_match: the `etag` of what was read: refused if it is no longer that.
            if_none_match: `*`: refused if there is one already.
            timeout: seconds that the call may take; the client's own if left out.

        Raises:
            ValueError: there is no such operation, or the request lacks a name or an id.
            ApiError: the call failed.
        """
        named = _named(operation)
        call = named.call(request, if_match=if_match, if_none_match=if_none_match)
        return self._perform(call, partial(read_json, named.answer), timeout)

    def _run(
        self,
        operation: Operation[AnswerType],
        request: Mapping[str, object],
        timeout: float | None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> AnswerType:
        call = operation.call(plain(request), if_match=if_match, if_none_match=if_none_match)
        return self._perform(call, partial(read, operation.answer), timeout)

    def _pages(
        self, operation: ListOperation[PageType, Item], request: Mapping[str, object], timeout: float | None
    ) -> Pages[PageType, Item]:
        answer = partial(read, operation.answer)
        call = operation.call(plain(request))
        return Pages(call, lambda each: self._perform(each, answer, timeout), operation.items)

    def _perform(self, call: Call, read: Callable[..., AnswerType], timeout: float | None) -> AnswerType:
        """Call the service, again where that is safe, and return its answer."""
        attempts = self._attempts(call, timeout)
        while True:
            try:
                return attempts.answer(read, self._send(attempts))
            except ApiError as error:
                time.sleep(attempts.wait_after(error))

    def _send(self, attempts: Attempts) -> Received:
        content = bytearray()
        token = self._token if isinstance(self._token, str) else self._token()
        try:
            with (
                deadline(attempts.deadline),
                self._client().stream(
                    attempts.call.method,
                    attempts.url,
                    headers=attempts.headers(token),
                    content=attempts.content,
                    timeout=attempts.timeout(),
                    follow_redirects=False,
                    extensions={"trace": attempts.note},
                ) as response,
            ):
                for part in response.iter_bytes():
                    attempts.take(content, part)
                return Received(response.status_code, response.headers, bytes(content))
        except httpx.RequestError as error:
            raise attempts.lost(error) from error


class AsyncConnection(_Options):
    """The way to the service, for asyncio."""

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str | Awaitable[str]],
        *,
        timeout: float = TIMEOUT,
        retries: Retries | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Take the address of the service and a token.

        Args:
            url: such as `https://pipelines.example.com`, without `/api/v1`.
            token: a bearer token, or a function that returns the one that is good now, async or not.
            timeout: seconds that a call may take, with all its attempts.
            retries: their bounds.
            http: a client of httpx with settings of your own, such as certificates; it is not closed with this one.
        """
        self._own = http is None
        self._http = http or httpx.AsyncClient()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._former: httpx.AsyncClient | None = None
        self._token = token
        super().__init__(url, self._http.headers.get("User-Agent", AGENT), timeout, retries)

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
        if self._own:
            await self._client().aclose()

    def _client(self) -> httpx.AsyncClient:
        """Return the client of httpx; in another event loop than before a new one, if it is not the caller's own.

        Connections belong to the loop that they were made in, which may have ended since, or be that of the process
        that this one was forked from: see `Connection`.
        """
        loop = asyncio.get_running_loop()
        if self._own and self._loop not in {None, loop} and not self._http.is_closed:
            self._former, self._http = self._http, httpx.AsyncClient()
        self._loop = loop
        return self._http

    async def call(
        self,
        operation: str,
        request: Mapping[str, Any],
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        timeout: float | None = None,
    ) -> JsonAnswer:
        """Run an operation by its name, by a request and to an answer as JSON has them, for what passes these on.

        Args:
            operation: its name, which is that of the method, such as `get_pipeline`.
            request: its parameters as JSON has them; null is sent, and not left out.
            if_match: the `etag` of what was read: refused if it is no longer that.
            if_none_match: `*`: refused if there is one already.
            timeout: seconds that the call may take; the client's own if left out.

        Raises:
            ValueError: there is no such operation, or the request lacks a name or an id.
            ApiError: the call failed.
        """
        named = _named(operation)
        call = named.call(request, if_match=if_match, if_none_match=if_none_match)
        return await self._perform(call, partial(read_json, named.answer), timeout)

    async def _run(
        self,
        operation: Operation[AnswerType],
        request: Mapping[str, object],
        timeout: float | None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> AnswerType:
        call = operation.call(plain(request), if_match=if_match, if_none_match=if_none_match)
        return await self._perform(call, partial(read, operation.answer), timeout)

    def _pages(
        self, operation: ListOperation[PageType, Item], request: Mapping[str, object], timeout: float | None
    ) -> AsyncPages[PageType, Item]:
        answer = partial(read, operation.answer)
        call = operation.call(plain(request))
        return AsyncPages(call, lambda each: self._perform(each, answer, timeout), operation.items)

    async def _perform(self, call: Call, read: Callable[..., AnswerType], timeout: float | None) -> AnswerType:
        """Call the service, again where that is safe, and return its answer."""
        attempts = self._attempts(call, timeout)
        while True:
            try:
                return attempts.answer(read, await self._send(attempts))
            except ApiError as error:
                await asyncio.sleep(attempts.wait_after(error))

    async def _send(self, attempts: Attempts) -> Received:
        content = bytearray()
        token = self._token if isinstance(self._token, str) else self._token()
        headers = attempts.headers(await token if inspect.isawaitable(token) else token)

        async def note(event: str, info: Mapping[str, Any]) -> None:
            attempts.note(event, info)

        try:
            async with (
                asyncio.timeout(attempts.deadline - monotonic()),
                self._client().stream(
                    attempts.call.method,
                    attempts.url,
                    headers=headers,
                    content=attempts.content,
                    timeout=attempts.timeout(),
                    follow_redirects=False,
                    extensions={"trace": note},
                ) as response,
            ):
                async for part in response.aiter_bytes():
                    attempts.take(content, part)
                return Received(response.status_code, response.headers, bytes(content))
        except TimeoutError:
            raise attempts.too_late() from None
        except httpx.RequestError as error:
            raise attempts.lost(error) from error
