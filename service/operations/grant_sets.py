"""The operation that replaces all grants on a pipeline at once: what differs, and the rules for each difference."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from service.database.errors import ConcurrentDelete
from service.database.pool import Connection
from service.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from service.operations.call import Call, Proof
from service.operations.grants import MANAGE, find_hold, given_by
from service.operations.pipelines import find_to_change
from service.permissions import MANAGE_PIPELINES, MANAGER, READ, check_grant, check_grant_end
from service.repositories import grant_sets, grants
from service.repositories.authority import PROVE_FOR_GRANTEES
from service.repositories.grant_sets import Grantee, NewGrant
from service.repositories.grants import Grant, Kind
from service.repositories.ordering import Span
from service.schemas.grants import MAX_GRANTS, GrantInSet, ReplaceGrants
from service.schemas.pages import Page
from service.values.names import name_key


async def replace_grants(call: Call, request: ReplaceGrants) -> Page[Grant]:
    """Replace all grants on a pipeline by those of a list, all or nothing.

    Raises:
        InvalidArgument: a grant is to both a user and a group or to neither, or somebody is named twice.
        NotFound: there is no such pipeline, or the caller may not see it; or no user or group of a name.
        PermissionDenied: the caller may not manage its grants, or one that differs is not theirs to make or take back.
        PreconditionFailed: the grants are not what the caller has seen.
        FailedPrecondition: there are more grants than a list may have.
    """
    wanted = by_grantee(request.grants)
    organization_id, pipeline_id = call.caller.organization_id, request.pipeline_id
    async with call.transaction() as connection:
        _, granted = await find_to_change(connection, call, pipeline_id, MANAGE_PIPELINES, MANAGE)
        old = await _list_whole(connection, organization_id, pipeline_id)
        differences = _differences(old, wanted)
        grantees = await _find_grantees(connection, organization_id, differences)
        ids: dict[Kind, list[UUID]] = {
            kind: [grantee.id for key, grantee in grantees.items() if key[0] == kind] for kind in _KINDS
        }
        proof = await call.prove(connection, PROVE_FOR_GRANTEES, ids["group"], ids["user"])
        held = await find_hold(connection, call, pipeline_id)
        for each in differences:
            _check_difference(call, granted, held, each)
        call.precondition(Page(old))
        for kind in _KINDS:
            of_kind = [each for each in differences if each.key[0] == kind]
            await _make(proof, pipeline_id, kind, of_kind, grantees)
        new = await _list_whole(connection, organization_id, pipeline_id) if differences else old
        await _audit_differences(proof, pipeline_id, differences, grantees)
    return Page(new)


_KINDS: Final[tuple[Kind, ...]] = ("group", "user")
"""In the order in which lists have them."""

GranteeKey = tuple[Kind, str]
"""A grantee, by the key of the name."""


_Change = tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]
"""A target of the audit trail, and its state before and after."""


class _Difference(NamedTuple):
    """A grantee, as they are named, with the grant that there is and the one that is wanted, if any."""

    key: GranteeKey
    name: str
    old: Grant | None
    new: GrantInSet | None


def by_grantee(wanted: Sequence[GrantInSet]) -> dict[GranteeKey, tuple[str, GrantInSet]]:
    """Return grants by those that they are to, with the name as it is given.

    Raises:
        InvalidArgument: one is to both a user and a group or to neither, or somebody is named twice.
    """
    found: dict[GranteeKey, tuple[str, GrantInSet]] = {}
    wrong: list[tuple[str, list[str]]] = []
    for place, grant in enumerate(wanted):
        name = grant.user or grant.group
        if name is None or (grant.user and grant.group):
            wrong.append((f"grants.{place}", ["Must name either a user or a group."]))
            continue
        key: GranteeKey = ("user" if grant.user else "group", name_key(name))
        if key in found:
            wrong.append((f"grants.{place}.{key[0]}", [f"{name} is named more than once."]))
        found[key] = name, grant
    if wrong:
        raise InvalidArgument.of_fields(wrong)
    return found


async def _list_whole(connection: Connection, organization_id: UUID, pipeline_id: UUID) -> list[Grant]:
    """Return all grants on a pipeline.

    Raises:
        FailedPrecondition: they are too many to be replaced at once.
    """
    span = Span(grants.ORDERS.find(None), None, MAX_GRANTS)  # of which one more is read
    found = (await grants.list_of_pipeline(connection, organization_id, pipeline_id, span)).items
    if len(found) > MAX_GRANTS:
        raise FailedPrecondition(
            f"There are more than {MAX_GRANTS:,} grants on this pipeline, too many to be replaced at once: change them"
            " one by one."
        )
    return found


def _differences(old: Sequence[Grant], wanted: Mapping[GranteeKey, tuple[str, GrantInSet]]) -> list[_Difference]:
    """Return what differs between the grants that there are and those that are wanted: first what goes."""
    present: dict[GranteeKey, Grant] = {(grant.kind, name_key(grant.name)): grant for grant in old}
    gone = [_Difference(key, grant.name, grant, None) for key, grant in present.items() if key not in wanted]
    put = [_Difference(key, name, present.get(key), new) for key, (name, new) in wanted.items()]
    return gone + [
        each
        for each in put
        if each.old is None or each.new is None or (each.old.access, each.old.expires_at) != _given(each.new)
    ]


def _given(grant: GrantInSet) -> tuple[int, datetime | None]:
    """Return the access that a grant gives, and until when."""
    return grant.permissions | READ | (MANAGER if grant.is_manager else 0), grant.expires_at


async def _find_grantees(
    connection: Connection, organization_id: UUID, differences: Sequence[_Difference]
) -> dict[GranteeKey, Grantee]:
    """Return those whose grants differ.

    Raises:
        NotFound: there is none of a name.
    """
    found: dict[GranteeKey, Grantee] = {}
    for kind in _KINDS:
        names = [each.name for each in differences if each.key[0] == kind]
        if names:
            grantees = await grant_sets.find_grantees(connection, organization_id, kind, names)
            found |= {(kind, name_key(each.name)): each for each in grantees}
    missing = [f"{each.key[0].title()} {each.name} does not exist." for each in differences if each.key not in found]
    if missing:
        more = f" (and {len(missing) - 1:,} more, see details)" if len(missing) > 1 else ""
        raise NotFound(f"{missing[0].removesuffix('.')}{more}.", details={"grants": missing})
    return found


def _check_difference(call: Call, granted: int, held: Mapping[int, datetime | None], difference: _Difference) -> None:
    """Check that the caller may make one of the differences."""
    _, name, old, new = difference
    after, expires_at = _given(new) if new else (None, None)
    try:
        check_grant(call.caller, granted, before=given_by(call, old), after=after)
        if after is not None:
            check_grant_end(held, after, expires_at)
    except PermissionDenied as error:
        error.message = f"{error.message.removesuffix('.')} (the grant to {difference.key[0]} {name})."
        raise


async def _make(
    proof: Proof,
    pipeline_id: UUID,
    kind: Kind,
    differences: Sequence[_Difference],
    grantees: Mapping[GranteeKey, Grantee],
) -> None:
    """Make the differences of the grants to users, or of those to groups."""
    organization_id = proof.call.caller.organization_id
    gone = [grantees[each.key].id for each in differences if each.new is None]
    put = [NewGrant(grantees[each.key].id, *_given(each.new)) for each in differences if each.new is not None]
    if gone:
        await grant_sets.delete_each(proof.connection, organization_id, pipeline_id, kind, gone)
    if put and await grant_sets.put_each(proof.connection, organization_id, pipeline_id, kind, put) < len(put):
        raise ConcurrentDelete


async def _audit_differences(
    proof: Proof, pipeline_id: UUID, differences: Sequence[_Difference], grantees: Mapping[GranteeKey, Grantee]
) -> None:
    """Audit each difference, as if it had been made alone."""
    gone: list[_Change] = []
    put: list[_Change] = []
    for each in differences:
        grantee = grantees[each.key]
        target = f"grant:{pipeline_id}/{each.key[0]}:{grantee.name}"
        before = grants.state_to(grantee.id, each.old.access, each.old.expires_at) if each.old else None
        if each.new is None:
            gone.append((target, before, None))
        else:
            put.append((target, before, grants.state_to(grantee.id, *_given(each.new))))
    await proof.audit_each("grant.revoke", gone)
    await proof.audit_each("grant.set", put)
