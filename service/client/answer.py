"""The two ways to run an operation, as commands see them: the same requests in, the API's answers out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

Result = TypeVar("Result")

Operation = Callable[[Any, Any], Awaitable[Any]]
"""An operation of the API; commands hand it over, and never call it."""

_LARGEST_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an operation, as the API has it: of JSON's types, so that times and ids are texts."""

    body: dict[str, Any]
    created: bool = False
    """True if the operation has made something that was not there."""
    former: dict[str, Any] | None = None
    """The answer that reading what was replaced would have given; None if nothing was, or it was not asked for."""


class Follower(Protocol):
    """A reader of the audit trail as it goes on."""

    async def read(self) -> list[dict[str, Any]]:
        """Return entries that are new since the last time; this waits a while where nothing is known to be.

        Raises:
            Unavailable: they can't be had now; what is new then comes later.
            DeadlineExceeded: likewise.
        """


class Operations(Protocol):
    """A way to run operations: beside the database, or on a server as the user of a token."""

    async def run(self, operation: Operation, request: Any) -> Answer:
        """Run an operation.

        Raises:
            ServiceError: it was refused, or could not be run; by the same sentence either way.
        """

    async def replace(self, operation: Operation, request: Any) -> Answer:
        """Run an operation that puts something in a place, and tell what was there before."""

    async def together(self, work: "Callable[[Operations], Awaitable[Result]]") -> Result:
        """Run several operations: in one transaction where there is one, else each by itself, see `undo`."""

    async def undo(self, operation: Operation, request: Any) -> None:
        """Take back what an operation has done before another one failed, unless a transaction does."""

    async def follow_audit(self, request: Any) -> Follower:
        """Begin to follow the audit trail: what happens from now on comes from what this returns."""


async def run_all_pages(operations: Operations, operation: Operation, request: Any) -> Answer:
    """Run a list to its end, and return all of its pages as one."""
    answer = await operations.run(operation, replace(request, page_size=_LARGEST_PAGE))
    body = dict(answer.body)
    while token := body.pop("next_page_token", None):
        page = await operations.run(operation, replace(request, page_size=_LARGEST_PAGE, page_token=token))
        name = list_name(page.body)
        body = {**page.body, name: body[name] + page.body[name]}
    return Answer(body)


def list_name(body: dict[str, Any]) -> str:
    """Return the name by which a list's answer has its items."""
    return next(name for name, value in body.items() if isinstance(value, list))
