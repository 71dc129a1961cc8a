"""Memory of large bodies and messages, which the C library does not give back by itself once freed.

They are read, by grpcio too, into blocks that are too small for that, among others that stay.
"""

import ctypes
from collections.abc import Callable
from typing import Final

COUNTED: Final = 16_384
"""Bytes of a body or message from which on it is counted: smaller ones, as nearly all are, leave little behind."""
PER_TRIM: Final = 32 * 2**20
"""Bytes of such bodies after which freed memory is given back: at some milliseconds each time, a hundredth of what
it takes to parse them."""

_trim: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""malloc_trim(3); None where the C library, such as musl, gives memory back by itself."""


class FreedMemory:
    """Gives freed memory back to the system each time that so many bytes of large bodies were read."""

    def __init__(self) -> None:
        self._read = 0

    def note(self, size: int) -> None:
        """Note a body or message that was read."""
        if size < COUNTED:
            return
        self._read += size
        if self._read >= PER_TRIM:
            self._read = 0
            if _trim is not None:
                _trim(0)
