"""The context of a call: what an operation is given beside its request."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from service.batching.batches import Batches
from service.database.pool import Connection, Database
from service.errors import PreconditionFailed, Unauthenticated
from service.identity import Caller
from service.permissions import Role
from service.repositories import audit, audit_lists, authority
from service.repositories.audit_lists import AuditList
from service.repositories.ordering import Span
from service.schemas.pages import DEFAULT_PAGE_SIZE, OrderedRequest, Pages, ordered_by

Value = TypeVar("Value")

Precondition = Callable[[Any], None]
"""A check of what is there now, as the operation that reads it answers (None: nothing), before it is changed.

Raises:
    PreconditionFailed: the caller has seen something else.
"""


class AuthorityChanged(Exception):
    """The caller's authority has changed since they were authenticated: authenticate and run the operation again."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Value]):
    """An object after it was put in its place, and whether that created it."""

    value: Value
    created: bool
    former: Value | None = None
    """The object that was there before, where the operation tells; None if there was none."""


def no_precondition(_: Any) -> None:
    """Accept whatever is there: the precondition of a call that has none."""


def nothing_to_compare(_: Any) -> None:
    """Refuse whatever is there: the precondition of a call that has one, and nothing to compare it with.

    Raises:
        PreconditionFailed: always.
    """
    raise PreconditionFailed(
        "This call has nothing to compare If-Match or If-None-Match with: leave these headers out."
    )


class Call(NamedTuple):
    """One call of an operation: its caller, the database to answer from, and its precondition."""

    caller: Caller
    database: Database
    precondition: Precondition = no_precondition
    batches: Batches | None = None
    """None where there are no concurrent calls to share statements with: at the command line."""
    request_id: str | None = None
    """For the audit trail; None at the command line."""
    token_max_lifetime: int = 0
    """Seconds that a new token may live; 0: for ever."""
    sign_in_token_lifetime: int = 0
    """Seconds that a token may live which is made with an identity provider's, if that ends before; 0: no longer."""
    within: Connection | None = None
    """The connection of a transaction that this call is a part of; None: each change has one of its own."""

    @property
    def pages(self) -> Pages:
        """The page tokens of this caller; by an identity provider, whose tokens change, those of their link."""
        provided = self.caller.provided
        return Pages(self.caller.digest if provided is None else provided.secret)

    def span(self, request: OrderedRequest) -> Span:
        """Return which rows of a list are to be read, by its page token, and in which order.

        Raises:
            InvalidArgument: the page token is not one of this caller, call, filters and order.
        """
        after = self.pages.start(request)
        return Span(ordered_by(request), after, request.page_size or DEFAULT_PAGE_SIZE, request.total)

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Begin the transaction of a change, which must be proved before its audit row can be written.

        Where there is nothing to compare the call's condition with, that is what fails at its end, so that all that
        forbids the call by itself is told before.

        Raises:
            PreconditionFailed: it comes to its end, and the call has a condition that can't be compared.
            AuthorityChanged: it comes to its end, and what the caller may do has expired since it was proved.
            Unavailable: no connection could be had, or it was lost; if at the commit, the change may have been made.
            DeadlineExceeded: the database took longer than it may.
        """
        begun = _ending_in_time(self.database.transaction() if self.within is None else nullcontext(self.within))
        return begun if self.precondition is not nothing_to_compare else _refused_at_its_end(begun)

    async def prove(
        self, connection: Connection, statement: str = authority.PROVE, *concerned: UUID | Sequence[UUID]
    ) -> "Proof":
        """Prove the caller's authority in the transaction that makes a change; nothing that it rests on changes then.

        It is called once the objects of the change are locked, and before anything is written that draws revisions,
        which it locks: locks are taken in the order objects, organization, groups, users, tokens.

        Args:
            connection: in the transaction.
            statement: one of repositories/authority.py, by what the change may draw new revisions for.
            concerned: the users, groups or pipeline that these are told by.

        Raises:
            Unauthenticated: the token was revoked or has expired, or its user was disabled.
            AuthorityChanged: what the caller may do is no longer what it was when they were authenticated.
        """
        caller = self.caller
        if caller.is_operator and not concerned:
            return Proof(self, connection)
        begun = monotonic()  # not when the answer came, which may have waited for locks, and for this process
        proved = await authority.prove(connection, caller, statement, *concerned)
        if not caller.is_operator:
            if proved is None:
                raise Unauthenticated.invalid_token()
            if (proved.role, proved.scopes, proved.username) != (caller.role, caller.scopes, caller.username) or (
                caller.role is Role.MEMBER and (*proved.revisions,) != caller.revisions
            ):
                raise AuthorityChanged
            connection.authority_ends_at = None if proved.ends_in is None else begun + proved.ends_in
            _require_time_left(connection)
        return Proof(self, connection)


def _require_time_left(connection: Connection) -> None:
    """Require that what was proved on a connection has not expired since.

    No lock keeps an expiry from coming, as it keeps a revocation, and a change may wait for locks behind the proof.

    Raises:
        AuthorityChanged: it has.
    """
    if connection.authority_ends_at is not None and monotonic() >= connection.authority_ends_at:
        raise AuthorityChanged


@asynccontextmanager
async def _ending_in_time(begun: AbstractAsyncContextManager[Connection]) -> AsyncIterator[Connection]:
    async with begun as connection:
        yield connection
        _require_time_left(connection)


@asynccontextmanager
async def _refused_at_its_end(begun: AbstractAsyncContextManager[Connection]) -> AsyncIterator[Connection]:
    async with begun as connection:
        yield connection
        nothing_to_compare(None)


class Proof(NamedTuple):
    """A caller's authority, proved in a transaction: only with it can a change be written into the audit trail."""

    call: Call
    connection: Connection

    async def audit(
        self, action: str, target: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
    ) -> None:
        """Add the row of one change to the audit trail, in the change's own transaction; see `audit.insert`."""
        call = self.call
        await audit.insert(self.connection, call.caller, action, target, before, after, call.request_id)

    async def audit_each(
        self, action: str, changes: Sequence[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]]
    ) -> None:
        """Add a row for each thing that a call has changed alike; see `audit.insert_each`."""
        call = self.call
        await audit.insert_each(self.connection, call.caller, action, changes, call.request_id)

    async def audit_deletion(
        self, action: str, target: str, before: Mapping[str, Any], key: UUID, lost: Sequence[AuditList]
    ) -> None:
        """Audit a deletion that is about to be made, and all that goes with it.

        The row has the first of each list; as many rows as it takes, of the same action and target, have the rest.

        Args:
            action: what is done.
            target: to what, as kind:key.
            before: the state that is deleted.
            key: the id of what is to be deleted, which is locked.
            lost: what goes with it.
        """
        caller, connection = self.call.caller, self.connection
        first = await audit_lists.read_first(connection, lost, caller.organization_id, key)
        await self.audit(action, target, {**before, **first}, None)
        for each in lost:
            if len(first[each.name]) == audit_lists.LARGEST:
                await audit_lists.insert_rest(connection, each, caller, key, action, target, self.call.request_id)
