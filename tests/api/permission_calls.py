"""The call of each row of the permission table, by what is done."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID, uuid4

from service.operations import grant_sets, groups, job_batches, job_pipelines, jobs, users
from service.operations.permission_table.verdicts import (
    ACCOUNT,
    GROUP,
    JOB,
    JOB_IN_NONE,
    ORGANIZATION,
    PIPELINE,
    REACH,
    TOKEN,
    USER,
    Ownership,
)
from service.permissions import FULL_ACCESS, READ, SCOPE_TOKENS, scope_names
from tests.api.permission_stage import EVERY_SCOPE, Asked, Cell, Stage
from tests.factories import Member

Ask = Callable[[Stage, Cell], Awaitable[Asked]]


def asking(body: dict[str, Any] | None = None, **query: str) -> Ask:
    """Return a call that is about nothing that is there."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        return Asked({"job_id": uuid4()}, _filled(stage, body), query)

    return ask


def _filled(stage: Stage, body: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a body in which NEW stands for a new name, and OTHER and CHIEF for users'."""
    if body is None:
        return None
    named = {NEW: f"new-{uuid4()}", OTHER: stage.other.username, CHIEF: stage.chief.username}
    return {key: named.get(value, value) if isinstance(value, str) else value for key, value in body.items()}


def declaring(kind: str) -> Ask:
    """Return a call that declares something new."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        return Asked({}, {kind: [{"name": f"new-{uuid4()}"}]})

    return ask


async def of_sealed_entry(stage: Stage, cell: Cell) -> Asked:
    raw = stage.home.raw
    entry = await raw.fetchval(
        "SELECT max(a.id) FROM audit a JOIN audit_seals s ON s.ids @> a.id WHERE a.organization_id = $1", stage.home.id
    )
    return Asked({"id": entry or await stage.home.sealed_entry()})


NEW: Final = "NEW"
OTHER: Final = "OTHER"
CHIEF: Final = "CHIEF"
CALLER: Final = "CALLER"


def on_pipeline(body: dict[str, Any] | None = None, username: str = OTHER) -> Ask:
    """Return a call that is about the first pipeline, and perhaps a user."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        user = stage.other if username == OTHER else stage.caller(cell)
        values = {"pipeline_id": stage.pipeline, "username": user.username, "name": "group"}
        return Asked(values, _filled(stage, body), listed=str(stage.pipeline))

    return ask


async def delete_pipeline(stage: Stage, cell: Cell) -> Asked:
    return Asked({"pipeline_id": await stage.new_pipeline(cell) if cell.changes else stage.pipeline})


async def register_into_pipeline(stage: Stage, cell: Cell) -> Asked:
    return Asked({"job_id": uuid4()}, {"pipeline_ids": [str(stage.pipeline)]})


async def put_own_job_in(stage: Stage, cell: Cell) -> Asked:
    job = await stage.job(cell, own=True, queued=False)
    if cell.route.operation is job_pipelines.add_pipeline_job:
        return Asked({"job_id": job, "pipeline_id": stage.pipeline})
    return _update(cell, job, stage.pipeline)


def _update(cell: Cell, job: str, *pipelines: UUID) -> Asked:
    """Return an update of a job, alone or as all of a batch."""
    body = {"job_id": job, "pipeline_ids": [*map(str, pipelines)]}
    if cell.route.operation is job_batches.batch_update_job_pipelines:
        return Asked({}, {"updates": [body], "atomic": True})
    return Asked({}, body)


async def put_others_job_in(stage: Stage, cell: Cell) -> Asked:
    job = await stage.job(cell, own=False, queued=True)
    if cell.route.operation is job_pipelines.add_pipeline_job:
        return Asked({"job_id": job, "pipeline_id": stage.second})
    return _update(cell, job, stage.pipeline, stage.second)


async def take_out_of_one(stage: Stage, cell: Cell) -> Asked:
    return Asked({"job_id": await stage.job_of(cell), "pipeline_id": stage.pipeline})


def on_grant(body: dict[str, Any] | None = None, *, present: int | None = None, manager: bool = False) -> Ask:
    """Return a call that is about a grant, to a user or group that no other call is about if it changes that.

    Args:
        body: of the call.
        present: the access that is granted already; None: none is.
        manager: whether the grant of those who share one is a manager's.
    """

    async def ask(stage: Stage, cell: Cell) -> Asked:
        if cell.route.operation is grant_sets.replace_grants:
            return await _on_whole_set(stage, cell, body, present)
        named = {"username": stage.chief.username, "name": "chiefs"}
        if not manager:
            named = {"username": stage.other.username, "name": "group"}
        if cell.changes:
            named = await _new_grantee(stage, cell, present)
        return Asked({"pipeline_id": stage.pipeline, **named}, body)

    return ask


async def _on_whole_set(stage: Stage, cell: Cell, body: dict[str, Any] | None, present: int | None) -> Asked:
    """Return a call with all grants on a pipeline, to which one is added, or from which one is taken."""
    pipeline, to = stage.pipeline, stage.other if present == READ else stage.chief
    if cell.changes:
        pipeline, to = await stage.new_pipeline(cell), await stage.home.user()
        if present is not None:
            await stage.home.grant(pipeline, to, present)
    whole = [grant for grant in await stage.grants(pipeline) if body is not None or grant.get("user") != to.username]
    if body is not None:
        whole.append({"user": (await stage.home.user()).username, **body})
    return Asked({"pipeline_id": pipeline}, {"grants": whole})


async def _new_grantee(stage: Stage, cell: Cell, present: int | None) -> dict[str, str]:
    to: Member | UUID
    if "{username}" in cell.route.path:
        to = await stage.home.user()
        named = {"username": to.username}
    else:
        name = f"group-{uuid4()}"
        to, named = await stage.home.group(name=name), {"name": name}
    if present is not None:
        await stage.home.grant(stage.pipeline, to, present)
    return named


def on_job(body: dict[str, Any] | None = None) -> Ask:
    """Return a call that is about a job of the caller's or of somebody else's."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        job = await stage.job_of(cell)
        query = {"job_id": job} if cell.route.operation is job_pipelines.list_job_pipelines else {}
        if cell.route.operation is jobs.list_jobs:
            query = {"page_size": "1000"}
        named = {"owner": stage.caller(cell).username} if body == {"owner": CALLER} else _filled(stage, body)
        return Asked({"job_id": job}, named, query, listed=job)

    return ask


def update_job(*pipelines: str) -> Ask:
    """Return an update of a job to pipelines of these names."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        return _update(cell, await stage.job_of(cell), *(getattr(stage, name) for name in pipelines))

    return ask


def on_user(body: dict[str, Any] | None = None) -> Ask:
    """Return a call that is about the caller or another user; a change of oneself is none, so that it lasts."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        if cell.owns:
            changes = {"disabled": False} if cell.route.operation is users.update_user else body
            return Asked({"username": stage.caller(cell).username}, changes)
        user = await stage.home.user() if cell.changes else stage.other
        return Asked({"username": user.username}, body)

    return ask


async def delete_user(stage: Stage, cell: Cell) -> Asked:
    """Ask for the deletion of the caller or another user; if it is made, of another, as nobody deletes themselves."""
    if cell.changes:
        return Asked({"username": (await stage.home.user()).username})
    return Asked({"username": (stage.caller(cell) if cell.owns else stage.other).username})


def on_group(body: dict[str, Any] | None = None) -> Ask:
    """Return a call that is about a group, and perhaps a user, who is a member if they are to be taken out."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        joined = [stage.other] if cell.route.method == "DELETE" else []
        name = await stage.new_group(*joined) if cell.changes else "group"
        if cell.route.operation is groups.update_members:
            return Asked({"name": name}, {"add": [stage.other.username]})
        return Asked({"name": name, "username": stage.other.username}, _filled(stage, body))

    return ask


def on_account(body: dict[str, Any] | None = None) -> Ask:
    """Return a call that is about the tokens of the caller or of another user."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        username = (stage.caller(cell) if cell.owns else stage.other).username
        if body is None:
            return Asked(query={"username": username})
        return Asked(body={**body, "username": username})

    return ask


def on_token(body: dict[str, Any] | None = None, scopes: int = SCOPE_TOKENS, **query: str) -> Ask:
    """Return a call that is about a token with these scopes, or with the caller's own where that is about itself."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        caller, ownership = stage.caller(cell), cell.situation.ownership
        if ownership is Ownership.ITSELF:
            token_id, secret = await stage.new_token(caller, cell.scopes)
            return Asked({"token_id": token_id}, body, query, secret)
        if ownership is Ownership.MAKER:
            token_id, _ = await stage.new_token(caller, cell.scopes)
            _, secret = await stage.new_token(caller, cell.scopes, token_id)
            return Asked({"token_id": token_id}, body, query, secret)
        token_id, _ = await stage.new_token(caller if cell.owns else stage.other, scopes)
        return Asked({"token_id": token_id}, body, query)

    return ask


_MANAGED: Final = {"permissions": [], "is_manager": True}

USER_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def by_id(operation: dict[str, Any] | None = None) -> Ask:
    """Return a call of SCIM that is about a user or a group, and perhaps changes it."""

    async def ask(stage: Stage, cell: Cell) -> Asked:
        user = await stage.home.user() if cell.changes else stage.other
        if cell.act.about is USER:
            key = user.id
        else:
            key = await stage.home.raw.fetchval(
                "SELECT id FROM groups WHERE organization_id = $1 AND name = $2",
                stage.home.id,
                await stage.new_group(user) if cell.changes else "group",
            )
        return Asked({"id": key}, operation and {"schemas": [PATCH_SCHEMA], "Operations": [operation]})

    return ask


ASKED: Final[dict[str, dict[str, Ask]]] = {
    ORGANIZATION.title: {
        "create a pipeline, and be its manager": asking({"name": NEW}),
        "declare a pipeline that there is none of": declaring("pipelines"),
        "declare a group that there is none of": declaring("groups"),
        "register a job": asking({}),
        "register a job for another user": asking({"owner": OTHER}),
        "list the users": asking(),
        "see who they are themselves, with role, groups and scopes": asking(),
        "create a user": asking({"username": NEW}),
        "list the groups": asking(),
        "create a group": asking({"name": NEW}),
        "make a token that has every scope": asking({"scopes": scope_names(EVERY_SCOPE)}),
        "list everybody's tokens": asking(all="true"),
        "read the audit trail": asking(page_size="1"),
        "see what needs attention": asking(),
        "see what provisioning is like, by SCIM": asking(),
        "list the users, by SCIM": asking(),
        "create a user, by SCIM": asking({"schemas": [USER_SCHEMA], "userName": NEW}),
        "list the groups, by SCIM": asking(),
        "create a group, by SCIM": asking({"schemas": [GROUP_SCHEMA], "displayName": NEW}),
        "prove that an entry is in a seal": of_sealed_entry,
        "follow what happens to what they may see": asking(),
        "follow every entry of the audit trail": asking(all="true"),
    },
    PIPELINE.title: {
        "find it in the list of pipelines": on_pipeline(),
        "read it": on_pipeline(),
        "see the jobs in it": on_pipeline(),
        "rename or describe it": on_pipeline({"description": NEW}),
        "delete it": delete_pipeline,
        "put a job of their own into it": put_own_job_in,
        "put somebody else's job into it, from a pipeline on which they hold the same": put_others_job_in,
        "register a job into it": register_into_pipeline,
        "list the grants on it": on_pipeline(),
        "see a user's or group's grant": on_pipeline(),
        "find it among what a group is granted": on_pipeline(),
        "grant what they hold": on_grant({"permissions": ["flow_pipeline:read"]}),
        "grant `execute`": on_grant({"permissions": ["flow_pipeline:execute"]}),
        "make a manager": on_grant(_MANAGED),
        "take a grant back that makes no manager": on_grant(present=READ),
        "unmake a manager": on_grant(present=FULL_ACCESS, manager=True),
        "list who has access to it": on_pipeline(),
        "see why they have their own access": on_pipeline(username=CALLER),
        "see why somebody else has access": on_pipeline(),
    },
    JOB.title: {
        "find it in the list of jobs": on_job(),
        "read it, and which pipelines it is in": on_job(),
        "leave it in its pipelines by an update": update_job("pipeline"),
        "take it out of its pipelines by an update": update_job(),
        "take it out of a pipeline": take_out_of_one,
        "put it again as it is": on_job({}),
        "take it out of its pipelines by putting it": on_job({"pipeline_ids": []}),
        "rename it": on_job({"name": NEW}),
        "make themselves its owner": on_job({"owner": CALLER}),
        "make another user its owner": on_job({"owner": CHIEF}),
        "forget it": on_job(),
    },
    JOB_IN_NONE.title: {
        "find it in the list of jobs": on_job(),
        "read it": on_job(),
        "put it into a pipeline that they may execute": update_job("open"),
        "rename it": on_job({"name": NEW}),
        "make themselves its owner": on_job({"owner": CALLER}),
        "make another user its owner": on_job({"owner": CHIEF}),
        "forget it": on_job(),
    },
    USER.title: {
        "read them": on_user(),
        "change their role, disable or enable them": on_user({"role": "pipeline_admin"}),
        "delete them": delete_user,
        "read them, by SCIM": by_id(),
        "change them, disable or enable them, by SCIM": by_id({"op": "replace", "path": "displayName", "value": "Ada"}),
        "delete them, by SCIM": by_id(),
    },
    GROUP.title: {
        "read it": on_group(),
        "rename it": on_group({"new_name": NEW}),
        "delete it": on_group(),
        "see who is in it": on_group(),
        "change who is in it": on_group(),
        "read it, by SCIM": by_id(),
        "change it, and who is in it, by SCIM": by_id({"op": "add", "path": "members", "value": []}),
        "delete it, by SCIM": by_id(),
    },
    REACH.title: {
        "see which pipelines they can reach": on_user(),
        "see which groups they are in": on_user(),
    },
    ACCOUNT.title: {
        "list them": on_account(),
        "make one that may no more than the one that calls": on_account({"scopes": ["tokens"]}),
    },
    TOKEN.title: {
        "see it": on_token(),
        "revoke it, and what was made with it": on_token(),
        "revoke it, and keep what was made with it": on_token(keep_descendants="true"),
        "rotate it, if it may no more than the one that calls": on_token({}),
        "rotate it, if it has every scope": on_token({}, EVERY_SCOPE),
    },
}
