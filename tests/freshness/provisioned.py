"""What provisioning (SCIM) changes of a worker's user and group, in the ways in which identity providers send it."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from tests.freshness.state import IDENTITY_KINDS, Change, Names, Plan, State, losing_access

SCIM: Final = "SCIM "
"""The beginning of the method of a change by SCIM; its path has {user} and {group} for their ids."""
USER: Final = "/Users/{user}"
GROUP: Final = "/Groups/{group}"
ROLES: Final = ("admin", "pipeline_admin")


def schemas(of: str) -> dict[str, Any]:
    return {"schemas": [f"urn:ietf:params:scim:{of}"]}


def user_body(names: Names, **more: Any) -> dict[str, Any]:
    return {**schemas("schemas:core:2.0:User"), "userName": names.user, **more}


def group_body(names: Names, *members: str) -> dict[str, Any]:
    listed = [{"value": member} for member in members]
    return {**schemas("schemas:core:2.0:Group"), "displayName": names.group, "members": listed}


def _patch(path: str, *operations: dict[str, Any]) -> tuple[str, str, Any]:
    return "PATCH", path, {**schemas("api:messages:2.0:PatchOp"), "Operations": [*operations]}


def _by(call: tuple[str, str, Any], after: State) -> Change:
    method, path, body = call
    return Change(SCIM + method, path, body, after)


def _join(state: State, names: Names, chance: random.Random) -> Change | None:
    member = [{"value": "{user}"}]
    ways = (
        _patch(GROUP, {"op": "Add", "path": "members", "value": member}),
        _patch(GROUP, {"op": "add", "value": {"members": member}}),
        ("PUT", GROUP, group_body(names, "{user}")),
    )
    return None if state.deprovisioned else _by(chance.choice(ways), replace(state, joined=True))


def _leave(state: State, names: Names, chance: random.Random) -> Change | None:
    ways = (
        _patch(GROUP, {"op": "Remove", "path": "members", "value": [{"value": "{user}"}]}),
        _patch(GROUP, {"op": "remove", "path": 'members[value eq "{user}"]'}),
        _patch(GROUP, {"op": "replace", "path": "members", "value": []}),
        ("PUT", GROUP, group_body(names)),
    )
    return None if state.deprovisioned else _by(chance.choice(ways), replace(state, joined=False))


def _set_active(state: State, names: Names, chance: random.Random, *, active: bool) -> Change | None:
    ways = (
        _patch(USER, {"op": "Replace", "path": "active", "value": str(active)}),  # as Entra sends it
        _patch(USER, {"op": "replace", "value": {"active": active}}),  # as Okta does
        ("PUT", USER, user_body(names, active=active)),
    )
    return None if state.deprovisioned else _by(chance.choice(ways), replace(state, disabled=not active))


def _disable(state: State, names: Names, chance: random.Random) -> Change | None:
    return _set_active(state, names, chance, active=False)


def _enable(state: State, names: Names, chance: random.Random) -> Change | None:
    return _set_active(state, names, chance, active=True)


def _raise_role(state: State, names: Names, chance: random.Random) -> Change | None:
    role = chance.choice(ROLES)
    ways = (
        _patch(USER, {"op": "add", "path": 'roles[primary eq "True"].value', "value": role}),
        ("PUT", USER, user_body(names, active=not state.disabled, roles=[{"value": role}])),
    )
    return None if state.deprovisioned else _by(chance.choice(ways), replace(state, role=role))


def _lower_role(state: State, names: Names, chance: random.Random) -> Change | None:
    ways = (
        _patch(USER, {"op": "Remove", "path": "roles"}),
        _patch(USER, {"op": "replace", "path": "roles", "value": [{"value": "member"}]}),
        ("PUT", USER, user_body(names, active=not state.disabled, roles=[])),
    )
    return None if state.deprovisioned else _by(chance.choice(ways), replace(state, role="member"))


def _deprovision(state: State, _: Names, __: random.Random) -> Change | None:
    if state.deprovisioned:
        return None
    return _by(("DELETE", USER, None), replace(state, deprovisioned=True, disabled=True, joined=False))


def _take_up(state: State, names: Names, _: random.Random) -> Change | None:
    after = replace(state, deprovisioned=False, disabled=False)
    return _by(("POST", "/Users", user_body(names)), after) if state.deprovisioned else None


def _of_update(plan: Plan) -> Plan:
    """Return a plan for an update that the user may not make any more after the change."""

    def of_update(state: State, names: Names, chance: random.Random) -> Change | None:
        return losing_access(state, plan(state, names, chance), chance)

    return of_update


_OWN: Final = ("group joined", "group left", "user disabled", "user enabled", "role raised", "role lowered")
"""Kinds that provisioning alone may change, of a user and a group that it manages."""

_BY_SCIM: Final[Mapping[str, tuple[float, Callable[[State, Names, random.Random], Change | None]]]] = {
    "group joined": (4, _join),
    "group left": (2, _leave),
    "user disabled": (1, _disable),
    "user enabled": (6, _enable),
    "role raised": (0.6, _raise_role),
    "role lowered": (6, _lower_role),
    "user deleted": (0.5, _deprovision),
    "user created again": (6, _take_up),
    "update after group left": (2, _of_update(_leave)),
    "update after user disabled": (1, _of_update(_disable)),
    "update after role lowered": (2, _of_update(_lower_role)),
}

PROVISIONED_KINDS: Final[Mapping[str, tuple[float, Plan]]] = {
    **{kind: plan for kind, plan in IDENTITY_KINDS.items() if kind not in {*_OWN, *_BY_SCIM}},
    **{f"{kind}, by SCIM": plan for kind, plan in _BY_SCIM.items()},
}
"""The kinds of users who come by an identity provider's token and are provisioned by it, with their group."""
