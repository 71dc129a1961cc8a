"""The messages of marshmallow about a request, as failures tell them."""

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(messages: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield marshmallow's nested messages by one dotted name each."""
    if isinstance(messages, Mapping):
        for key, nested in messages.items():
            yield from flatten(nested, f"{path}.{key}" if path else str(key))
    else:
        yield path, [str(message) for message in messages]
