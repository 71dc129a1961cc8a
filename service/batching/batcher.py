"""Those who ask at the same moment share one statement: it serves dozens of requests under load, and one when idle."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

from service.database.pool import timed
from service.telemetry.metrics import BATCH_SIZES, SECONDS, Histogram

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MIN_BATCH: Final = 16
"""Questions that are taken together in any case."""
LOOP_TURNS_BEFORE_NEXT_BATCH: Final = 4
"""Of the event loop, from a request's arrival until it has asked. Those who come together with an answer are given
them, to share the next question, which goes out before those who were answered are served. Else hardly anybody would
be in it, all the others would wait for the one after that, and the processor with them."""


class Batcher(Generic[Question, Answer]):
    """Answers the questions that wait at the same moment with one another.

    At most one batch is under way. Who comes meanwhile waits for one after it, so that nobody is given an answer that
    began before they asked. A failure is only theirs whose batch failed, and who leaves harms nobody else.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]],
        *,
        most: int,
        conflict_key: Callable[[Question], Hashable] | None = None,
        on_idle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Ask by a function that gives as many answers as it is given questions, in their order.

        Args:
            answer: has a deadline of its own.
            most: questions in one batch.
            apart: questions for which it gives the same go in turn, in different batches.
            rest: called each time that nobody waits any more.
        """
        self._answer = answer
        self._most = most
        self._conflict_key = conflict_key
        self._on_idle = on_idle
        self.sizes = Histogram(BATCH_SIZES)
        """How many questions shared each batch."""
        self.durations = Histogram(SECONDS)
        """How long each batch took."""
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._last = 0
        """How many the last batch was of."""
        self._answering: asyncio.Task[None] | None = None

    def submit(self, question: Question) -> "asyncio.Future[Answer]":
        """The answer to come, or the failure of its batch."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._answering is None:
            # In a context of its own: what it does is not the first one's alone.
            self._answering = asyncio.create_task(self._answer_all(), context=contextvars.Context())
        return answer

    async def _answer_all(self) -> None:
        """One batch after the other, for as long as anybody waits."""
        try:
            while self._waiting:
                while batch := self._take():
                    await self._answer_batch(batch)
                if self._on_idle is not None:
                    await self._on_idle()
        finally:
            self._answering = None

    async def _answer_batch(self, batch: "list[tuple[Question, asyncio.Future[Answer]]]") -> None:
        self.sizes.observe(len(batch))
        try:
            with timed(self.durations):
                answers = await self._answer([question for question, _ in batch])
            for _ in range(LOOP_TURNS_BEFORE_NEXT_BATCH):
                await asyncio.sleep(0)
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    def _take(self) -> "list[tuple[Question, asyncio.Future[Answer]]]":
        """The next batch, without those who have left.

        It is as large as the last one, and half of what is more. Those who are answered by one batch mostly ask again
        during the next: were it all who wait, a large batch and a small one would take turns for ever, and while the
        large one is under way, the few of the small one are soon done with, and nothing is left to do.
        """
        waiting = [(question, future) for question, future in self._waiting if not future.done()]
        most = min(self._most, max(MIN_BATCH, (len(waiting) + self._last + 1) // 2))
        if self._conflict_key is None:
            batch, self._waiting = waiting[:most], waiting[most:]
        else:
            batch, self._waiting, keys = [], [], set()
            for question, future in waiting:
                key = self._conflict_key(question)
                if len(batch) < most and key not in keys:
                    batch.append((question, future))
                    keys.add(key)
                else:
                    self._waiting.append((question, future))
        self._last = len(batch)
        return batch
