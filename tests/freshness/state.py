"""A model of what a worker's user must see, and the changes to it, independent of the service's implementation."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

Access = frozenset[str]

FULL_ACCESS: Final = frozenset({"read", "write", "execute", "delete", "manage_pipelines", "manager"})
ACCESSES: Final = (
    frozenset({"read"}),
    frozenset({"read", "execute"}),
    frozenset({"read", "execute"}),
    frozenset({"read", "write"}),
    frozenset({"read", "execute", "write", "delete"}),
    FULL_ACCESS,
)
NEW: Final = "new"
"""A placeholder for the id that a pipeline will be given."""

Listed = dict[str, tuple[str, Access]]
"""The name and the access of each pipeline in a list, by its id."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a worker's resources; those of pipelines begin with the prefix."""

    user: str
    group: str
    prefix: str
    job: str


@dataclass(frozen=True, slots=True)
class State:
    """The state of one user, their group, and their pipelines, which no other worker touches."""

    pipelines: Mapping[str, str]
    to_user: Mapping[str, Access]
    to_group: Mapping[str, Access]
    joined: bool = False
    claimed: bool = False
    """True if the user's token of an identity provider has a claim that is mapped to the group."""
    role: str = "member"
    claims_role: bool = False
    """True if it has one that is mapped to a role of administrators."""
    disabled: bool = False
    revoked: bool = False
    deprovisioned: bool = False
    """True if provisioning has deleted the user, who is disabled by that."""

    def may_call(self) -> bool:
        return not self.disabled and not self.revoked

    @property
    def sees_all(self) -> bool:
        return self.role != "member" or self.claims_role

    def access(self, pipeline: str) -> Access:
        if self.sees_all:
            return FULL_ACCESS
        granted = self.to_user.get(pipeline, frozenset())
        if self.joined or self.claimed:
            granted |= self.to_group.get(pipeline, frozenset())
        return FULL_ACCESS if "manager" in granted else granted

    def listed(self) -> Listed | None:
        """Return the list that the user must see; None for 401."""
        if not self.may_call():
            return None
        accesses = {pipeline: self.access(pipeline) for pipeline in self.pipelines}
        return {pipeline: (self.pipelines[pipeline], access) for pipeline, access in accesses.items() if access}


@dataclass(frozen=True, slots=True)
class Change:
    """A call by the administrator, and the state once it is acknowledged."""

    method: str
    path: str
    body: Any
    after: State
    updates: str = ""
    """The pipeline into which an update puts the job after the change; "" for a list instead."""


Plan = Callable[[State, Names, random.Random], Change | None]
"""A function that plans a change; None if the state allows none of its kind."""


def _some(chance: random.Random, candidates: "Mapping[str, object] | list[str]") -> str | None:
    return chance.choice([*candidates]) if candidates else None


def grant_body(access: Access) -> dict[str, Any]:
    if "manager" in access:
        return {"permissions": [], "is_manager": True}
    return {"permissions": [f"flow_pipeline:{name}" for name in sorted(access)]}


def user_grant(pipeline: str, names: Names) -> str:
    return f"/flow/pipeline/{pipeline}/grants/users/{names.user}"


def _group_grant(pipeline: str, names: Names) -> str:
    return f"/flow/pipeline/{pipeline}/grants/groups/{names.group}"


def _set_for_user(state: State, names: Names, chance: random.Random) -> Change | None:
    pipeline, access = _some(chance, state.pipelines), chance.choice(ACCESSES)
    if pipeline is None:
        return None
    after = replace(state, to_user={**state.to_user, pipeline: access})
    return Change("PUT", user_grant(pipeline, names), grant_body(access), after)


def _without(grants: Mapping[str, Access], pipeline: str) -> dict[str, Access]:
    return {other: access for other, access in grants.items() if other != pipeline}


def _take_from_user(state: State, names: Names, chance: random.Random) -> Change | None:
    pipeline = _some(chance, state.to_user)
    if pipeline is None:
        return None
    return Change(
        "DELETE", user_grant(pipeline, names), None, replace(state, to_user=_without(state.to_user, pipeline))
    )


def set_for_group(state: State, names: Names, chance: random.Random) -> Change | None:
    pipeline, access = _some(chance, state.pipelines), chance.choice(ACCESSES)
    if pipeline is None:
        return None
    after = replace(state, to_group={**state.to_group, pipeline: access})
    return Change("PUT", _group_grant(pipeline, names), grant_body(access), after)


