"""The attempts at one call, without the network: what is sent, what an answer says, and whether another one follows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Any, Final, TypeVar
from uuid import uuid4

import httpx

from flow_pipelines_client.answers import Answer
from flow_pipelines_client.calls import Call
from flow_pipelines_client.deadlines import end_at_deadline
from flow_pipelines_client.errors import (
    BY_CODE,
    BY_STATUS,
    ApiError,
    DeadlineExceeded,
    ResourceExhausted,
    Unavailable,
    UnexpectedAnswer,
)
from flow_pipelines_client.reasons import reason_of
from flow_pipelines_client.retries import Budget, is_safe, wait_before

AnswerType = TypeVar("AnswerType", bound=Answer)

CONNECT_TIMEOUT: Final = 10.0
"""Seconds that making a connection may take of the time of a call."""
LARGEST_ANSWER: Final = 256 * 2**20
"""Bytes of one answer: more than any that the service has."""
NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Failures of the network before anything of a request was sent."""
_CONNECTED: Final = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")
"""The events with which httpx has something to read from, whatever of it tells of them."""
_LONGEST: Final = 10.0**6
"""Seconds that the system can wait for."""
CERTAIN: Final = range(400, 500)
"""Statuses by which nothing was done."""

try:
    VERSION: Final = version("flow-pipelines-client")
except PackageNotFoundError:  # it is used as it lies in a repository
    VERSION = "0"  # type: ignore[misc] # the other half of the constant
AGENT: Final = f"flow-pipelines-client/{VERSION}"
"""The name by which the client tells the service what calls, unless its httpx client has one of its own."""


