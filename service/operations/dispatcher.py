"""The dispatcher: from credentials and a request to an answer, for any transport.

A call is authenticated, answered from the cache, or else run, and run again where that is safe and helps.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Protocol, TypeVar

from prometheus_client.metrics_core import Metric

from service.authentication.bearer import Authentication, RecentCallers
from service.authentication.last_use import TokenUse
from service.batching.batcher import Batcher, BatcherMetrics
from service.batching.batches import Batches
from service.batching.cache import Entry, RevisionCache
from service.batching.job_updates import JobUpdateBatcher
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.fair_queue import FairQueue, Shares
from service.database.pool import Database
from service.errors import Aborted, InvalidArgument, PreconditionFailed
from service.identity import Caller
from service.operations.call import AuthorityChanged, Call, Precondition
from service.operations.following import Feed
from service.operations.read_turns import ReadTurns
from service.schemas.pages import Page
from service.settings import Settings
from service.slices import SLICE
from service.telemetry.request_record import Asking, RequestRecord, current_request

AUTHENTICATIONS: Final = 3
"""The number of times that a caller is authenticated for one request, if their authority changes while it is made."""
MAX_RUNNING: Final = 128
"""Calls that run at once; others wait for a turn, so that what runs takes its usual time."""
RUNNING_SHARE: Final = 1 / 2
"""The part of them that is of one organization, or token, while others are there.

It is more than the connections that it may use then, and enough for its updates to share batches.
"""

Operation = Callable[[Call, Any], Awaitable[Any]]

Incoming = TypeVar("Incoming")
Incoming_contra = TypeVar("Incoming_contra", contravariant=True)


class Encoded(Protocol):
    """An answer as a transport sends it."""

    @property
    def body(self) -> bytes:
        """The encoded answer; empty if it is encoded later."""


class Method(Protocol):
    """A row of the method table, as far as it concerns every transport."""

    @property
    def path(self) -> str:
        """The path of the operation, its parameters by their names."""

    @property
    def operation(self) -> Operation:
        """The operation that answers."""

    @property
    def optimistic(self) -> Operation | None:
        """The operation that is tried first for a recent caller: it proves the caller itself, or answers None."""

    @property
    def only_reads(self) -> bool:
        """True if nothing is changed, so that it may be run again at any time."""

    @property
    def cached(self) -> bool:
        """True if answers may be cached while nothing changes them; the operation's answer has a `version`."""


class Binding(Protocol[Incoming_contra]):
    """A transport's way of reading the requests of one method, and of encoding its answers."""

    @property
    def method(self) -> Method:
        """The method."""

    def credentials(self, incoming: Incoming_contra) -> str | None:
        """Return the credentials that came, as an Authorization header has them."""

    def cacheable(self, incoming: Incoming_contra) -> bool:
        """Return whether the request is the plain one that answers are cached for, by a client that takes these."""

    def receive(self, incoming: Incoming_contra) -> Awaitable[Any]:
        """Wait until the request is here whole, and its size is known to be within bounds; tell nothing about it."""

    def read(self, incoming: Incoming_contra, received: Any) -> Any:
        """Return the operation's request, by what `receive` returned; None for a read, which has no body.

        Raises:
            InvalidArgument: it is malformed.
        """

    def precondition(self, incoming: Incoming_contra) -> Precondition:
        """Return the condition under which the request may change something.

        Raises:
            InvalidArgument: it is malformed.
        """

    def answer(self, incoming: Incoming_contra, result: Any) -> Any:
        """Return what the operation gave as an `Encoded` answer."""

    async def answer_large(self, incoming: Incoming_contra, result: Any) -> Any:
        """Return a page of many items as an `Encoded` answer, and let others go on meanwhile."""


