"""The command `doctor`: checks of an installation from inside."""

import asyncio

import click

from service.commands.options import json_option
from service.commands.output import say, show_json
from service.doctor.checks import Deployment, Finding
from service.doctor.examine import examine
from service.embedded.cluster import as_service, database_url
from service.settings import read_settings


@click.command("doctor")
@click.option("--replicas", type=click.IntRange(1), default=1, show_default=True, help="How many run, at most.")
@click.option("--grace", type=click.FloatRange(0), default=30, show_default=True, help="Seconds until a kill.")
@click.option("--pre-stop", type=click.FloatRange(0), default=0, show_default=True, help="Seconds before SIGTERM.")
@click.option("--memory", type=click.IntRange(1), help="MiB that a process may take.")
@json_option
def doctor_command(replicas: int, grace: float, pre_stop: float, memory: int | None, as_json: bool) -> None:
    """Check this installation with the settings of `serve`: what is wrong, and what to do about it.

    Looks at the server, encryption, the role and its privileges, migrations, a pooler in between, limits of
    connections, clocks, whether what the settings allow fits into the memory of a process, and an end of it into the
    grace it is given (--grace is terminationGracePeriodSeconds, --pre-stop what a preStop hook waits). Changes
    nothing. Exits with 1 if anything is wrong.
    """
    settings = read_settings()
    with database_url(settings) as dsn:
        deployment = Deployment(replicas, grace, pre_stop, memory)
        findings = asyncio.run(examine(as_service(dsn, settings), settings, deployment))
    wrong = any(finding.state == "wrong" for finding in findings)
    if as_json:
        show_json({"status": "ERROR" if wrong else "OK", "checks": findings})
    else:
        say(*(line for finding in findings for line in _lines(finding)))
    if wrong:
        raise SystemExit(1)


def _lines(finding: Finding) -> list[str]:
    line = f"{finding.state:<8} {finding.check:<18} {finding.found}"
    return [line, f"{'':<27} {finding.remedy}"] if finding.remedy else [line]
