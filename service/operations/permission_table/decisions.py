"""The decisions that rows of the permission table share, and those that they are made of."""

from collections.abc import Mapping
from typing import Final

from service.operations.permission_table.verdicts import GRANTED, CallerKind, Decision, Verdict
from service.permissions import (
    DELETE,
    EXECUTE,
    FULL_ACCESS,
    MANAGE_PIPELINES,
    READ,
    SCOPE_ADMIN,
    SCOPE_SCIM,
    SCOPE_TOKENS,
    WRITE,
)

ALLOWED, NAMES, LEFT_OUT, DENIED, NARROW, HIDDEN, TAKEN = Verdict

NO_GRANT, READER, EXECUTOR, WRITER, DELETER, GRANTER, MANAGER = GRANTED
MEMBER, PIPELINE_ADMIN, ADMIN = CallerKind.MEMBER, CallerKind.PIPELINE_ADMIN, CallerKind.ADMIN
OWNER, OWNING_READER, OWNING_ADMIN = CallerKind.OWNER, CallerKind.OWNING_READER, CallerKind.OWNING_ADMIN
SELF, ITSELF, MADE_WITH = CallerKind.SELF, CallerKind.ITSELF, CallerKind.MADE_WITH
OUTSIDER, OUTSIDE_ADMIN = CallerKind.OUTSIDER, CallerKind.OUTSIDE_ADMIN

Decisions = Mapping[CallerKind, Decision]
Scopes = Mapping[int, Verdict]

MANAGERS: Final = (MANAGER, PIPELINE_ADMIN, ADMIN)
OWNERS: Final = (OWNER, OWNING_READER, OWNING_ADMIN)


def each(kinds: tuple[CallerKind, ...], verdict: Verdict, without: Scopes | None = None) -> Decisions:
    """Return one decision for several kinds of callers."""
    return dict.fromkeys(kinds, Decision(verdict, without or {}))


def holding(permission: int, before: Scopes | None = None) -> Decisions:
    """Decide what takes a permission on a pipeline: hidden without read, refused without the permission.

    Args:
        permission: that is needed.
        before: the scopes that a token needs whatever is granted, which is looked at first.
    """
    first, sees = before or {}, {**(before or {}), READ: HIDDEN}
    scope = {} if permission in sees else {permission: NARROW}
    holders = tuple(kind for kind, access in GRANTED.items() if access & permission)
    readers = tuple(kind for kind in GRANTED if kind not in (NO_GRANT, *holders))
    return {
        **each((NO_GRANT, OUTSIDER), HIDDEN, first),
        **each(readers, DENIED, sees),
        **each((*holders, PIPELINE_ADMIN, ADMIN), ALLOWED, {**sees, **scope}),
    }


def granting(access: int) -> Decisions:
    """Decide what takes the right to make grants, and to hold what is granted; to be a manager, if that is."""
    managing: Scopes = {READ: HIDDEN, MANAGE_PIPELINES: NARROW}
    further = dict.fromkeys((EXECUTE, DELETE, WRITE) if access == FULL_ACCESS else (access,), NARROW)
    return {
        **holding(MANAGE_PIPELINES),
        GRANTER: Decision(DENIED, managing),
        **each(MANAGERS, ALLOWED, {**managing, **further}),
    }


def listed(decisions: Decisions) -> Decisions:
    """Decide whether a list has an object, by who may see it."""

    def left_out(verdict: Verdict) -> Verdict:
        return LEFT_OUT if verdict is HIDDEN else verdict

    return {
        kind: Decision(left_out(one.verdict), {scope: left_out(verdict) for scope, verdict in one.without.items()})
        for kind, one in decisions.items()
    }


SEEING_A_JOB: Final[Decisions] = {
    **each(OWNERS, ALLOWED),
    **each((READER, EXECUTOR, PIPELINE_ADMIN, ADMIN), ALLOWED, {READ: HIDDEN}),
    **each((NO_GRANT, OUTSIDER, OUTSIDE_ADMIN), HIDDEN),
}
SEEING_A_JOB_IN_NONE: Final[Decisions] = {
    **each((OWNER, OWNING_ADMIN), ALLOWED),
    ADMIN: Decision(ALLOWED, {READ: HIDDEN, SCOPE_ADMIN: HIDDEN}),
    **each((MEMBER, PIPELINE_ADMIN, OUTSIDER, OUTSIDE_ADMIN), HIDDEN),
}

