"""Names that are given more than once: of several values of one name, readers take the first or the last."""

from collections import Counter
from collections.abc import Iterable


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that come more than once, each once, in the order in which they first come."""
    return [name for name, number in Counter(names).items() if number > 1]