def _take_from_group(state: State, names: Names, chance: random.Random) -> Change | None:
    pipeline = _some(chance, state.to_group)
    if pipeline is None:
        return None
    after = replace(state, to_group=_without(state.to_group, pipeline))
    return Change("DELETE", _group_grant(pipeline, names), None, after)


def _join(state: State, names: Names, _: random.Random) -> Change | None:
    after = replace(state, joined=True)
    return Change("PUT", f"/groups/{names.group}/members/{names.user}", None, after)


def _leave(state: State, names: Names, _: random.Random) -> Change | None:
    after = replace(state, joined=False)
    return Change("DELETE", f"/groups/{names.group}/members/{names.user}", None, after)


def _revoke_token(state: State, _: Names, __: random.Random) -> Change | None:
    return Change("DELETE", "/tokens/{token}", None, replace(state, revoked=True))


def _make_token(state: State, names: Names, _: random.Random) -> Change | None:
    return Change("POST", "/tokens", {"username": names.user}, replace(state, revoked=False))


def _disable(state: State, names: Names, _: random.Random) -> Change | None:
    return Change("PATCH", f"/users/{names.user}", {"disabled": True}, replace(state, disabled=True))


def _enable(state: State, names: Names, _: random.Random) -> Change | None:
    return Change("PATCH", f"/users/{names.user}", {"disabled": False}, replace(state, disabled=False))


def _raise_role(state: State, names: Names, chance: random.Random) -> Change | None:
    role = chance.choice(("admin", "pipeline_admin"))
    return Change("PATCH", f"/users/{names.user}", {"role": role}, replace(state, role=role))


def _lower_role(state: State, names: Names, _: random.Random) -> Change | None:
    return Change("PATCH", f"/users/{names.user}", {"role": "member"}, replace(state, role="member"))


def new_name(names: Names, chance: random.Random) -> str:
    return f"{names.prefix}{chance.getrandbits(64):x}"


def _rename(state: State, names: Names, chance: random.Random) -> Change | None:
    pipeline, name = _some(chance, state.pipelines), new_name(names, chance)
    if pipeline is None:
        return None
    after = replace(state, pipelines={**state.pipelines, pipeline: name})
    return Change("PATCH", f"/flow/pipeline/{pipeline}", {"name": name}, after)


def _delete(state: State, _: Names, chance: random.Random) -> Change | None:
    pipeline = _some(chance, state.pipelines)
    if pipeline is None:
        return None
    after = replace(
        state,
        pipelines={other: name for other, name in state.pipelines.items() if other != pipeline},
        to_user=_without(state.to_user, pipeline),
        to_group=_without(state.to_group, pipeline),
    )
    return Change("DELETE", f"/flow/pipeline/{pipeline}?force=true", None, after)


def make(state: State, names: Names, chance: random.Random) -> Change:
    """Plan a new pipeline, which only administrators see at once."""
    name = new_name(names, chance)
    return Change("POST", "/flow/pipeline", {"name": name}, replace(state, pipelines={**state.pipelines, NEW: name}))


def _make(state: State, names: Names, chance: random.Random) -> Change | None:
    return make(state, names, chance) if len(state.pipelines) < MAX_PIPELINES else None


def _expire(state: State, names: Names, chance: random.Random) -> Change | None:
    """Plan a grant that will expire, where it would show in the list; the worker sets its expiry."""
    pipeline = _some(chance, [each for each in state.pipelines if each not in state.to_user])
    if pipeline is None:
        return None
    after = replace(state, to_user={**state.to_user, pipeline: ACCESSES[-1]})
    return Change("PUT", user_grant(pipeline, names), grant_body(ACCESSES[-1]), after)


def _revoke_execute(state: State, names: Names, chance: random.Random) -> Change | None:
    if state.sees_all:
        return None
    change = _take_from_user(state, names, chance)
    return _deciding_update(state, change, gains=False)


def _grant_execute(state: State, names: Names, chance: random.Random) -> Change | None:
    if state.sees_all:
        return None
    change = _set_for_user(state, names, chance)
    return _deciding_update(state, change, gains=True)


def _revoke_token_of_update(state: State, names: Names, chance: random.Random) -> Change | None:
    return losing_access(state, _revoke_token(state, names, chance), chance)


def _disable_updating_user(state: State, names: Names, chance: random.Random) -> Change | None:
    return losing_access(state, _disable(state, names, chance), chance)


