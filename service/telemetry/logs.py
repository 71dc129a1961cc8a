"""The form of log lines: one JSON object a line for machines, coloured text for a person at a terminal.

An event's name is a constant and its values are keywords: identifiers, never objects, and never a token. A line with
many of them gives them as one mapping, `fields`: structlog copies keywords four times on their way.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

import orjson
import structlog

from service.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Send this process's log lines, and those of its libraries, to standard output."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stdout.isatty())
    level = logging.getLevelNamesMapping()[settings.log_level]
    structlog.configure(
        processors=_CONSOLE if console else _JSON,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=(structlog.PrintLoggerFactory(sys.stdout) if console else lambda *_: _Lines(sys.stdout.buffer)),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=max(level, logging.WARNING), force=True)


def _as_json(_: object, level: str, event: structlog.typing.EventDict) -> bytes:
    """Encode one line, beginning with time, level and event.

    It is the only processor, as each costs every request a call.
    """
    name, fields = event.pop("event"), event.pop("fields", _NO_FIELDS)
    line: structlog.typing.EventDict = {
        "timestamp": datetime.now(UTC),
        "level": level,
        "event": name,
        **fields,
        **event,
    }
    if "exc_info" in line:
        line = structlog.processors.format_exc_info(_, level, line)
    return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z)


class _Lines:
    """Writes lines to a file; those of one turn of the event loop together, so that a busy one makes few system calls.

    Lines that are not written yet when the process is killed are those of that turn. Where the output is closed, the
    service goes on without a log.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: list[bytes] = []

    def msg(self, line: bytes) -> None:
        """Write one line."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # of a command, or of a thread
            self._write([line])
            return
        if not self._lines:
            loop.call_soon(self._flush)
        self._lines.append(line)

    debug = info = warning = error = critical = exception = msg

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        self._write(lines)

    def _write(self, lines: Sequence[bytes]) -> None:
        with suppress(OSError):
            self._file.write(b"\n".join(lines) + b"\n")
            self._file.flush()


def flat(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Return the event with its `fields` as values of its own."""
    return {**event.pop("fields", _NO_FIELDS), **event}


_NO_FIELDS: Final[dict[str, Any]] = {}
_JSON: Final[list[Any]] = [_as_json]
_CONSOLE: Final[list[Any]] = [
    flat,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.dev.ConsoleRenderer(),
]


class _Forward(logging.Handler):
    """A handler that writes the lines of libraries in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        exception = record.exc_info if record.exc_info and record.exc_info[0] else None
        log.log(record.levelno, "library_message", logger=record.name, message=record.getMessage(), exc_info=exception)
