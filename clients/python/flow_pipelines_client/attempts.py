"""The attempts at one call, without the network: what is sent, what an answer says, and whether another one follows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Any, Final, TypeVar
from uuid import uuid4

import httpx

from flow_pipelines_client.answers import Answer, read
from flow_pipelines_client.calls import Call
from flow_pipelines_client.errors import (
    BY_CODE,
    BY_STATUS,
    ApiError,
    DeadlineExceeded,
    ResourceExhausted,
    Unavailable,
    UnexpectedAnswer,
)
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
CERTAIN: Final = range(400, 500)
"""Statuses by which nothing was done."""

try:
    VERSION: Final = version("flow-pipelines-client")
except PackageNotFoundError:  # it is used as it lies in a repository
    VERSION = "0"  # type: ignore[misc] # the other half of the constant


@dataclass(frozen=True, slots=True)
class Received:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    """Their names in any case."""
    content: bytes


class Attempts:
    """The attempts at one call."""

    def __init__(self, call: Call, url: str, token: str, timeout: float, budget: Budget) -> None:
        """Begin the time of the call.

        Args:
            call: the call.
            url: of the service.
            token: of the caller.
            timeout: seconds that all attempts and waits may take together.
            budget: the retries that the client has left.
        """
        self.call: Final = call
        self.url: Final = url + call.target
        self.content: Final = call.content
        self.request_id: Final = uuid4().hex
        self.headers: Final = {
            "Authorization": f"Bearer {token}",
            "User-Agent": f"flow-pipelines-client/{VERSION}",
            "X-Request-Id": self.request_id,
            **call.headers,
        }
        self.deadline: Final = monotonic() + timeout
        self._timeout = timeout
        self._budget = budget
        self._made = 1

    def timeout(self) -> httpx.Timeout:
        """Return the time that is left, for each part of an attempt."""
        left = max(self.deadline - monotonic(), 0.001)
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
                "The answer is larger than any of the service: see that the address is right.",
                request_id=self.request_id,
                may_be_done=not self.call.only_reads,
            )
        if monotonic() > self.deadline:
            raise self.too_late()

    def answer(self, kind: type[AnswerType], received: Received) -> AnswerType:
        """Return what was answered.

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
            found = read(kind, body, **beside)
        except ValueError as error:
            raise UnexpectedAnswer(
                f"The answer can't be read, as {error}: the service is of a version that this client does not know.",
                request_id=self.request_id,
                status=received.status,
                may_be_done=not self.call.only_reads,
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
        )

    def _from_between(self, received: Received) -> ApiError:
        """Return the failure for an answer that something between the client and the service has given."""
        kind: type[ApiError] = UnexpectedAnswer
        if received.status in {502, 503, 504}:
            kind = Unavailable
        elif received.status == 429:
            kind = ResourceExhausted
        return kind(
            f"Status {received.status} came, and no answer of the service: see what stands before it, and that the"
            " address is right.",
            request_id=self.request_id,
            status=received.status,
            retry_after=_retry_after(received.headers),
            may_be_done=not self.call.only_reads and received.status not in CERTAIN,
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
        sent = not isinstance(error, NOT_SENT)
        what = "The connection ended before the answer came" if sent else "The service can't be reached"
        reason = str(error) or type(error).__name__
        return Unavailable(
            f"{what}: {reason.rstrip('.')}.",
            request_id=self.request_id,
            may_be_done=sent and not self.call.only_reads,
        )

    def wait_after(self, error: ApiError) -> float:
        """Return the seconds to wait before the next attempt.

        Raises:
            ApiError: there is none, and this is what came of the call.
        """
        retries = self._budget.retries
        if self._made >= retries.attempts or not is_safe(self.call, error):
            raise error
        self._made += 1
        wait = wait_before(self._made, error, retries)
        too_long = (error.retry_after or 0) > retries.longest_wait or monotonic() + wait >= self.deadline
        if too_long or not self._budget.spend():
            raise error
        return wait


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
