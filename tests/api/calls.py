"""Shorthand for calls, one short line each, for tests that make many."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.conftest import Client
from tests.factories import Member, bearer

SCIM_CODES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS"}
"""The codes of failures that are told as SCIM tells them, by their status."""

TRIES: Final = 30
"""Times that a call is made of which the answer says that it is to be made again."""


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """Values by name, regardless of case."""
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return "OK" if self.status < 400 else str(self.body.get("code") or SCIM_CODES.get(self.status))


@dataclass(frozen=True)
class As:
    """A client that calls as one user."""

    client: Client
    token: str

    @classmethod
    def member(cls, client: Client, member: Member) -> "As":
        return cls(client, member.token)

    async def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: str
    ) -> Answer:
        answer = await self.client.request(
            method,
            path if path.startswith(("/api", "/scim")) else f"/api/v1{path}",
            json=body,
            params=query,
            headers={**bearer(self.token), **(headers or {})},
        )
        text = await answer.text()
        return Answer(answer.status, answer.headers, (await answer.json(content_type=None)) if text else {})

    async def get(self, path: str, **query: str) -> Answer:
        return await self("GET", path, None, None, **query)


async def settled(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Make a call until its answer does not say that nothing was done, and that it is to be made again.

    Calls of the same thing wait for each other, and on a busy machine for longer than the service lets them.
    """
    for _ in range(TRIES - 1):
        answer = await call()
        if "Retry-After" not in answer.headers:
            return answer
    return await call()
