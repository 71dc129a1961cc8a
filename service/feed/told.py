"""The changes that a caller is told by an entry of the audit trail."""

from typing import Any, NamedTuple


class Told(NamedTuple):
    """One change."""

    target: str
    """The thing that was changed, as kind:key."""
    type: str
    data: dict[str, Any]
    number: int = 1
    """Its place in the entry, from 1, which is the same for all callers."""
