"""The form of log lines: one JSON object a line for machines, coloured text for a person at a terminal.

An event's name is a constant and its values are keywords: identifiers, never objects, and never a token. A line with
many of them gives them as one mapping, `fields`: structlog copies keywords four times on their way.
"""

import atexit
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
import structlog
from prometheus_client.metrics_core import Metric

from service.settings import Settings, find_unknown
from service.telemetry.library_messages import LibraryMessages
from service.telemetry.metrics import counter
from service.telemetry.outlet import Nothing, Outlet, OutletText, open_output
from service.telemetry.terminal import escape, escape_json


class Summarized(dict[str, Any]):
    """A long value of an event: machines get all of it, a person at a terminal a few values in its place."""

    def __init__(self, whole: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        super().__init__(whole)
        self.summary = summary


class LogMetrics:
    """The log lines that were lost, for /metrics."""

    def __init__(self) -> None:
        self.outlets: list[Outlet] = []

    def collect(self) -> Iterator[Metric]:
        """Yield how many lines were dropped."""
        dropped = sum(outlet.dropped for outlet in self.outlets)
        yield counter("flow_pipelines_log_lines_dropped", "Log lines dropped, as their reader has stopped.", dropped)


LOG_METRICS: Final = LogMetrics()
"""Of this process: its outputs are one of a kind."""


def configure_logs(settings: Settings, worker: int | None = None) -> None:
    """Send this process's log lines, and those of its libraries, to standard output, with the number of the worker.

    The first ones tell of variables that look like settings, but are none. From here on neither standard output nor
    standard error holds the process up, whatever writes to them.
    """
    at_terminal = sys.stdout is not None and sys.stdout.isatty()
    console = settings.log_format == "console" or (settings.log_format == "auto" and at_terminal)
    processors = _console(at_terminal) if console else _JSON_AT_TERMINAL if at_terminal else _JSON
    if worker is not None:
        processors = [_Of(worker), *processors]
    level = logging.getLevelNamesMapping()[settings.log_level]

    def say_dropped(lines: int) -> bytes:
        event: Any = {"event": "log_lines_dropped", "lines": lines}
        for process in processors:
            event = process(None, "warning", event)
        return bytes(event)

    shared = worker is not None
    outlet = _make_outlet(sys.stdout, say_dropped, shared=shared)
    if sys.stdout is sys.__stdout__ and sys.__stdout__ is not None:
        sys.stdout = OutletText(outlet, sys.__stdout__.fileno())
    if sys.stderr is sys.__stderr__ and sys.__stderr__ is not None:
        sys.stderr = OutletText(_make_outlet(sys.stderr, say_dropped, shared=shared), sys.__stderr__.fileno())
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: outlet,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[LibraryMessages()], level=max(level, logging.WARNING), force=True)
    for name, nearest in find_unknown().items() if worker is None else ():
        structlog.get_logger().warning("unknown_setting", name=name, nearest=nearest)


def _make_outlet(stream: TextIO | None, say_dropped: Callable[[int], bytes], *, shared: bool) -> Outlet:
    """Make the outlet of a stream, which several workers may share; of none where the process was started without.

    Its number may be another file's by now, which must not get the log.
    """
    if stream is None:
        return Outlet(Nothing())
    try:
        file = open_output(stream.fileno(), shared=shared)
    except io.UnsupportedOperation:  # it is in memory, as in tests
        return Outlet(stream.buffer, say_dropped)
    outlet = Outlet(file, say_dropped)
    LOG_METRICS.outlets.append(outlet)
    atexit.register(outlet.end)
    return outlet


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


def flat(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Return the event with its `fields` as values of its own, in the order in which a person reads them."""
    values: dict[str, Any] = {}
    for name, value in {**event.pop("fields", _NO_FIELDS), **event}.items():
        values |= value.summary if isinstance(value, Summarized) else {name: value}
    first = [name for name in READING_ORDER if name in values]
    return {**{name: values.pop(name) for name in first}, **values}


READING_ORDER: Final = (
    *("version", "process", "api", "operations", "method", "route", "path", "target", "status", "code", "reason"),
    *("error", "duration_ms", "database_ms", "statements", "username", "client", "user_agent", "request_id"),
)
"""Values as people look for them: what was asked, what came of it, how long it took, and who asked. Ids come last."""


class _Of:
    """A processor that adds the worker's number to each line."""

    def __init__(self, worker: int) -> None:
        self._worker = worker

    def __call__(self, _: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Add it."""
        return event if "worker" in event else {**event, "worker": self._worker}


def _escape_line(_: object, __: str, line: bytes) -> bytes:
    """Escape what acts on a terminal in a line of JSON, which has only some of it escaped."""
    return escape_json(line.decode()).encode()


class _Shown:
    """A value of an event as a person may see it: nothing in it acts on the terminal, or passes for another value."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        """Return what structlog prints."""
        if not isinstance(self._value, str):
            return escape(repr(self._value))
        shown = escape(self._value)
        return f'"{shown.replace(chr(34), _QUOTE)}"' if _AMBIGUOUS.search(shown) else shown


_AMBIGUOUS: Final = re.compile("[ =\"']|^$")
_QUOTE: Final = '\\"'
_OWN: Final = frozenset({"event", "level", "timestamp", "exc_info"})
"""The parts of a line that are none of the event's values."""


def show_values(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Return the event with its values as a terminal may show them: most of them were sent or named by others."""
    return {key: value if key in _OWN else _Shown(value) for key, value in event.items()}


def show_exception(output: TextIO, exception: structlog.typing.ExcInfo) -> None:
    """Write a traceback with each line indented, so that none of a message passes for a line of the log.

    Without the values of local variables, which may be tokens.
    """
    whole = io.StringIO()
    structlog.dev.plain_traceback(whole, exception)
    output.write("".join(f"\n  {escape(line)}" for line in whole.getvalue().strip("\n").split("\n")))


def _encode(_: object, __: str, line: str) -> bytes:
    """Encode a line for the terminal, which may lack some of its characters."""
    return line.encode(getattr(sys.__stdout__, "encoding", None) or "utf-8", "backslashreplace")


_NO_FIELDS: Final[dict[str, Any]] = {}
_JSON: Final[list[Any]] = [_as_json]
_JSON_AT_TERMINAL: Final[list[Any]] = [_as_json, _escape_line]


def _rendered(*, colors: bool) -> list[Any]:
    return [
        flat,
        show_values,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=show_exception, sort_keys=False),
        _encode,
    ]


_CONSOLE: Final = _rendered(colors=True)
_CONSOLE_PLAIN: Final = _rendered(colors=False)


def _console(at_terminal: bool) -> list[Any]:
    """Return the processors of lines for people: in colours where these are shown, and are wanted (no-color.org)."""
    shown = at_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return _CONSOLE if shown else _CONSOLE_PLAIN
