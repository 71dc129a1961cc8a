"""The end of a command: its exit code, and what is said of a failure, in a sentence or as JSON."""

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import FrameType
from typing import Any, Final

import asyncpg
import click

from service.commands.output import OutputFailed, ReaderGone, take_over_streams, tell, tell_json
from service.commands.target import TargetUnusable
from service.database.errors import NOT_MIGRATED_ERRORS, is_lost
from service.database.failures import in_one_line
from service.errors import InvalidArgument, ServiceError, StartupError
from service.transfer.importing import ImportRefused


class ExitCode(IntEnum):
    """The codes that commands end with. A command that a signal ends has 128 and the signal's number, as in a shell."""

    DONE = 0
    REFUSED = 1
    """Refused by a rule, with nothing changed; or a check has found something."""
    IMPOSSIBLE = 2
    """A setting, the database, a file or the output stands in the way."""
    USAGE = 64
    """The command line is wrong; EX_USAGE of sysexits.h."""


EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 refused, or a check found something; 2 a setting, the database, a file or the output stands"
    " in the way; 64 the command line is wrong; 128 and a signal's number where a signal ended it, as 130 by Ctrl-C and"
    " 141 where the reader of the output had gone."
)
"""For the help; docs/reference/commands.md says the same."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as it is told."""

    exit_code: int
    code: str
    """A google.rpc.Code, as the API tells it."""
    lines: Sequence[str]
    """Nothing is told if there are none."""
    details: Mapping[str, Sequence[str]] = field(default_factory=dict)
    usage: Sequence[str] = ()
    """Lines for a person who has got the command line wrong."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form of what commands tell: the object of click's contexts."""

    as_json: bool


def run_command(command: click.Command, arguments: Sequence[str], name: str) -> int:
    """Run a command and return its exit code; whatever goes wrong is told at standard error, and never by a traceback.

    With --json a failure is one JSON object, of the form that the API gives failures.
    """
    take_over_streams()
    _end_by_signals()
    try:
        _require_text(arguments)
        ended = command.main(
            [*arguments], prog_name=name, standalone_mode=False, obj=Form(as_json=_wants_json(arguments))
        )
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.REFUSED
    except Exception as error:
        failure = _explain(error)
        if failure is None:
            raise
        _tell(failure, name, as_json=_wants_json(arguments))
        return failure.exit_code
    return ended if isinstance(ended, int) else ExitCode.DONE


def _wants_json(arguments: Sequence[str]) -> bool:
    """Return whether --json is among the options, also where they can't be parsed."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]


def _tell(failure: Failure, name: str, *, as_json: bool) -> None:
    if not failure.lines:
        return
    if as_json:
        # Before it is encoded, as JSON has no lone surrogates, which arguments and paths may have.
        message = "\n".join(failure.lines).encode("utf-8", "backslashreplace").decode()
        body: dict[str, Any] = {"status": "ERROR", "msg": message, "code": failure.code}
        tell_json({**body, "details": failure.details} if failure.details else body)
        return
    tell(*failure.usage)
    tell(*(f"{name}: {line}" for line in failure.lines))


def _require_text(arguments: Sequence[str]) -> None:
    """Refuse arguments that are no text in the encoding of this environment.

    Raises:
        StartupError: one is not; the sentence says which.
    """
    for number, argument in enumerate(arguments, 1):
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise StartupError(
                f"Argument {number} is not valid {sys.getfilesystemencoding().upper()}: {argument}. For a file of such"
                " a name, give - and redirect from or to it."
            )


def _explain(error: Exception) -> Failure | None:
    """Explain an error to an operator; None for a fault of the program's own."""
    for kinds, explain in _EXPLANATIONS:
        if isinstance(error, kinds):
            return explain(error)
    return None


def _silent(_: ReaderGone) -> Failure:
    return Failure(128 + signal.SIGPIPE, "ABORTED", ())


def _refused_import(error: ImportRefused) -> Failure:
    return Failure(ExitCode.REFUSED, InvalidArgument.code, [f"{error}; nothing was changed"])


def _not_started(error: StartupError) -> Failure:
    cause = error.__cause__
    from_file = isinstance(error, OutputFailed | TargetUnusable) or isinstance(cause, OutputFailed | ReaderGone)
    from_file = from_file or getattr(cause, "filename", None) is not None
    unreachable = isinstance(cause, _FROM_DATABASE) and not from_file
    code = "UNAVAILABLE" if unreachable else "FAILED_PRECONDITION"
    return Failure(ExitCode.IMPOSSIBLE, code, [str(line) for line in error.args])


