"""A batcher: concurrent calls of one kind share a statement, dozens of them under load, and one when idle."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

from prometheus_client.metrics_core import Metric

from service.database.pool import timed
from service.telemetry.metrics import BATCH_SIZES, SECONDS, Histogram, histograms
from service.telemetry.request_record import current_record

Item = TypeVar("Item")
Result = TypeVar("Result")

Waiting = tuple[Item, asyncio.Future[Result], Hashable]
"""An item that waits, its result to come, and the tenant it is for."""

WARY: Final = 1000
"""Items that go by batches once the caller of one that was run alone has left: who does so costs a connection."""
MIN_BATCH: Final = 16
"""Items that go into one batch in any case, if as many wait."""
FEW: Final = 4
"""Items of a batch whose callers wait for no others where the batcher is not patient."""
LOOP_TURNS_BEFORE_NEXT_BATCH: Final = 4
"""Turns of the event loop from a request's arrival until it has submitted its item.

Requests that arrive together with the results of a batch are given these turns, so that they share the next batch,
which starts before the requests just served go on. Otherwise the next batch would hold hardly any of them, all others
would wait for the one after that, and the processor with them.
"""


class Batcher(Generic[Item, Result]):
    """Runs the items that wait at the same moment in one batch.

    At most one batch is under way. An item submitted meanwhile waits for a batch that starts after it, so that no
    result is older than its item. A failure reaches only the items of its own batch, and an item whose caller has left
    harms no other.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        max_size: int,
        weight: Callable[[Item], int] | None = None,
        max_weight: int = 0,
        conflict_key: Callable[[Item], Hashable] | None = None,
        on_idle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Batch calls of a function that returns as many results as it is given items, in their order.

        Args:
            name: for metrics and traces.
            run: has a deadline of its own.
            max_size: items in one batch.
            weight: what an item costs, where that differs.
            max_weight: of the items of one batch together; one that weighs more goes alone.
            conflict_key: items with the same key go one after another, in different batches.
            on_idle: called each time that no item waits any more.
        """
        self.name = name
        self._run = run
        self._max_size = max_size
        self._weight = weight
        self._max_weight = max_weight
        self._conflict_key = conflict_key
        self._on_idle = on_idle
        self.sizes = Histogram(BATCH_SIZES)
        """Items in each batch."""
        self.durations = Histogram(SECONDS)
        """Seconds that each batch took."""
        self._waiting: list[Waiting[Item, Result]] = []
        self._last_size = 0
        self._alone = False
        """True if the last batch had one item, and none came meanwhile."""
        self._wary = 0
        """Items that go by batches yet before one may be run alone again."""
        self._running = False
        self._task: asyncio.Task[None] | None = None
        """Runs batches, if one is under way that is not run by its only caller; kept, as the loop does not."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """Kept, as to ask for the running one is a call to the system each time."""
        self.patient = True
        """True if the callers of a small batch wait, too, for others to join the next one; one that is alone does not.
        """
        self.on_done: Callable[[Iterable[Hashable]], None] | None = None
        """Called with the tenants of the items of each batch that has ended, and of those whose callers left before."""

    def submit(self, item: Item, tenant: Hashable = None) -> Awaitable[Result]:
        """Return the result to come, or the failure of the item's batch; to be awaited at once."""
        if self._alone and not self._running:
            return self._run_alone(item, tenant)
        return self._join(item, tenant)

    def _join(self, item: Item, tenant: Hashable) -> "asyncio.Future[Result]":
        """Let an item wait for the next batch."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, result, tenant))
        if not self._running:
            self._begin()
        return result

    def _begin(self) -> None:
        """Run what waits, in a context of its own: what it does is not the first caller's alone."""
        self._running = True
        self._task = asyncio.create_task(self._run_all(), context=contextvars.Context())

    async def _run_alone(self, item: Item, tenant: Hashable) -> Result:
        """Run a batch of one item in its caller's task, as the last one was alone, too, and this one will likely be.

        A task and a future for it would cost a lone request a fifteenth of its time. Should its caller leave, the
        statement is cancelled, and nobody else's item is lost; what comes meanwhile waits for the next batch. As a
        connection to the database is lost with it, many items go by batches then, which go on without their callers.
        """
        if self._running:
            return await self._join(item, tenant)
        self._running = True
        record = current_record.set(None)  # as in a context of its own
        self.sizes.observe(1)
        try:
            with timed(self.durations):
                (result,) = await self._run((item,))
        except asyncio.CancelledError:
            self._wary = WARY
            raise
        else:
            return result
        finally:
            current_record.reset(record)
            if self.on_done is not None:
                self.on_done((tenant,))
            try:
                if self._on_idle is not None and not self._waiting:
                    await self._on_idle()
            finally:
                self._running = False
                self._alone = not self._waiting and not self._wary
                if self._waiting:
                    self._begin()

    async def _run_all(self) -> None:
        """Run one batch after another, for as long as items wait."""
        try:
            while self._waiting:
                while batch := self._take():
                    await self._run_batch(batch)
                if self._on_idle is not None:
                    await self._on_idle()
        finally:
            self._running = False

    async def _run_batch(self, batch: "list[Waiting[Item, Result]]") -> None:
        self.sizes.observe(len(batch))
        try:
            with timed(self.durations):
                results = await self._run([item for item, _, _ in batch])
            if len(batch) > FEW or (self.patient and (len(batch) > 1 or self._waiting)):
                for _ in range(LOOP_TURNS_BEFORE_NEXT_BATCH):
                    await asyncio.sleep(0)
        except Exception as error:
            for _, future, _ in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future, _), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
        self._wary = max(0, self._wary - len(batch))
        self._alone = len(batch) == 1 and not self._waiting and not self._wary
        if self.on_done is not None:
            self.on_done(tenant for _, _, tenant in batch)

    def _take(self) -> "list[Waiting[Item, Result]]":
        """Take the next batch, without items whose callers have left.

        The batch size adapts: it is that of the last batch, and half of what waits beyond it. Callers served by one
        batch mostly submit again during the next: if a batch took all that wait, a large and a small one would take
        turns for ever, and while the large one is under way, the few callers of the small one are soon done with, and
        the processor idles.
        """
        waiting = [each for each in self._waiting if not each[1].done()]
        if self.on_done is not None and len(waiting) < len(self._waiting):
            self.on_done(tenant for _, result, tenant in self._waiting if result.done())
        size = min(self._max_size, max(MIN_BATCH, (len(waiting) + self._last_size + 1) // 2))
        if self._conflict_key is None and self._weight is None:
            batch, self._waiting = waiting[:size], waiting[size:]
        else:
            batch, self._waiting = self._choose(waiting, size)
        self._last_size = len(batch)
        return batch

    def _choose(self, waiting: "list[Waiting[Item, Result]]", size: int) -> "tuple[list[Waiting[Item, Result]], ...]":
        """Return the items of the next batch and those left: the first one, and what fits and may go beside it."""
        batch: list[Waiting[Item, Result]] = []
        left: list[Waiting[Item, Result]] = []
        keys, room = set(), self._max_weight
        for each in waiting:
            item, future, _ = each
            key = self._conflict_key(item) if self._conflict_key is not None else id(future)
            weight = self._weight(item) if self._weight is not None else 0
            if not batch or (len(batch) < size and weight <= room and key not in keys):
                batch.append(each)
                keys.add(key)
                room -= weight
            else:
                left.append(each)
        return batch, left


class BatcherMetrics:
    """The collector of what some batchers have counted."""

    def __init__(self, batchers: Iterable[Batcher[Any, Any]]) -> None:
        self._batchers = {batcher.name: batcher for batcher in batchers}

    def collect(self) -> Iterator[Metric]:
        """Yield how many calls shared each batch, and how long batches took, by the batcher's name."""
        sizes = {name: batcher.sizes for name, batcher in self._batchers.items()}
        durations = {name: batcher.durations for name, batcher in self._batchers.items()}
        yield histograms("flow_pipelines_batch_size", "Calls that shared one batch.", ("batch",), sizes)
        help_ = "One batch, a retry included."
        yield histograms("flow_pipelines_batch_duration_seconds", help_, ("batch",), durations)
