"""The command `doctor`: checks of an installation from inside."""

import asyncio

import click

from service.commands.options import json_option
from service.commands.output import say, show_json, show_table
from service.doctor.checks import Deployment, Finding
from service.doctor.effective import as_set, list_effective
from service.doctor.examine import examine
from service.embedded.cluster import as_service, database_url
from service.settings import Settings, read_settings


@click.command("doctor")
@click.option("--replicas", type=click.IntRange(1), default=1, show_default=True, help="How many run, at most.")
@click.option("--grace", type=click.FloatRange(0), default=30, show_default=True, help="Seconds until a kill.")
@click.option("--pre-stop", type=click.FloatRange(0), default=0, show_default=True, help="Seconds before SIGTERM.")
@click.option("--memory", type=click.IntRange(1), help="MiB that a process may take.")
@click.option("--settings", "lists", is_flag=True, help="List the settings in effect, and check nothing.")
@json_option
def doctor_command(
    replicas: int, grace: float, pre_stop: float, memory: int | None, lists: bool, as_json: bool
) -> None:
    """Check this installation with the settings of `serve`: what is wrong, and what to do about it.

    Looks at the server, encryption, the role and its privileges, migrations, a pooler in between, limits of
    connections, clocks, whether what the settings allow fits into the memory of a process, and an end of it into the
    grace it is given (--grace is terminationGracePeriodSeconds, --pre-stop what a preStop hook waits). Changes
    nothing. Exits with 1 if anything is wrong.

    By --settings it lists every setting as it is in effect, secrets masked, and where it comes from.
    """
    settings = read_settings()
    if lists:
        _show_settings(settings, as_json=as_json)
        return
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


def _show_settings(settings: Settings, *, as_json: bool) -> None:
    listed = list_effective(settings)
    if as_json:
        show_json({"status": "OK", "traces": settings.tracing, "settings": listed})
        return
    rows = [(each.name, as_set(each.value), each.source, each.description) for each in listed]
    rows.append(("OTEL_…", "on" if settings.tracing else "off", "", "On if OpenTelemetry's variables ask for traces."))
    show_table(("SETTING", "VALUE", "FROM", "WHAT IT IS"), rows, "")


def _lines(finding: Finding) -> list[str]:
    line = f"{finding.state:<8} {finding.check:<18} {finding.found}"
    return [line, f"{'':<27} {finding.remedy}"] if finding.remedy else [line]
