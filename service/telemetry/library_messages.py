"""The lines of libraries, in the form of the service's own, bounded, and without the secrets that they are given."""

import logging
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

import structlog

from service.values.masked import MASK

LONGEST_MESSAGE: Final = 2000
"""Characters of a library's message in a log line: it may repeat what another server has said."""
LONGEST_TRACEBACK: Final = 20_000
"""Characters of a traceback in a library's line."""
SHORTEST_SECRET: Final = 4
"""Characters of a word that is masked: a shorter one is no secret, and in other words too."""

_HEADERS: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""Variables of headers with commas between, of which each value may be a key for the collector."""
_ADDRESSES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Variables of addresses, whose query may have such a key, as their user and password may."""
_IN_ADDRESS: Final = re.compile(r"//([^/?#]*)@|\?([^#]*)")


class LibraryMessages(logging.Handler):
    """A handler that writes the lines of libraries."""

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        """Mask what is secret in some variables of the environment."""
        super().__init__()
        words = {word for word in _secret_words(variables) if len(word) >= SHORTEST_SECRET}
        longest_first = sorted(words, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if words else None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; a traceback that repeats a secret, or is long, by its last lines in the message alone."""
        message, exception = record.getMessage(), None
        if record.exc_info and record.exc_info[0]:
            text = "".join(traceback.format_exception(*record.exc_info))
            if len(text) <= LONGEST_TRACEBACK and self._masked(text) == text:
                exception = record.exc_info
            else:
                message = f"{message}: {''.join(traceback.format_exception_only(*record.exc_info[:2])).strip()}"
        message = self._masked(message)
        shown = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}..."
        log = structlog.get_logger()
        log.log(record.levelno, "library_message", logger=record.name, message=shown, exc_info=exception)

    def _masked(self, text: str) -> str:
        return self._secrets.sub(MASK, text) if self._secrets else text


def _secret_words(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the words of all values that may be secrets, as they were set and as they are decoded."""
    for name in _HEADERS:
        for header in variables.get(name, "").split(","):
            before, equals, value = header.partition("=")
            given = value if equals else before
            yield from given.split()
            yield from unquote(given).split()
    for name in _ADDRESSES:
        for user, query in _IN_ADDRESS.findall(variables.get(name, "")):
            yield from (user or query, unquote(user or query), user.partition(":")[2], unquote(user.partition(":")[2]))
