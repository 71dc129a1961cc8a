"""The check of the audit trail's months."""

from typing import Final

from service.doctor.checks import Finding
from service.doctor.facts import TrailState
from service.settings import Settings
from service.values.months import Month

MONTHS_AHEAD: Final = 2
"""Months of the audit trail behind the present one that are to be there."""


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
