"""The context of a call: what an operation is given beside its request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from service.batching.batches import Batches
from service.database.pool import Connection, Database
from service.identity import Caller
from service.repositories import audit
from service.schemas.pages import DEFAULT_PAGE_SIZE, PagedRequest, Pages

Value = TypeVar("Value")

Precondition = Callable[[Any], None]
"""A check of what is there now, as the operation that reads it answers (None: nothing), before it is changed.

Raises:
    PreconditionFailed: the caller has seen something else.
"""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Value]):
    """An object after it was put in its place, and whether that created it."""

    value: Value
    created: bool


def no_precondition(_: Any) -> None:
    """Accept whatever is there: the precondition of a call that has none."""


class Call(NamedTuple):
    """One call of an operation: its caller, the database to answer from, and its precondition."""

    caller: Caller
    database: Database
    precondition: Precondition = no_precondition
    batches: Batches | None = None
    """None where there are no concurrent calls to share statements with: at the command line."""
    request_id: str | None = None
    """For the audit trail; None at the command line."""

    @property
    def pages(self) -> Pages:
        """The page tokens of this caller."""
        return Pages(self.caller.digest)

    def page_start(self, request: PagedRequest) -> tuple[list[Any] | None, int]:
        """Return where a page begins, and its size, of a list that is never answered whole.

        Raises:
            InvalidArgument: the page token is not one of this caller, call and filters.
        """
        return self.pages.start(request), request.page_size or DEFAULT_PAGE_SIZE

    async def audit(
        self,
        connection: Connection,
        action: str,
        target: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        """Add the row of one change to the audit trail, in the change's own transaction; see `audit.insert`."""
        await audit.insert(connection, self.caller, action, target, before, after, self.request_id)