def losing_access(state: State, change: Change | None, chance: random.Random) -> Change | None:
    """Return the change for an update that the token may not make any more afterwards."""
    if change is None or not state.may_call():
        return None
    after = change.after
    lost = [
        pipeline
        for pipeline in state.pipelines
        if "execute" in state.access(pipeline) and not (after.may_call() and "execute" in after.access(pipeline))
    ]
    pipeline = _some(chance, lost)
    return None if pipeline is None else replace(change, updates=pipeline)


def _deciding_update(state: State, change: Change | None, *, gains: bool) -> Change | None:
    """Return the change if it grants, or revokes, execute on the pipeline that it is about."""
    if change is None:
        return None
    for pipeline in state.pipelines:
        before, after = "execute" in state.access(pipeline), "execute" in change.after.access(pipeline)
        if before != after and after == gains:
            return replace(change, updates=pipeline)
    return None


MAX_PIPELINES: Final = 6
"""Pipelines of one worker, at most."""
MIN_PIPELINES: Final = 3

EXPIRED: Final = "grant expired"

KINDS: Final[Mapping[str, tuple[float, Plan]]] = {
    "grant to user set": (1, _set_for_user),
    "grant to user taken back": (1, _take_from_user),
    "grant to group set": (1, set_for_group),
    "grant to group taken back": (1, _take_from_group),
    "group joined": (2, _join),
    "group left": (1, _leave),
    "token revoked": (0.5, _revoke_token),
    "token made": (4, _make_token),
    "user disabled": (0.5, _disable),
    "user enabled": (4, _enable),
    "role raised": (0.3, _raise_role),
    "role lowered": (4, _lower_role),
    "pipeline renamed": (1, _rename),
    "pipeline deleted": (0.5, _delete),
    "pipeline made": (4, _make),
    EXPIRED: (0.05, _expire),
    "update after revoke": (2, _revoke_execute),
    "update after grant": (2, _grant_execute),
    "update after token revoked": (0.5, _revoke_token_of_update),
    "update after user disabled": (0.5, _disable_updating_user),
}
"""The weight of each kind of change, and its plan. A change that would not show is planned anew."""


LINK: Final = "LINK"
"""The method of a change that links the user's subject at the identity provider; by SQL, as no call does that."""
UNLINK: Final = "UNLINK"
CLAIM: Final = "CLAIM"
"""The method of a change that is made at the identity provider: the user's next token has other claims."""


def _unlink(state: State, _: Names, __: random.Random) -> Change | None:
    return Change(UNLINK, "", None, replace(state, revoked=True))


def _link(state: State, _: Names, __: random.Random) -> Change | None:
    return Change(LINK, "", None, replace(state, revoked=False))


def _claim(state: State, *, claimed: bool, role: bool) -> Change:
    return Change(CLAIM, "", None, replace(state, claimed=claimed, claims_role=role))


def _unlink_updating_user(state: State, names: Names, chance: random.Random) -> Change | None:
    return losing_access(state, _unlink(state, names, chance), chance)


def _claim_gone_of_update(state: State, _: Names, chance: random.Random) -> Change | None:
    """Plan that the group's claim goes, where only that gave execute."""
    return losing_access(state, _claim(state, claimed=False, role=False), chance)


IDENTITY_KINDS: Final[Mapping[str, tuple[float, Plan]]] = {
    **{kind: plan for kind, plan in KINDS.items() if "token" not in kind},
    "link removed": (0.5, _unlink),
    "link made": (4, _link),
    "group claimed": (1, lambda state, *_: _claim(state, claimed=True, role=state.claims_role)),
    "group claim gone": (1, lambda state, *_: _claim(state, claimed=False, role=state.claims_role)),
    "role claimed": (0.3, lambda state, *_: _claim(state, claimed=state.claimed, role=True)),
    "role claim gone": (4, lambda state, *_: _claim(state, claimed=state.claimed, role=False)),
    "update after link removed": (0.5, _unlink_updating_user),
    "update after claim gone": (2, _claim_gone_of_update),
}
"""The same of users who come by an identity provider's token: they have a link and claims, and no token of ours."""


def choose(
    state: State, names: Names, chance: random.Random, of: Mapping[str, tuple[float, Plan]] = KINDS
) -> tuple[str, Change]:
    """Choose a change that shows in the user's next list, or decides their next update."""
    kinds, weights = [*of], [weight for weight, _ in of.values()]
    listed = state.listed()
    while True:
        kind = chance.choices(kinds, weights)[0]
        change = of[kind][1](state, names, chance)
        if change is not None and change.after.listed() != listed:
            return kind, change