class Dispatcher:
    """Dispatches the calls of one process; its caches and batchers are there once, whatever the transports."""

    def __init__(
        self,
        database: Database,
        token_use: TokenUse,
        settings: Settings,
        batcher_type: Callable[..., Batcher[Any, Any]] = Batcher,
    ) -> None:
        self._database = database
        self.presence: Final = database.presence
        self._token_use = token_use
        self._token_lifetimes = settings.token_max_lifetime, settings.oidc_token_lifetime
        shares = settings.max_organization_share, settings.max_token_share
        self.under_way: Final = Shares(settings.max_requests, database.presence, *shares)
        """Of the requests whose caller is known, or presumed until the request is here."""
        self._turns = FairQueue(MAX_RUNNING, database.presence, RUNNING_SHARE, RUNNING_SHARE)
        self.authentication: Final = Authentication(database, settings.statement_timeout, batcher_type)
        self._recent = RecentCallers()
        self.responses: RevisionCache[Any] = RevisionCache("response", settings.response_cache_bytes)
        lists = PipelineListBatcher(database, batcher_type)
        updates = JobUpdateBatcher(database, lists, settings.permission_cache_bytes, batcher_type)
        self.batches: Final = Batches(lists, updates)
        self._read_turns = ReadTurns(database.presence)
        self.feed: Final = Feed(database, self._read_turns, batcher_type)
        database.on_forget.append(self.forget)

    async def dispatch(self, binding: Binding[Incoming], incoming: Incoming) -> Any:
        """Answer one request.

        Raises:
            ServiceError: the request is refused, or can't be answered.
        """
        method, record = binding.method, current_request()
        record.route = method.path
        credentials = binding.credentials(incoming)
        asking = self._database.presence.find(credentials)
        received = None
        try:
            if not method.only_reads:
                presumed = self._recent.find(credentials)
                if presumed is not None:
                    self._arrived(asking or self._learn(credentials, presumed), record)
                received = await self._receive(binding, incoming, credentials)
                if presumed is not None and presumed.provided is None and method.optimistic is not None:
                    answer = await self._try(method.optimistic, binding, incoming, received, presumed)
                    if answer is not None:
                        return answer
            caller = await self.authentication.authenticate(credentials, asking.organization if asking else None)
            if record.asking is None:
                self._arrived(asking or self._learn(credentials, caller), record)
            self._note(caller, record)
            if not method.only_reads:
                self._recent.note(caller)
            if method.cached and binding.cacheable(incoming):
                cached = self.responses.find(caller)
                return await self._read(binding, incoming, caller) if cached is None else cached
            if not method.only_reads:
                result = await self._run(method.operation, binding, incoming, received, caller)
                return await self._encode(binding, incoming, result)
            async with self._read_turns.turn(record.asking, self.under_way) as turn:
                result = await self._run(method.operation, binding, incoming, None, caller)
                encoded: Encoded = await self._encode(binding, incoming, result)
                turn.bytes = len(encoded.body or b"")  # a 304 by SCIM has None
                return encoded
        finally:
            if record.asking is not None:
                self.under_way.give_back(record.asking)

    async def _receive(self, binding: Binding[Incoming], incoming: Incoming, credentials: str | None) -> Any:
        """Receive a request before its caller is authenticated, so that no client decides when that was.

        A client could otherwise be authenticated, and send what it wants to be done when it may no longer.
        """
        try:
            return await binding.receive(incoming)
        except Exception:
            await self.authentication.authenticate(credentials)  # what is wrong is only told to a known caller
            raise

    async def _try(
        self, operation: Operation, binding: Binding[Incoming], incoming: Incoming, received: Any, caller: Caller
    ) -> Any:
        """Try the operation with the caller cached from an earlier request; None: it has to be authenticated first.

        What is wrong with a request is only told to an authenticated caller.
        """
        try:
            result = await self._run(operation, binding, incoming, received, caller)
        except (InvalidArgument, PreconditionFailed):
            return None
        if result is None:
            return None
        self._note(caller, current_request())
        return binding.answer(incoming, result)

    def forget(self) -> None:
        """Drop all that is kept of earlier requests, as of a database that has gone back or is another one.

        No answer depends on it, as revisions never come back; it holds even if one day they should.
        """
        self._recent.clear()
        self.responses.clear()
        self.batches.job_updates.executable.clear()

    async def _read(self, binding: Binding[Incoming], incoming: Incoming, caller: Caller) -> Any:
        """Answer a read that is in no cache, and cache it."""

        async def read() -> Entry[Any]:
            result = await self._run(binding.method.operation, binding, incoming, None, caller)
            answer: Encoded = await self._encode(binding, incoming, result)
            return Entry(answer, result.version, len(answer.body))

        return await self.responses.make(caller, read)

    @staticmethod
    async def _encode(binding: Binding[Incoming], incoming: Incoming, result: Any) -> Any:
        """Encode what the operation gave: at once, unless that would hold up others."""
        if isinstance(result, Page) and len(result.items) > SLICE:
            return await binding.answer_large(incoming, result)
        return binding.answer(incoming, result)

    async def _run(
        self, operation: Operation, binding: Binding[Incoming], incoming: Incoming, received: Any, caller: Caller
    ) -> Any:
        """Run an operation in turn, and again where another change came between, or the caller's authority changed."""
        record = current_request()
        precondition, request = binding.precondition(incoming), binding.read(incoming, received)
        call = Call(caller, self._database, precondition, self.batches, record.request_id, *self._token_lifetimes)

        def run() -> Awaitable[Any]:
            return operation(call, request)

        asking = record.asking
        if not self._turns.acquire_at_once(asking):
            await self._turns.acquire(asking)
        try:
            for _ in range(AUTHENTICATIONS - 1):
                try:
                    return await self._database.run(run, only_reads=binding.method.only_reads)
                except AuthorityChanged:
                    caller = await self.authentication.authenticate(binding.credentials(incoming))
                    call = call._replace(caller=caller)
            return await self._database.run(run, only_reads=binding.method.only_reads)
        except AuthorityChanged as error:
            raise Aborted("What you may do kept changing while this was done; try again.") from error
        finally:
            self._turns.release(asking)

    def _learn(self, credentials: str | None, caller: Caller) -> Asking:
        asking = Asking(caller.organization_id.bytes, caller.token_id.bytes)
        self._database.presence.learn(credentials, asking)
        return asking

    def _arrived(self, asking: Asking, record: RequestRecord) -> None:
        """Let what follows count as the caller's own."""
        record.asking = asking
        self._database.presence.note(asking)
        self.under_way.hold(asking)

    def _note(self, caller: Caller, record: RequestRecord) -> None:
        record.organization_id, record.user_id = caller.organization_id, caller.user_id
        record.token_id, record.username = caller.token_id, caller.username
        self._token_use.note(caller)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of batches and caches."""
        sign_in = self.authentication.sign_in
        batchers = (self.authentication, self.batches.pipeline_lists, self.batches.job_updates, self.feed)
        of_providers: list[Batcher[Any, Any]] = []
        if sign_in is not None:
            of_providers = [sign_in.batcher, self.batches.job_updates.linked_batcher]
        yield from BatcherMetrics([*(each.batcher for each in batchers), *of_providers]).collect()
        yield from self.responses.collect()
        yield from self.batches.job_updates.executable.collect()
