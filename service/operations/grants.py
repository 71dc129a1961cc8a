"""Operations on grants on a pipeline, on the users who have access to it, and on the reasons for that."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from service.database.pool import Connection
from service.errors import NotFound
from service.operations.call import Call, Outcome, Proof
from service.operations.groups import find_group
from service.operations.pipelines import find_to_change, find_visible
from service.operations.users import find_user
from service.permissions import (
    FULL_ACCESS,
    MANAGE_PIPELINES,
    MANAGER,
    PERMISSION_BITS,
    READ,
    GrantedAccess,
    NamedGrant,
    Path,
    Role,
    check_grant,
    check_grant_end,
    effective,
    explain,
    held_until,
    mightier,
    require,
    union,
)
from service.repositories import grant_sets, grants, groups, holders, users
from service.repositories.authority import PROVE_FOR_GROUP, PROVE_FOR_USER
from service.repositories.grant_sets import GroupGrant
from service.repositories.grants import Grant, Kind
from service.repositories.ordering import Total
from service.schemas.grants import (
    AccessExplained,
    ExplainAccess,
    GroupGrantRef,
    ListAccess,
    ListGrants,
    ListGroupGrants,
    PutGroupGrant,
    PutUserGrant,
    UserAccess,
    UserGrantRef,
)
from service.schemas.pages import Page
from service.values.names import name_key


async def list_grants(call: Call, request: ListGrants) -> Page[Grant]:
    """List the grants on a pipeline, expired ones too.

    Raises:
        NotFound: there is no such pipeline, or the caller may not see it.
        PermissionDenied: the caller may not manage its grants.
    """
    span = call.span(request)
    async with call.database.connection() as connection:
        await _find_managed(connection, call, request.pipeline_id)
        organization_id, pipeline_id = call.caller.organization_id, request.pipeline_id
        found = await grants.list_of_pipeline(connection, organization_id, pipeline_id, span, request.q)
    return call.pages.cut_found(request, span, found)


async def _find_managed(connection: Connection, call: Call, pipeline_id: UUID) -> None:
    """Find a pipeline whose grants the caller may manage."""
    _, granted = await find_visible(connection, call, pipeline_id)
    require(call.caller, MANAGE_PIPELINES, granted, MANAGE)


MANAGE: Final = "manage who may do what on this pipeline"


async def list_group_grants(call: Call, request: ListGroupGrants) -> Page[GroupGrant]:
    """List what a group is granted, expired grants too, by the pipelines' names.

    Raises:
        NotFound: there is no such group.
    """
    caller, managing, span = call.caller, READ | MANAGE_PIPELINES, call.span(request)
    async with call.database.connection() as connection:
        group = await find_group(connection, caller.organization_id, request.name)
        if caller.access(FULL_ACCESS) & managing != managing:  # the scopes leave nothing of what is granted
            return Page([], total=Total(0) if request.total else None)
        found = await grant_sets.list_of_group(
            connection,
            caller.organization_id,
            caller.user_id,
            group.id,
            span,
            everything=caller.role is not Role.MEMBER,
            text=request.q,
        )
    return call.pages.cut_found(request, span, found)


async def get_user_grant(call: Call, request: UserGrantRef) -> Grant:
    """Return the grant to a user, with the tag that changing it can be bound to.

    Raises:
        NotFound: there is no such pipeline, user or grant, or the caller may not see it.
        PermissionDenied: the caller may not manage its grants.
    """
    return await _get(call, request.pipeline_id, "user", request.username)


async def get_group_grant(call: Call, request: GroupGrantRef) -> Grant:
    """Return the grant to a group, with the tag that changing it can be bound to.

    Raises:
        NotFound: there is no such pipeline, group or grant, or the caller may not see it.
        PermissionDenied: the caller may not manage its grants.
    """
    return await _get(call, request.pipeline_id, "group", request.name)


async def _get(call: Call, pipeline_id: UUID, kind: Kind, name: str) -> Grant:
    async with call.database.connection() as connection:
        await _find_managed(connection, call, pipeline_id)
        organization_id = call.caller.organization_id
        grantee_id = await _grantee_id(connection, organization_id, kind, name)
        return _granted(await grants.find(connection, organization_id, pipeline_id, kind, grantee_id), kind, name)


def _granted(found: Grant | None, kind: Kind, name: str) -> Grant:
    if found is None:
        raise NotFound(f"Nothing is granted to {kind} {name} on this pipeline.")
    return found


async def put_user_grant(call: Call, request: PutUserGrant) -> Outcome[Grant]:
    """Set the grant to a user, in the place of a former one.

    Raises:
        NotFound: there is no such pipeline or user, or the caller may not see it.
        PermissionDenied: the caller may not manage its grants, or does not hold what they grant, or not as long.
        PreconditionFailed: the grant is not what the caller has seen.
    """
    access = request.permissions | READ | (MANAGER if request.is_manager else 0)
    return await _put(call, request.pipeline_id, "user", request.username, access, request.expires_at)


async def put_group_grant(call: Call, request: PutGroupGrant) -> Outcome[Grant]:
    """Set the grant to a group, in the place of a former one.

    Raises:
        NotFound: there is no such pipeline or group, or the caller may not see it.
        PermissionDenied: the caller may not manage its grants, or does not hold what they grant, or not as long.
        PreconditionFailed: the grant is not what the caller has seen.
    """
    access = request.permissions | READ | (MANAGER if request.is_manager else 0)
    return await _put(call, request.pipeline_id, "group", request.name, access, request.expires_at)


async def delete_user_grant(call: Call, request: UserGrantRef) -> None:
    """Revoke the grant to a user.

    Raises:
        NotFound: there is no such pipeline, user or grant, or the caller may not see it.
        PermissionDenied: the caller may not manage its grants, or it makes a manager and they are none.
        PreconditionFailed: the grant is not what the caller has seen.
    """
    await _delete(call, request.pipeline_id, "user", request.username)


async def delete_group_grant(call: Call, request: GroupGrantRef) -> None:
    """Revoke the grant to a group.

    Raises:
        NotFound: there is no such pipeline, group or grant, or the caller may not see it.
        PermissionDenied: the caller may not manage its grants, or it makes managers and they are none.
        PreconditionFailed: the grant is not what the caller has seen.
    """
    await _delete(call, request.pipeline_id, "group", request.name)


async def _put(
    call: Call, pipeline_id: UUID, kind: Kind, name: str, access: int, expires_at: datetime | None
) -> Outcome[Grant]:
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        _, granted = await find_to_change(connection, call, pipeline_id, MANAGE_PIPELINES, MANAGE)
        grantee_id = await _grantee_id(connection, organization_id, kind, name)
        proof = await call.prove(connection, _PROVE_FOR[kind], grantee_id)
        old = await grants.find(connection, organization_id, pipeline_id, kind, grantee_id)
        check_grant(call.caller, granted, before=given_by(call, old), after=access)
        check_grant_end(await find_hold(connection, call, pipeline_id), access, expires_at)
        call.precondition(old)
        if old and (old.access, old.expires_at) == (access, expires_at):
            return Outcome(old, created=False, former=old)
        if not await grants.put(connection, organization_id, pipeline_id, kind, grantee_id, access, expires_at):
            raise NotFound(f"{kind.title()} {name} does not exist.")  # since they were looked for, before the proof
        new = await grants.find(connection, organization_id, pipeline_id, kind, grantee_id)
        assert new is not None  # noqa: S101 - it has just been put there
        await _audit(proof, "grant.set", pipeline_id, grantee_id, old, new)
    return Outcome(new, created=old is None, former=old)


def given_by(call: Call, grant: Grant | None) -> int | None:
    """Return the access that a grant gives now; what has expired makes nobody a manager, and gives nothing."""
    if grant is None or (grant.expires_at is not None and grant.expires_at <= call.caller.database_time):
        return None
    return grant.access


async def find_hold(connection: Connection, call: Call, pipeline_id: UUID) -> dict[int, datetime | None]:
    """Return what the caller holds on a pipeline, and until when; by a role forever, which takes no statement."""
    caller = call.caller
    if caller.role is not Role.MEMBER:
        return held_until(caller.role, (), caller.database_time)
    mine = await grants.list_held(connection, caller.organization_id, pipeline_id, caller.user_id)
    return held_until(caller.role, mine, caller.database_time)


async def _delete(call: Call, pipeline_id: UUID, kind: Kind, name: str) -> None:
    organization_id = call.caller.organization_id
    async with call.transaction() as connection:
        _, granted = await find_to_change(connection, call, pipeline_id, MANAGE_PIPELINES, MANAGE)
        grantee_id = await _grantee_id(connection, organization_id, kind, name)
        proof = await call.prove(connection, _PROVE_FOR[kind], grantee_id)
        old = _granted(await grants.find(connection, organization_id, pipeline_id, kind, grantee_id), kind, name)
        check_grant(call.caller, granted, before=given_by(call, old), after=None)
        call.precondition(old)
        await grants.delete(connection, organization_id, pipeline_id, kind, grantee_id)
        await _audit(proof, "grant.revoke", pipeline_id, grantee_id, old, None)


_PROVE_FOR: Final[dict[Kind, str]] = {"user": PROVE_FOR_USER, "group": PROVE_FOR_GROUP}


async def _grantee_id(connection: Connection, organization_id: UUID, kind: Kind, name: str) -> UUID:
    find = find_user if kind == "user" else find_group
    return (await find(connection, organization_id, name)).id


async def _audit(
    proof: Proof, action: str, pipeline_id: UUID, grantee_id: UUID, old: Grant | None, new: Grant | None
) -> None:
    grant = new or old
    assert grant is not None  # noqa: S101 - one of them is what was changed
    target = f"grant:{pipeline_id}/{grant.kind}:{grant.name}"
    before, after = (_state(grantee_id, each) for each in (old, new))
    await proof.audit(action, target, before, after)


def _state(grantee_id: UUID, grant: Grant | None) -> dict[str, Any] | None:
    return grants.state_to(grantee_id, grant.access, grant.expires_at) if grant else None


async def list_access(call: Call, request: ListAccess) -> Page[UserAccess]:
    """List the users who have access to a pipeline, or hold one permission on it, by name.

    Raises:
        NotFound: there is no such pipeline, or the caller may not see it.
        PermissionDenied: the caller may not manage its grants.
    """
    span = call.span(request)
    holding = READ | (PERMISSION_BITS[request.permission] if request.permission else 0)
    async with call.database.connection() as connection:
        await _find_managed(connection, call, request.pipeline_id)
        found = await holders.page(connection, call.caller.organization_id, request.pipeline_id, holding, span)
    page = call.pages.cut_found(request, span, found)
    can = [UserAccess(holder.username, effective(holder.role, None, holder.granted)) for holder in page.items]
    return Page(can, page.next_page_token, total=page.total)


async def explain_access(call: Call, request: ExplainAccess) -> AccessExplained:
    """Explain a user's access: for each of the five permissions, every path that gives it, or what is missing.

    It is the user's, not a token's: scopes are no part of it. One's own takes only read. What an identity provider's
    token adds counts for the caller alone, as it is stored nowhere.

    Raises:
        NotFound: there is no such pipeline or user, or the caller may not see it.
        PermissionDenied: it is somebody else's, and the caller may not manage the pipeline's grants.
    """
    caller = call.caller
    async with call.database.connection() as connection:
        _, granted = await find_visible(connection, call, request.pipeline_id)
        if name_key(request.username) != name_key(caller.username):
            require(caller, MANAGE_PIPELINES, granted, "see why somebody else may do what on this pipeline")
        user = await find_user(connection, caller.organization_id, request.username)
        provided = caller.provided if user.id == caller.user_id else None
        key = user.id if provided is None else caller.user_id
        found = await grants.list_concerning(connection, caller.organization_id, request.pipeline_id, key)
        ids = [] if provided is None else [group.id for group in provided.groups]
        own = await groups.names_among(connection, caller.organization_id, user.id, ids) if ids else set()
        now = await users.now(connection)
    mapped = {} if provided is None else {group.name: group.value for group in provided.groups if group.name not in own}
    role = user.role if provided is None else mightier(user.role, provided.role)
    named = [
        NamedGrant(
            Path(grant.kind),
            grant.name,
            GrantedAccess(grant.access, grant.expires_at),
            mapped.get(grant.name) if grant.kind == "group" else None,
            others,
        )
        for grant, others in found
    ]
    access = 0 if user.disabled else effective(role, None, union([each.grant for each in named], now))
    role_from = None if provided is None or role is user.role else provided.role_value
    explanations = explain(role, named, now, disabled=user.disabled, role_from=role_from)
    return AccessExplained(user.username, access, explanations)
