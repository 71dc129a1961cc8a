"""The commands `audit archive` and `audit verify`: months of the trail in files, and the proof that it is unaltered."""

import asyncio
import io
import os
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click

from service.audit.archives.files import MANIFEST, BadArchive
from service.audit.archives.verifying import Archives, TrailVerification, read_copies
from service.audit.archives.writing import Archiver, Outcome
from service.audit.verification import Alteration, Published
from service.commands.context import require_migrated
from service.commands.options import INPUT_FILE, json_option
from service.commands.output import progress, say, say_fields, show_json, tell
from service.commands.target import open_target
from service.database.connector import Raw, connect
from service.database.pool import Connection
from service.database.session_defaults import lift_transaction_timeout
from service.embedded.cluster import database_url
from service.errors import StartupError
from service.settings import Settings, read_settings
from service.values.months import Month, parse_month

Result = TypeVar("Result")

_MAX_LINE: Final = 2**20
"""Characters of a log's line that are read at once; a line with a seal has some hundreds."""
MAX_SHOWN: Final = 1_000
"""Alterations that are shown; the others are counted."""


class _MonthType(click.ParamType[Month]):
    name = "YYYY-MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Month:
        month = value if isinstance(value, Month) else parse_month(value)
        if month is None:
            self.fail(f"{value!r} is no month, as 2026-01 is one.", param, ctx)
        return month


