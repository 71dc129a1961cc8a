"""The output of commands: JSON for programs; sentences, tables and progress for people.

Nothing else in this package writes to a terminal (a test holds it to that), so that everything goes by way of
`escape`: most of what commands print was named by somebody else.
"""

import getpass
import io
import os
import select
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final, TextIO

import click

from service.errors import StartupError
from service.http.responses import encode
from service.telemetry.terminal import escape, escape_cell, escape_json, width

if TYPE_CHECKING:
    from typing_extensions import Buffer


class OutputFailed(StartupError, OSError):
    """An output that can't be written, such as on a full disk."""


class ReaderGone(OSError):
    """An output whose reader has ended, as in `| head`: nothing is wrong, and nothing more to be said."""


class OutputFile(io.FileIO):
    """An open file to write to; after a failure it takes no more, as others write again what is left, and at the end.

    It is taken as it is: where it stands, whether it appends, whether others share it, and even if it does not block.
    """

    def __init__(self, descriptor: int, name: str, *, closefd: bool = False) -> None:
        super().__init__(descriptor, "wb", closefd=closefd)
        self._called = name
        self._failed = False

    def give_up(self) -> None:
        """Take no more."""
        self._failed = True

    def write(self, data: "Buffer", /) -> int:
        """Write some of the data.

        Raises:
            ReaderGone: it is a pipe that nothing reads any more.
            OutputFailed: it can't be written; the sentence says why.
        """
        if self._failed:
            return memoryview(data).nbytes
        try:
            while (written := super().write(data)) is None:
                select.select([], [self], [])
        except BrokenPipeError as error:
            self._failed = True
            raise ReaderGone from error
        except OSError as error:
            self._failed = True
            raise OutputFailed(f"{self._called} can't be written: {error.strerror}.") from error
        except BaseException:  # by a signal, behind a part that was written: it would be written once more
            self._failed = True
            raise
        return written


class AtTerminal(io.BufferedIOBase):
    """A terminal that lines of JSON are written to as if it were a file."""

    def __init__(self, terminal: IO[bytes]) -> None:
        self._terminal = terminal

    def write(self, line: "Buffer", /) -> int:
        """Write a whole line, with everything in it escaped that acts on a terminal."""
        text = bytes(line).decode().removesuffix("\n")
        return self._terminal.write(f"{escape_json(text)}\n".encode())


def take_over_streams() -> None:
    """Have all that is printed escaped where the terminal's encoding lacks it, and failures told in a sentence.

    A stream that the process was started without gets its number back, so that no file or connection that is opened
    later is taken for it. Nothing can be read from it, or written to it; what goes to standard error is lost.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest number that is free
    if sys.stdin is None:
        sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc] # noqa: SIM115 - for good
    sys.stdout = sys.__stdout__ = _text(sys.stdout)  # type: ignore[misc] # it is final for others
    if sys.stderr is None:
        sys.stderr = sys.__stderr__ = open(2, "w", closefd=False)  # type: ignore[misc] # noqa: SIM115 - for good


def _text(replaced: TextIO | None) -> "io.TextIOWrapper[Any]":
    encoding = (replaced.encoding if replaced else None) or "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(OutputFile(1, "Standard output")), encoding, "backslashreplace")


def say(*lines: str) -> None:
    """Print lines to standard output."""
    _write(sys.stdout, [escape(line, sys.stdout.encoding) for line in lines])


def say_fields(*fields: str) -> None:
    """Print a line of several fields, with two spaces between them, which stand in none."""
    _write(sys.stdout, ["  ".join(escape_cell(each, sys.stdout.encoding) for each in fields).rstrip()])


def tell(*lines: str) -> None:
    """Print lines to standard error, where it takes them: what is told there decides nothing."""
    with suppress(OSError):
        _write(sys.stderr, [escape(line, sys.stderr.encoding) for line in lines])


def show_json(answer: Any) -> None:
    """Print a JSON object, such as an answer of the API, on a line."""
    _write(sys.stdout, [_json(answer, sys.stdout)])


def tell_json(answer: Any) -> None:
    """Print a JSON object to standard error, on a line."""
    with suppress(OSError):
        _write(sys.stderr, [_json(answer, sys.stderr)])


def warn(sentence: str, *, as_json: bool) -> None:
    """Tell of something that stands in the way of nothing; as JSON where what is told there is read by a program."""
    if as_json:
        tell_json({"status": "WARNING", "msg": sentence})
    else:
        tell(sentence)


def _json(answer: Any, stream: TextIO) -> str:
    return escape_json(encode(answer).decode(), only_ascii=stream.encoding.lower() not in {"utf-8", "utf8"})


def _write(stream: TextIO, lines: Sequence[str]) -> None:
    stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


def show_table(headings: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print rows below their headings, in columns as wide as they need to be; a sentence if there are none."""
    if not rows:
        say(empty)
        return
    encoding = sys.stdout.encoding
    texts = [[*headings], *([escape_cell(shown(cell), encoding) for cell in row] for row in rows)]
    widths = [max(width(row[column]) for row in texts) for column in range(len(headings))]
    _write(
        sys.stdout,
        [
            "  ".join(cell + " " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)).rstrip()
            for row in texts
        ],
    )


