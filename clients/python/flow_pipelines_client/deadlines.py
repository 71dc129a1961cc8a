"""Deadlines of whole calls, where httpx knows only those of a single reading.

What answers a byte now and then would hold a call up for as long as it likes, as each of them comes in time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any


class _Current(threading.local):
    at: float | None = None
    """The end of the call that this thread makes, by the monotonic clock; None while it makes none."""


_CURRENT = _Current()


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """Have what this thread reads in the meantime end at a moment of the monotonic clock."""
    _CURRENT.at = at
    try:
        yield
    finally:
        _CURRENT.at = None


def end_at_deadline(stream: Any) -> None:
    """Let a stream of httpx's for threads read no longer than the call may take which the thread makes.

    Those of asyncio have none to set, as a call is ended there.
    """
    read: Callable[..., bytes] | None = getattr(stream, "read", None)
    if read is None:
        return

    def bounded(max_bytes: int, timeout: float | None = None) -> bytes:
        at = _CURRENT.at
        if at is not None:
            left = max(at - monotonic(), 0.001)
            timeout = left if timeout is None else min(timeout, left)
        return read(max_bytes, timeout)

    with suppress(AttributeError):  # of streams that let nothing be set, which are as they were
        stream.read = bounded