@dataclass(frozen=True, slots=True)
class Received:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Their names in any case."""
    content: bytes


class Attempts:
    """The attempts at one call."""

    def __init__(self, call: Call, url: str, agent: str, timeout: float, budget: Budget) -> None:
        """Begin the time of the call.

        Args:
            call: the call.
            url: of the service.
            agent: the name of the program that calls.
            timeout: seconds that all attempts and waits may take together.
            budget: the retries that the client has left.
        """
        self.call: Final = call
        self.url: Final = url + call.target
        self.content: Final = call.content
        self.request_id: Final = uuid4().hex
        if not timeout > 0:
            raise ValueError(f"{timeout!r} is no time that a call may take: give seconds.")
        self.deadline: Final = monotonic() + timeout
        self._service = url
        self._agent = agent
        self._timeout = timeout
        self._budget = budget
        self._made = 1
        self._connected: tuple[str, int] | None = None

    def headers(self, token: str) -> dict[str, str]:
        """Return the headers of an attempt.

        Raises:
            ValueError: the token can be none.
        """
        if not re.fullmatch("[!-~]+", token):
            raise ValueError("The token is none: it has white space or other characters in it that no token has.")
        return {
            "Authorization": f"Bearer {token}",
            "User-Agent": self._agent,
            "X-Request-Id": self.request_id,
            **self.call.headers,
        }

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Note where httpx connects to, which is another place than the service where a proxy leads there.

        Have what it connects with end at the deadline, too: httpx bounds each reading, and not all of them together.
        """
        if event == "connection.connect_tcp.started":
            self._connected = (info["host"], info["port"])
        if event.endswith(_CONNECTED):
            end_at_deadline(info.get("return_value"))

    def timeout(self) -> httpx.Timeout:
        """Return the time that is left, for each part of an attempt."""
        left = min(max(self.deadline - monotonic(), 0.001), _LONGEST)
        return httpx.Timeout(left, connect=min(left, CONNECT_TIMEOUT))

    def take(self, content: bytearray, part: bytes) -> None:
        """Take a part of an answer.

        Raises:
            DeadlineExceeded: it comes too late.
            UnexpectedAnswer: it never ends.
        """
        content += part
        if len(content) > LARGEST_ANSWER:
            raise UnexpectedAnswer(
                f"What {self._service} answers is larger than any answer of the service: see that it is its address.",
                request_id=self.request_id,
                may_be_done=not self.call.only_reads,
            )
        if monotonic() > self.deadline:
            raise self.too_late()

    def answer(self, read: Callable[..., AnswerType], received: Received) -> AnswerType:
        """Return what was answered.

        Args:
            read: reads the object that came, or raises ValueError.
            received: the answer.

        Raises:
            ApiError: it is a failure, or no answer of the service.
        """
        body = _object(received.content)
        if received.status not in {200, 201} or body.get("status") != "OK":
            raise self._failure(received, body)
        beside = {
            "etag": received.headers.get("ETag") if self.call.only_reads else None,
            "request_id": received.headers.get("X-Request-Id", self.request_id),
            "created": received.status == 201,
        }
        try:
            found = read(body, **beside)
        except ValueError as error:
            raise UnexpectedAnswer(
                f"{self._service} answered {received.status}, and not as the service does, as {error}: see that it is"
                " its address, and that this client is not of another version.",
                request_id=self.request_id,
                status=received.status,
                may_be_done=not self.call.only_reads,
                headers=received.headers,
            ) from error
        self._budget.earn()
        return found

    def _failure(self, received: Received, body: Mapping[str, Any]) -> ApiError:
        """Return the failure that an answer tells of."""
        code, message, request_id = (body.get(name) for name in ("code", "msg", "request_id"))
        if not isinstance(code, str) or not isinstance(message, str):
            return self._from_between(received)
        kind = BY_STATUS.get(received.status) or BY_CODE.get(code, ApiError)
        return kind(
            message,
            code=code,
            details=_details(body.get("details")),
            request_id=request_id if isinstance(request_id, str) else self.request_id,
            status=received.status,
            retry_after=_retry_after(received.headers),
            may_be_done=not self.call.only_reads and _leaves_unknown(code, received.status),
            headers=received.headers,
            from_service=True,
        )

    def _from_between(self, received: Received) -> ApiError:
        """Return the failure for an answer that something between the client and the service has given."""
        url, status = self._service, received.status
        kind: type[ApiError] = UnexpectedAnswer
        sentence = (
            f"{url} answered {status}, and not as the service does: see that it is its address, and what stands before"
            " it."
        )
        if status in {502, 503, 504}:
            kind, sentence = Unavailable, f"What stands before {url} answered {status}: the service is not there now."
        elif status == 429:
            kind, sentence = ResourceExhausted, f"What stands before {url} takes no more requests now."
        elif 300 <= status < 400:
            where = received.headers.get("Location", "another address")[:200]
            sentence = f"{url} sends on to {where}, where the token is not sent: give the address that is meant."
        return kind(
            sentence,
            request_id=self.request_id,
            status=status,
            retry_after=_retry_after(received.headers),
            may_be_done=not self.call.only_reads and status not in CERTAIN,
            headers=received.headers,
        )

    def too_late(self) -> DeadlineExceeded:
        """Return the failure for an answer that did not come in time."""
        return DeadlineExceeded(
            f"The service did not answer within {self._timeout:g} s.",
            request_id=self.request_id,
            may_be_done=not self.call.only_reads,
        )

    def lost(self, error: httpx.RequestError) -> ApiError:
        """Return the failure for what the network did."""
        if isinstance(error, httpx.TimeoutException) and monotonic() >= self.deadline - 0.001:
            return self.too_late()
        reason = reason_of(error, by_proxy=self._connected not in {None, _place(self.url)})
        return Unavailable(
            f"The server {self._service} can't be reached: {reason}",
            request_id=self.request_id,
            may_be_done=not isinstance(error, NOT_SENT) and not self.call.only_reads,
        )

    def wait_after(self, error: ApiError) -> float:
        """Return the seconds to wait before the next attempt.

        Raises:
            ApiError: there is none, and this is what came of the call.
        """
        retries = self._budget.retries
        if self._made >= retries.attempts or not is_safe(self.call, error, retries):
            raise error
        self._made += 1
        wait = wait_before(self._made, error, retries)
        too_long = (error.retry_after or 0) > retries.longest_wait or monotonic() + wait >= self.deadline
        if too_long or not self._budget.spend():
            raise error
        if retries.before_wait is not None:
            retries.before_wait(error, wait)
        return wait


def _place(url: str) -> tuple[str, int]:
    """Return the host and port that an address names."""
    found = httpx.URL(url)
    return found.raw_host.decode(), found.port or {"https": 443, "http": 80}[found.scheme]


def _object(content: bytes) -> Mapping[str, Any]:
    """Return the JSON object that was answered; an empty one if it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _details(found: object) -> dict[str, list[str]]:
    if not isinstance(found, dict):
        return {}
    return {str(name): [str(each) for each in told] for name, told in found.items() if isinstance(told, list)}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    given = headers.get("Retry-After", "")
    return float(given) if re.fullmatch("[0-9]{1,6}", given) else None


def _leaves_unknown(code: str, status: int) -> bool:
    """Return whether a failure of the service leaves it open whether a change was made."""
    return status not in CERTAIN and code in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL"}