def instant(text: str | None) -> datetime | None:
    """Return a time of an answer, to be shown to a person; None if it has none."""
    return None if text is None else datetime.fromisoformat(text)


def until(text: str | None) -> str:
    """Return the words that say until when something holds; none if it does for ever."""
    return "" if text is None else f" until {shown(instant(text))}"


def shown(cell: object) -> str:
    """Return a cell as a person reads it: yes and no, times to the second, and a dash for nothing."""
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if hasattr(cell, "strftime"):
        return str(cell.strftime("%Y-%m-%d %H:%M:%SZ"))
    return str(cell)


def short_permission_names(permissions: Sequence[str]) -> str:
    """Join names of permissions, without the prefix that all of them have."""
    return ", ".join(name.removeprefix("flow_pipeline:") for name in permissions)


_YES: Final = frozenset({"y", "yes"})
_NO: Final = frozenset({"n", "no", ""})


def ask(question: str) -> None:
    """Ask a person, at standard error.

    Raises:
        Abort: the answer is no, or none comes.
    """
    while True:
        with suppress(OSError):
            sys.stderr.write(f"{escape(question, sys.stderr.encoding)} [y/N]: ")
            sys.stderr.flush()
        try:
            line = sys.stdin.readline()
        except (OSError, ValueError):  # it is closed, or what comes is no text
            line = ""
        answer = line.strip().lower()
        if answer in _YES:
            return
        if answer in _NO:
            if not line.endswith("\n"):
                tell("")
            raise click.Abort


def ask_secret(question: str) -> str:
    """Ask a person for a secret without showing it; or read it from standard input, if that is no terminal.

    Raises:
        StartupError: none comes, or it can't be asked for without showing it.
    """
    try:
        if sys.stdin.isatty():
            with warnings.catch_warnings():
                warnings.simplefilter("error", getpass.GetPassWarning)
                return getpass.getpass(escape(question, sys.stderr.encoding))
        line = sys.stdin.readline(_LONGEST_SECRET)
    except getpass.GetPassWarning:
        raise StartupError("The terminal would show the token: give it at standard input.") from None
    except (OSError, ValueError, EOFError):  # it is closed, or what comes is no text
        line = ""
    if not line.strip():
        raise StartupError("No token was given: type it, or let standard input have it.")
    return line


_LONGEST_SECRET: Final = 20_000


@contextmanager
def progress(what: str, unit: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows a person at a terminal how much of something is done, when told of some more.

    Args:
        what: is done, such as "Importing".
        unit: "MB", which is told of in bytes, or what is counted one by one.
        total: of all; None if that is not known.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    done = 0

    def show(more: int) -> None:
        nonlocal done
        done += more
        part = f"{done * 100 // total:>3}%  " if total else ""
        amount = f"{done / 1e6:,.0f}" if unit == "MB" else f"{done:,}"
        with suppress(OSError):
            sys.stderr.write(f"\r{escape(f'{what}  {part}{amount} {unit}', sys.stderr.encoding)}")
            sys.stderr.flush()

    try:
        yield show
    finally:
        tell("")