PUTTING: Final[Scopes] = {EXECUTE: NARROW}
"""The scopes that a token needs to put any job, which are looked at first."""
PUTTING_SEEN: Final[Scopes] = {EXECUTE: NARROW, READ: TAKEN}
THEIR_OWN: Final = each((OUTSIDER, OUTSIDE_ADMIN), ALLOWED, PUTTING)
"""Ids of jobs are taken in one organization only: elsewhere the same call registers another job."""
CHANGING_A_JOB: Final[Decisions] = {
    **each(OWNERS, ALLOWED, PUTTING),
    **each((READER, EXECUTOR, PIPELINE_ADMIN), DENIED, PUTTING_SEEN),
    ADMIN: Decision(ALLOWED, {**PUTTING_SEEN, SCOPE_ADMIN: NARROW}),
    NO_GRANT: Decision(TAKEN, PUTTING),
    **THEIR_OWN,
}
CHANGING_A_JOB_IN_NONE: Final[Decisions] = {
    **each((OWNER, OWNING_ADMIN), ALLOWED, PUTTING),
    **each((MEMBER, PIPELINE_ADMIN), TAKEN, PUTTING),
    ADMIN: Decision(ALLOWED, {**PUTTING_SEEN, SCOPE_ADMIN: TAKEN}),
    **THEIR_OWN,
}

ADMINISTRATION: Final[Decisions] = {
    **each((MEMBER, PIPELINE_ADMIN), DENIED),
    ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NARROW}),
}
ADMINISTRATION_OF: Final[Decisions] = {
    **ADMINISTRATION,
    OUTSIDER: Decision(DENIED),
    OUTSIDE_ADMIN: Decision(HIDDEN, {SCOPE_ADMIN: NARROW}),
}
PROVISIONING: Final[Decisions] = {
    **each((MEMBER, PIPELINE_ADMIN), DENIED),
    ADMIN: Decision(ALLOWED, {SCOPE_SCIM: NARROW}),
}
PROVISIONING_OF: Final[Decisions] = {
    **PROVISIONING,
    OUTSIDER: Decision(DENIED),
    OUTSIDE_ADMIN: Decision(HIDDEN, {SCOPE_SCIM: NARROW}),
}
NAMES_FOR_ALL: Final[Decisions] = {
    **each((MEMBER, PIPELINE_ADMIN), NAMES),
    ADMIN: Decision(ALLOWED, {SCOPE_ADMIN: NAMES}),
}
NAMES_WITHIN: Final[Decisions] = {**NAMES_FOR_ALL, **each((OUTSIDER, OUTSIDE_ADMIN), HIDDEN)}

REACHING_OTHERS: Final[Scopes] = {READ: NARROW, SCOPE_ADMIN: NARROW}
PIPELINES_OF_USERS: Final[Decisions] = {
    SELF: Decision(ALLOWED, {READ: NARROW}),
    ADMIN: Decision(ALLOWED, REACHING_OTHERS),
    **each((MEMBER, PIPELINE_ADMIN, OUTSIDER), DENIED, {READ: NARROW}),
    OUTSIDE_ADMIN: Decision(HIDDEN, REACHING_OTHERS),
}
GROUPS_OF_USERS: Final[Decisions] = {
    SELF: Decision(ALLOWED),
    **ADMINISTRATION_OF,
}

MAKING: Final[Scopes] = {SCOPE_TOKENS: NARROW}
MAKING_FOR_OTHERS: Final[Scopes] = {SCOPE_TOKENS: NARROW, SCOPE_ADMIN: NARROW}
OTHER_SCOPES: Final[Scopes] = dict.fromkeys(
    (READ, EXECUTE, DELETE, MANAGE_PIPELINES, WRITE, SCOPE_ADMIN, SCOPE_SCIM), NARROW
)
"""The scopes that a token needs, beside tokens, to make one that has every scope."""
TOKENS_OF_USERS: Final[Decisions] = {
    SELF: Decision(ALLOWED, MAKING),
    ADMIN: Decision(ALLOWED, MAKING_FOR_OTHERS),
    **each((MEMBER, PIPELINE_ADMIN, OUTSIDER), DENIED, MAKING),
    OUTSIDE_ADMIN: Decision(HIDDEN, MAKING_FOR_OTHERS),
}
ON_A_TOKEN: Final[Decisions] = {
    **each((OWNER, ITSELF, MADE_WITH), ALLOWED, MAKING),
    ADMIN: Decision(ALLOWED, MAKING_FOR_OTHERS),
    **each((MEMBER, PIPELINE_ADMIN, OUTSIDER), HIDDEN, MAKING),
    OUTSIDE_ADMIN: Decision(HIDDEN, MAKING_FOR_OTHERS),
}
