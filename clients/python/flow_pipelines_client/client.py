"""The clients: the operations of the service, and what takes several calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial

from flow_pipelines_client.answers import read
from flow_pipelines_client.async_operations import AsyncOperations
from flow_pipelines_client.batches import batches
from flow_pipelines_client.feed import WAIT, AsyncChanges, Changes, Found
from flow_pipelines_client.models import UpdateJobPipelinesInput, Verdict
from flow_pipelines_client.operations import Operations


class Client(Operations):
    """A client for threads; one may be used by several. Close it, or use it by `with`."""

    def changes(self, *, after: str | None = None, wait: int = WAIT, all: bool = False) -> Changes:
        """Follow what happens to what the caller may see: each change at least once, of one thing in order.

        Iterate it; it waits for changes, and has no end. Its `cursor`, which each change has, too, is the place to go
        on from: keep it behind what you have dealt with.

        Args:
            after: a cursor; `0` for as far back as is kept; None for what happens from now on.
            wait: seconds that each call waits for a change, at most 30.
            all: True for every entry of the audit trail, for administrators.

        Raises:
            Gone: what came behind the cursor is no longer kept.
        """
        timeout = self._timeout + wait
        return Changes(after, wait, all, _run=lambda call: self._perform(call, partial(read, Found), timeout))

    def update_jobs(
        self, updates: Iterable[UpdateJobPipelinesInput], *, timeout: float | None = None
    ) -> Iterator[Verdict]:
        """Update any number of jobs, in batches; yield the verdict on each, in order.

        A batch is sent when its first verdict is asked for. Where a call fails, those before it have been made.

        Args:
            updates: of each job, all the pipelines that it is to be in.
            timeout: seconds for each batch.
        """
        for batch in batches(updates):
            yield from self.batch_update_job_pipelines(batch, timeout=timeout).results


class AsyncClient(AsyncOperations):
    """A client for asyncio. Close it, or use it by `async with`."""

    def changes(self, *, after: str | None = None, wait: int = WAIT, all: bool = False) -> AsyncChanges:
        """Follow what happens to what the caller may see: each change at least once, of one thing in order.

        Iterate it; it waits for changes, and has no end. Its `cursor`, which each change has, too, is the place to go
        on from: keep it behind what you have dealt with.

        Args:
            after: a cursor; `0` for as far back as is kept; None for what happens from now on.
            wait: seconds that each call waits for a change, at most 30.
            all: True for every entry of the audit trail, for administrators.

        Raises:
            Gone: what came behind the cursor is no longer kept.
        """
        timeout = self._timeout + wait
        return AsyncChanges(after, wait, all, _run=lambda call: self._perform(call, partial(read, Found), timeout))

    async def update_jobs(
        self, updates: Iterable[UpdateJobPipelinesInput], *, timeout: float | None = None
    ) -> AsyncIterator[Verdict]:
        """Update any number of jobs, in batches; yield the verdict on each, in order.

        A batch is sent when its first verdict is asked for. Where a call fails, those before it have been made.

        Args:
            updates: of each job, all the pipelines that it is to be in.
            timeout: seconds for each batch.
        """
        for batch in batches(updates):
            for verdict in (await self.batch_update_job_pipelines(batch, timeout=timeout)).results:
                yield verdict