def _refused(error: ServiceError) -> Failure:
    if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
        return _underprivileged(error.__cause__)
    if isinstance(error.__cause__, asyncpg.ReadOnlySQLTransactionError):
        return _ONLY_READS
    said = in_one_line(error.__cause__) if error.service_fault and error.__cause__ else ""
    cause = f" ({said})" if said else ""
    exit_code = ExitCode.IMPOSSIBLE if error.service_fault else ExitCode.REFUSED
    return Failure(exit_code, error.code, [error.message + cause], error.details or {})


def _underprivileged(error: asyncpg.InsufficientPrivilegeError) -> Failure:
    """Explain what the API tells as a database that is not ready: here the operator has named the role."""
    sentence = (
        f"The role of DATABASE_URL may not do this ({in_one_line(error)}): let it name the role that `migrate` runs as,"
        " such as flow_migrator; on Kubernetes the administration pod has that."
    )
    return Failure(ExitCode.IMPOSSIBLE, "FAILED_PRECONDITION", [sentence])


def _without_command(error: click.exceptions.NoArgsIsHelpError) -> Failure:
    lines = ["Say which command is to be run."]
    return Failure(ExitCode.USAGE, InvalidArgument.code, lines, usage=error.format_message().split("\n"))


def _misused(error: click.UsageError) -> Failure:
    return Failure(ExitCode.USAGE, InvalidArgument.code, [error.format_message()], usage=_usage(error))


def _aborted(error: click.Abort) -> Failure:
    if isinstance(error.__cause__, KeyboardInterrupt):
        return Failure(128 + signal.SIGINT, "ABORTED", ())
    return Failure(ExitCode.REFUSED, "ABORTED", ["Aborted! Nothing was changed; --yes does it without asking."])


def _failed_database(error: Exception) -> Failure:
    if isinstance(error, TimeoutError):
        return Failure(ExitCode.IMPOSSIBLE, "DEADLINE_EXCEEDED", ["The database took longer than it may; try again."])
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return _ONLY_READS
    if is_lost(error):
        return Failure(
            ExitCode.IMPOSSIBLE, "UNAVAILABLE", [f"The connection to the database was lost: {in_one_line(error)}."]
        )
    help_ = ""
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        help_ = " Let DATABASE_URL name the role that `migrate` runs as."
    if isinstance(error, NOT_MIGRATED_ERRORS):
        help_ = " Run `migrate`."
    return Failure(ExitCode.IMPOSSIBLE, "FAILED_PRECONDITION", [f"The database refused: {in_one_line(error)}.{help_}"])


def _failed_file(error: OSError) -> Failure:
    what = error.filename if isinstance(error.filename, str) else "The input"
    reason = error.strerror or type(error).__name__
    return Failure(ExitCode.IMPOSSIBLE, "FAILED_PRECONDITION", [f"{what} can't be read: {reason}."])


_ONLY_READS: Final = Failure(
    ExitCode.IMPOSSIBLE, "UNAVAILABLE", ["The database only reads now: `doctor` says what helps."]
)
_FROM_DATABASE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_EXPLANATIONS: Final[Sequence[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], Failure]]]] = (
    (ReaderGone, _silent),
    (ImportRefused, _refused_import),
    (StartupError, _not_started),
    (ServiceError, _refused),
    (click.exceptions.NoArgsIsHelpError, _without_command),
    (click.UsageError, _misused),
    (click.Abort, _aborted),
    ((*_FROM_DATABASE[1:], ConnectionError, TimeoutError), _failed_database),
    (OSError, _failed_file),
)
"""Explanations by the class of the error, the first that fits."""


def _usage(error: click.UsageError) -> list[str]:
    if error.ctx is None:
        return []
    return [*error.ctx.get_usage().split("\n"), f"`{error.ctx.command_path} --help` says more.", ""]


def _end_by_signals() -> None:
    """Have SIGTERM and SIGHUP end the command as Ctrl-C does, so that what is unfinished is removed; a second at once.

    `serve` replaces the handler of SIGTERM by a graceful shutdown.
    """

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)