class _Directory(click.Path):
    """A directory, by a name that is not empty: Path would have that for the folder that the command works in."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        if not os.fspath(value):
            raise StartupError("The name of the directory is empty: give a path, or . for the one that this works in.")
        return super().convert(value, param, ctx)


@click.command("archive")
@click.option("--before", type=_MonthType(), help="The first month that stays. Default: by AUDIT_RETENTION_MONTHS.")
@click.option("--to", "directory", required=True, type=_Directory(), help="The directory to write to.")
@click.option("--drop", is_flag=True, help="Drop what was archived; else it stays in the database, beside the trail.")
@json_option
def archive_command(before: Month | None, directory: Path, drop: bool, as_json: bool) -> None:
    """Archive the months before another one, and take them out of the trail.

    A folder for each month has the entries of each organization as NDJSON, packed by gzip, the seals that prove them,
    and manifest.json with counts and hashes. All is read again and compared with the seals before anything is taken
    out of the trail; without --drop, the month's table stays in the database. Ended before its time, it goes on where
    it was. Connects as the owner of the tables.
    """
    _refuse_server()
    settings = read_settings()
    first = _first_kept(before, settings.audit_retention_months)

    async def work(raw: Raw) -> list[Outcome]:
        archiver = Archiver(raw, directory, open_target, drop)
        with progress("Archiving", "months") as show:
            found = []
            async for outcome in archiver.archive(first):
                found.append(outcome)
                show(1)
        return found

    outcomes = _with_database(settings, work)
    if as_json:
        show_json({"status": "OK", "before": str(first), "months": [each._asdict() for each in outcomes]})
        return
    if not outcomes:
        say(f"Nothing to archive: no partition of the trail ends before {first}.")
    for each in outcomes:
        done = "archived and dropped" if each.dropped else f"archived; the table {each.partition} is still there"
        fields = each.month, f"{each.entries:,} entries", f"{each.organizations:,} organizations", done
        say_fields(*fields, f"manifest.json {each.manifest_sha256}")


def _first_kept(before: Month | None, retention: int) -> Month:
    present = Month.of(datetime.now(UTC))
    if before is None and not retention:
        raise click.UsageError("Say --before, or set AUDIT_RETENTION_MONTHS: without, every month stays.")
    first = before or present.plus(-retention)
    if first > present:
        raise click.BadParameter(f"The present month, {present}, is not over: it stays.", param_hint="--before")
    return first


@click.command("verify")
@click.option("--archive", "directories", multiple=True, type=_Directory(), help="A directory of archives.")
@click.option("--only-archives", is_flag=True, help="Verify the archives without the database.")
@click.option(
    "--log",
    type=INPUT_FILE,
    metavar="FILE",
    help="Log lines with seals as they were published; others are left out.",
)
@json_option
def verify_command(directories: tuple[Path, ...], only_archives: bool, log: IO[bytes] | None, as_json: bool) -> None:
    """Prove by the seals that no entry of the trail was changed, dated back, put in or taken away since it was sealed.

    Verifies the database and with --archive also what `audit archive` has written; --only-archives takes no database.
    A superuser can seal anew what they have altered: --log compares the seals with the lines audit_sealed of a log that
    is kept elsewhere. What was written since the last seal is not sealed yet, and proves nothing. Exits with 1 if
    anything was altered.
    """
    _refuse_server()
    if only_archives and not directories:
        raise click.UsageError("Say by --archive which archives: --only-archives verifies nothing else.")
    try:
        archives = Archives.open(directories)
    except BadArchive as error:
        raise StartupError(str(error)) from error
    published = None if log is None else _read_log(log)
    verification = TrailVerification(archives, published)
    if only_archives:
        found = asyncio.run(_collect(verification, None))
    else:
        found = _with_database(read_settings(), lambda raw: _verify_in_one_snapshot(verification, raw))
    _report(verification, *found, published, as_json=as_json)
    if found[1]:
        raise SystemExit(1)


def _read_log(log: IO[bytes]) -> Published:
    """Return what a log has published.

    Raises:
        StartupError: it has no seal, so that it would prove nothing.
    """
    text = io.TextIOWrapper(log, encoding="utf-8", errors="replace", newline="\n")
    found = read_copies(iter(lambda: text.readline(_MAX_LINE), ""))
    text.detach()  # the command closes the file
    if not found:
        raise StartupError(
            "The log has no line audit_sealed, so that nothing could be compared with it: give the lines as `serve`"
            " wrote them in JSON, and unpacked."
        )
    return found


async def _verify_in_one_snapshot(verification: TrailVerification, raw: Raw) -> tuple[list[Alteration], int]:
    async with raw.transaction(isolation="repeatable_read", readonly=True):
        await lift_transaction_timeout(raw)
        return await _collect(verification, Connection(raw))


async def _collect(verification: TrailVerification, connection: Connection | None) -> tuple[list[Alteration], int]:
    """Return the first alterations, and the number of all."""
    found, number = list[Alteration](), 0
    async for alteration in verification.verify(connection):
        number += 1
        if number <= MAX_SHOWN:
            found.append(alteration)
    return found, number


def _report(
    verification: TrailVerification,
    found: list[Alteration],
    number: int,
    published: Published | None,
    *,
    as_json: bool,
) -> None:
    counted = verification.verification
    verified = counted.sealed - verification.not_looked_at
    compared = None if published is None else sum(each <= counted.seals for each in published)
    if as_json:
        show_json(
            {
                "status": "ERROR" if number else "OK",
                "seals": counted.seals,
                "sealed": verified,
                **({} if compared is None else {"published": compared}),
                "unsealed": counted.unsealed,
                "archived": verification.not_looked_at,
                "altered": number,
                "alterations": [each._asdict() for each in found],
            }
        )
        return
    say(*(f"{each.kind:<9} {each.sentence}" for each in found))
    if number > len(found):
        say(f"Not shown are {number - len(found):,} more.")
    say(f"{verified:,} entries were compared with the seals up to {counted.seals}: {number or 'none'} altered.")
    if compared is not None:
        say(f"{compared:,} of the seals were compared with the log.")
    for folder in verification.archives.unfinished:
        tell(f"{folder} was not looked at, as it has no {MANIFEST}: `audit archive` was ended, or somebody removed it.")
    if verification.not_looked_at:
        noted = "by what manifests say" if verification.alone else "by what the database has noted"
        left = f"{verification.not_looked_at:,} more"
        tell(f"{left} are in other archives, {noted}: give these by --archive to verify them, too.")
    if counted.unsealed:
        tell(
            f"{counted.unsealed:,} entries since the last seal are not sealed yet: nothing shows what is done to them."
        )


def _refuse_server() -> None:
    """Refuse a server, which these commands work on none of."""
    above = click.get_current_context().find_root().params
    if any(above.get(name) for name in ("server", "context", "plaintext")):
        raise click.UsageError("This command works beside the database: it takes no --server and no --context.")


def _with_database(settings: Settings, work: Callable[[Raw], Coroutine[Any, Any, Result]]) -> Result:
    async def run(dsn: str) -> Result:
        await require_migrated(dsn, settings)
        raw = await connect(dsn, plaintext=settings.database_plaintext)
        try:
            return await work(raw)
        finally:
            await raw.close(timeout=5)

    with database_url(settings) as dsn:
        return asyncio.run(run(dsn))
