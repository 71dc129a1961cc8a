"""Checks of what is in the tables: things that nothing new could be like, or that an operator has to decide about."""

from collections.abc import Sequence
from typing import Final

from service.database.triggers import Fault
from service.doctor.checks.finding import Finding
from service.doctor.facts import Keeper, OddName, TrailState
from service.settings import Settings
from service.values.months import Month

MONTHS_AHEAD: Final = 2
"""Months of the audit trail behind the present one that are to be there."""


def check_times(unbounded: Sequence[str]) -> Finding:
    """Check that the database refuses times out of bounds in every column that a client can set."""
    if unbounded:
        found = f"nothing keeps infinity out of {', '.join(unbounded)}"
        return Finding("times", "wrong", found, "Run `migrate`; restore the constraints that somebody has dropped.")
    return Finding("times", "ok", "within bounds in every column that a client can set")


def check_tokens(escaped: int) -> Finding:
    """Check that no token is better than the one that it was made with, or has survived it."""
    if escaped:
        found = f"{escaped} live longer, or may more, than the token they were made with, or have survived it"
        return Finding("tokens", "wrong", found, "Revoke them: something else than the service has changed tokens.")
    return Finding("tokens", "ok", "none is better than the one it was made with")


def check_names(odd: Sequence[OddName]) -> Finding:
    """Check that nothing has a name that nothing new could have."""
    if odd:
        first = odd[0]
        what, remedy = _ODD_NAMES[first.fault]
        more = f", and {len(odd) - 1} more of such things" if len(odd) > 1 else ""
        found = f"{first.kind} {first.key} of organization {first.organization_id} {what}{more}"
        return Finding("names", "warning", found, remedy)
    return Finding("names", "ok", "all are names that can be seen, compared and addressed")


_ODD_NAMES: Final = {
    "address": (
        "is called like an address of the API",
        "`import` its record with the same id and another name; a job is registered anew, and this one forgotten.",
    ),
    "unfit": (
        "has a name of control, bidirectional or only invisible characters",
        "Rename it, or `import` refuses what is exported here; of a token, make another, and revoke it.",
    ),
    "duplicate": (
        "has a name that counts as another one's, or was named by an older version",
        "Rename it; to what it is called already, if nothing else has that name.",
    ),
}


def check_kept_grants(keepers: Sequence[Keeper]) -> Finding:
    """Check that nobody who was demoted still manages pipelines by grants that they made to themselves."""
    if keepers:
        first = keepers[0]
        more = f", and {len(keepers) - 1} more like them" if len(keepers) > 1 else ""
        found = f"{first.username} of {first.organization} still manages {first.pipelines} pipelines by grants to"
        remedy = "`user role USERNAME member --withdraw-grants` takes them back, or let a manager set them anew."
        return Finding("kept grants", "warning", f"{found} themselves, though a member now{more}", remedy)
    return Finding("kept grants", "ok", "no member manages pipelines by what they granted themselves in another role")


def check_audit(trail: TrailState, settings: Settings) -> Finding:
    """Check that the months of the audit trail are there, and that those beyond the retention were archived."""
    kept, present = settings.audit_retention_months, Month.of(trail.now)
    ahead = Month.of(trail.parts[-1].begin or trail.now).minus(present) - 1
    overdue = [each.name for each in trail.parts if each.end is not None and each.end <= present.plus(-kept).begin]
    if ahead < MONTHS_AHEAD:
        found = f"of its months, {MONTHS_AHEAD} ahead are to be there, and {max(0, ahead)} are"
        remedy = "Run `migrate`, which makes them; the log of `serve` says by audit_month_not_made why it could not."
    elif interrupted := [each.name for each in trail.parts if each.detaching]:
        found = f"{interrupted[0]} is half taken out of it"
        remedy = "Run `audit archive` again, with the same --before and --to."
    elif trail.misplaced:
        found = "something is dated behind all its months"
        remedy = "A clock is wrong, or somebody has written it: `audit tail` shows it, and `audit verify` tells more."
    elif kept and overdue:
        found = f"{overdue[0]} is older than the {kept} months of AUDIT_RETENTION_MONTHS"
        remedy = "Run `audit archive --to DIR`: docs/how-to/keep-the-audit-trail.md says how."
    else:
        return Finding("audit", "ok", f"{ahead} months ahead are there, of {len(trail.parts)} partitions")
    return Finding("audit", "warning", found, remedy)


def check_triggers(faults: Sequence[Fault] | None) -> Finding:
    """Check that no row can change without the triggers that tell of it."""
    if faults is None:
        return Finding("triggers", "skipped", "the database has other migrations than this version")
    if not faults:
        return Finding("triggers", "ok", "all are there, and fire in all the sessions that they should")
    first, more = faults[0], f", and {len(faults) - 1} more like it" if len(faults) > 1 else ""
    return Finding("triggers", "wrong", f"{first.found}{more}", first.advice)


def check_mapped_groups(missing: Sequence[tuple[str, Sequence[str]]]) -> Finding:
    """Check that every group to which a claim is mapped exists: by a missing one, the claim gives nothing."""
    if not missing:
        return Finding("mapped groups", "ok", "all that OIDC_GROUPS maps to exist")
    found = "; ".join(f"{issuer} is mapped to {', '.join(names)}" for issuer, names in missing)
    remedy = "Make them by `group create`, or correct OIDC_GROUPS: by a group that does not exist nobody gets anything."
    return Finding("mapped groups", "warning", f"groups that do not exist: {found}", remedy)
