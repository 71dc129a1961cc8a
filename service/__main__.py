"""The command line: `python -m service`, or `flow-pipelines` where it is installed."""

import os
import signal

if os.getpid() == 1:
    # The kernel drops signals to process 1, as in a container, that it has no handler for. This one is handled from the
    # start, before the imports, which take half a second; `serve` replaces the handler by a graceful shutdown.
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))

_AT_CTRL_C = signal.getsignal(signal.SIGINT)
if _AT_CTRL_C is signal.default_int_handler:
    # Ctrl-C in the half second of the imports, with which nothing has begun, would end in a traceback.
    try:  # noqa: SIM105 - contextlib is one of the imports
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    except ValueError:  # this is not the main thread
        pass

import sys
from typing import Final

import click

from service.commands.audit import audit_commands
from service.commands.contexts import context_commands, whoami_command
from service.commands.declared import apply_command
from service.commands.demo import demo_command
from service.commands.doctor import doctor_command
from service.commands.ending import EXIT_CODES, Form, run_command
from service.commands.export import export_command
from service.commands.grant import grant_commands
from service.commands.group import group_commands
from service.commands.identity import identity_commands
from service.commands.import_ import import_command
from service.commands.job import job_commands
from service.commands.listing import CommandGroup
from service.commands.login import login_command, logout_command
from service.commands.migrate import migrate_command
from service.commands.organization import organization_commands
from service.commands.output import warn
from service.commands.pipeline import pipeline_commands
from service.commands.place import server_options
from service.commands.serve import serve_command
from service.commands.token import token_commands
from service.commands.user import user_commands
from service.settings import find_unknown
from service.version import __version__


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="flow-pipelines")
@server_options
@click.pass_context
def commands(context: click.Context, /, **_: object) -> None:
    """Run the Flow Pipeline service, and administer it: beside its database, or from anywhere by its API.

    Commands with the option --server work on a server, as the user of a token: on the first of --server or --context,
    FLOW_PIPELINES_SERVER, and the current context (`login` makes one, `context current` says which it is). Where none
    of these says so, and all other commands, work beside the database.

    All settings are environment variables; docs/reference/settings.md lists them. Without DATABASE_URL, every command
    beside the database uses an embedded PostgreSQL under DATA_DIR (.data), starting it if it does not run.
    """
    _refuse_server(context)
    if context.invoked_subcommand not in _LOGGING:
        as_json = isinstance(context.obj, Form) and context.obj.as_json
        for name, nearest in find_unknown().items():
            sentence = f"{name} is no setting, and ignored; did you mean {nearest}?"
            warn(sentence if as_json else f"flow-pipelines: {sentence}", as_json=as_json)


def _refuse_server(context: click.Context) -> None:
    """Refuse a server for a command that works on none.

    Raises:
        UsageError: one was named.
    """
    called = commands.commands.get(context.invoked_subcommand or "")
    named = any(context.params[name] for name in ("server", "context", "local", "plaintext"))
    if called is not None and named and called.name in _BESIDE:
        raise click.UsageError(f"The command {called.name} takes no --server and no --context.")


_BESIDE: Final = (
    *("serve", "demo", "migrate", "doctor", "import", "export", "organization", "identity"),
    *("login", "logout"),
)
"""The commands that work on no server, or say which it is in their own way."""

_LOGGING: Final = ("serve", "demo")
"""The commands that tell of unknown settings in their log."""


for command in (
    *(serve_command, demo_command, migrate_command, doctor_command, import_command, export_command),
    *(organization_commands, identity_commands, user_commands, group_commands, token_commands),
    *(pipeline_commands, grant_commands, job_commands, audit_commands),
    *(apply_command, login_command, logout_command, context_commands, whoami_command),
):
    commands.add_command(command)

if signal.getsignal(signal.SIGINT) is signal.SIG_DFL and _AT_CTRL_C is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Run the command, and end the process with its exit code."""
    exit_code = run_command(commands, sys.argv[1:], "flow-pipelines")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done and said: a traceback would say otherwise
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
