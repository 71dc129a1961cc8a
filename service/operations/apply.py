"""The operation that puts a declared state in place: what differs is done by the operations of single changes."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from service.database.pool import Connection
from service.errors import FailedPrecondition, InvalidArgument, PreconditionFailed, ServiceError, Unauthenticated
from service.operations.apply_locks import Concerned, lock_grantees, lock_pipelines
from service.operations.call import Call, no_precondition
from service.operations.grant_sets import GranteeKey, by_grantee, replace_grants
from service.operations.grants import MANAGE
from service.operations.groups import create_group, delete_group, update_members
from service.operations.pipelines import (
    CHANGE,
    create_pipeline,
    delete_pipeline,
    find_visible,
    readable,
    update_pipeline,
)
from service.permissions import (
    DELETE,
    EVERY_PERMISSION,
    MANAGE_PIPELINES,
    MANAGER,
    READ,
    WRITE,
    Role,
    require,
    require_administrator,
    require_pipeline_creator,
)
from service.repositories import authority, grants, groups, pipelines
from service.repositories.groups import Group
from service.repositories.ordering import Orders, Span
from service.repositories.pipelines import GrantedPipeline as Granted
from service.schemas.apply import MAX_CHANGES, MAX_DECLARED, Applied, Apply, Change, DeclaredGroup, DeclaredPipeline
from service.schemas.grants import GrantInSet, ReplaceGrants
from service.schemas.groups import MAX_NAMES, CreateGroup, GroupRef, UpdateMembers
from service.schemas.pipelines import AccessiblePipeline, CreatePipeline, DeletePipeline, UpdatePipeline
from service.slices import in_slices
from service.values.ids import NO_ID
from service.values.names import name_key

PLAN_LENGTH: Final = 32
"""Characters of a plan."""
_ALL: Final = 2**31 - 2
"""Rows of a page without an end."""

Operation = Callable[[Call, Any], Awaitable[Any]]


class _Rehearsed(Exception):
    """The end of a rehearsal: what it has changed is not to stay."""


async def apply(call: Call, request: Apply) -> Applied:
    """Put a declared state in place, all or nothing; or tell what that would change.

    A rehearsal makes the changes and takes them back, so that it is refused by what would refuse them.

    Raises:
        InvalidArgument: something is declared twice, or a grant is to both a user and a group or to neither.
        PermissionDenied: the caller may not make one of the changes.
        NotFound: there is no user or group of a name, or no pipeline that the caller may see.
        AlreadyExists: a name is taken by what the caller may not see.
        FailedPrecondition: jobs are in a pipeline that is to be deleted, or there is too much to change at once.
        PreconditionFailed: the changes are not those of the plan.
    """
    declared = _Declared(
        dict(_by_name("pipelines", request.pipelines or [])),
        dict(_by_name("groups", request.groups or [])),
    )
    for pipeline in request.pipelines or []:
        with _of(f"pipeline {pipeline.name}"):
            by_grantee(pipeline.grants or [])
    changes: list[Change] = []
    try:
        async with call.transaction() as connection:
            within = call._replace(within=connection, batches=None, precondition=no_precondition)
            changes = await _make(within, connection, request, declared)
            if request.plan is not None and request.plan != _plan(changes):
                raise PreconditionFailed("What this would change is not what the plan has: look at it again.")
            call.precondition(None)
            if request.dry_run:
                raise _Rehearsed
    except _Rehearsed:
        pass
    return Applied(changes, request.dry_run, _plan(changes))


class _Declared(NamedTuple):
    """The things that are declared, by the keys of their names."""

    pipelines: Mapping[str, DeclaredPipeline]
    groups: Mapping[str, DeclaredGroup]


def _by_name(field: str, declared: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is declared with the keys of the names.

    Raises:
        InvalidArgument: two have the same.
    """
    seen = set[str]()
    for place, each in enumerate(declared):
        key = name_key(each.name)
        if key in seen:
            raise InvalidArgument.of_fields([(f"{field}.{place}.name", [f"{each.name} is declared more than once."])])
        seen.add(key)
        yield key, each


class _Survey:
    """The changes that there are to be made, and what they concern; none is made."""

    def __init__(self, call: Call, connection: Connection) -> None:
        self.call, self.connection = call, connection
        self.changes: list[Change] = []
        self.concerned = Concerned()

    @property
    def organization_id(self) -> UUID:
        """The caller's organization."""
        return self.call.caller.organization_id

    async def change(
        self,
        operation: Operation,
        request: Any,
        changes: Sequence[Change],
        *,
        grants: Sequence[GrantInSet] = (),
        renames: bool = False,
    ) -> UUID:
        """Note changes that an operation makes, and return the id of the pipeline that it creates.

        Args:
            operation: that makes them.
            request: of it.
            changes: as they are told.
            grants: those that differ, where it replaces grants.
            renames: True if it gives a pipeline another name.
        """
        if len(self.changes) + len(changes) > MAX_CHANGES:
            raise FailedPrecondition(f"This takes more than {MAX_CHANGES:,} changes: declare fewer things at once.")
        self.changes += changes
        return await self._make(operation, request, grants, renames=renames)

    async def _make(self, _: Operation, request: Any, grants: Sequence[GrantInSet], *, renames: bool) -> UUID:
        self.concerned.add(request, grants, renames=renames)
        return NO_ID


class _Work(_Survey):
    """The changes of one transaction, each made by the operation that makes it alone."""

    def __init__(self, call: Call, connection: Connection, locked: Concerned) -> None:
        super().__init__(call, connection)
        self._locked, self._made = locked, set[UUID]()

    async def _make(self, operation: Operation, request: Any, grants: Sequence[GrantInSet], *, renames: bool) -> UUID:
        self._locked.require(Concerned.by(request, grants, renames=renames), self._made, self.call.caller.username)
        made = await operation(self.call, request)
        await self._adopt_own_changes()
        if operation is not create_pipeline:
            return NO_ID
        made_id: UUID = made.id
        self._made.add(made_id)
        return made_id

    async def _adopt_own_changes(self) -> None:
        """Let the caller count as authenticated after changes of their own.

        What they may do rests on rows that the operation before has locked, so that nobody else has changed it.

        Raises:
            Unauthenticated: the changes have ended the caller's own token.
        """
        caller = self.call.caller
        if caller.role is not Role.MEMBER:
            return
        proved = await authority.prove(self.connection, caller, authority.PROVE)
        if proved is None:
            raise Unauthenticated.invalid_token()
        self.call = self.call._replace(caller=replace(caller, revisions=(*proved.revisions,)))


class _Known(NamedTuple):
    """The things that there are, by the keys of their names, as far as a state may change them."""

    pipelines: Mapping[str, AccessiblePipeline]
    groups: Mapping[str, Group]


async def _make(call: Call, connection: Connection, request: Apply, declared: _Declared) -> list[Change]:
    """Make all changes, once all that they concern is locked; return them.

    What is locked first may change up to then, and so is surveyed twice.

    Raises:
        ConcurrentDelete: something else is to be changed than was locked: it is to be run again.
    """
    survey = _Survey(call, connection)
    known = _Known(
        await _list_pipelines(survey) if request.pipelines is not None else {},
        await _list_groups(survey) if declared.groups or request.groups is not None else {},
    )
    if await _survey(survey, request, declared, known) and not survey.changes:
        return []
    first = survey.concerned
    await lock_pipelines(call, connection, first)
    if first.pipelines:
        survey = _Survey(call, connection)
        await _survey(survey, request, declared, known)
    locked = survey.concerned.within(first)
    await lock_grantees(call, connection, locked)
    work = _Work(call, connection, locked)
    await _put(work, request, declared, known)
    return work.changes


async def _survey(survey: _Survey, request: Apply, declared: _Declared, known: _Known) -> bool:
    """Find out what there is to be changed, up to what will be refused; return whether nothing will."""
    try:
        await _put(survey, request, declared, known)
    except ServiceError:
        return False
    return True


async def _put(work: _Survey, request: Apply, declared: _Declared, known: _Known) -> None:
    """Make all changes: first the groups, which grants may name, and last what goes."""
    for key, group in declared.groups.items():
        if key not in known.groups:
            with _of(f"group {group.name}"):
                require_administrator(work.call.caller, "create groups")
                await work.change(
                    create_group, CreateGroup(group.name), [Change("group.create", f"group:{group.name}", None, {})]
                )
    for key, pipeline in declared.pipelines.items():
        with _of(f"pipeline {pipeline.name}"):
            await _put_pipeline(work, pipeline, known.pipelines.get(key), prune=request.prune)
    for group in declared.groups.values():
        if group.members is not None:
            with _of(f"group {group.name}"):
                await _put_members(work, group.name, group.members, prune=request.prune)
    if request.prune and request.pipelines is not None:
        await _delete_pipelines(work, [each for key, each in known.pipelines.items() if key not in declared.pipelines])
    if request.prune and request.groups is not None:
        await _delete_groups(work, [each for key, each in known.groups.items() if key not in declared.groups])


@contextmanager
def _of(what: str) -> Iterator[None]:
    """Say of a refusal what it is about."""
    try:
        yield
    except ServiceError as error:
        error.message = f"{what[0].upper()}{what[1:]}: {error.message}"
        raise


async def _list_groups(work: _Survey) -> dict[str, Group]:
    found = await groups.page(work.connection, work.organization_id, None, _whole(groups.ORDERS))
    return {name_key(each.name): each for each in found.items}


def _whole(orders: Orders) -> Span:
    """Return a page that is the whole list, in its own order."""
    return Span(orders.find(None), None, _ALL)


async def _list_pipelines(work: _Survey) -> dict[str, AccessiblePipeline]:
    caller = work.call.caller
    listing = pipelines.list_granted if caller.role is Role.MEMBER else pipelines.list_all
    found = await listing(work.connection, work.organization_id, caller.user_id)

    def by_key(rows: Sequence[Granted]) -> list[tuple[str, AccessiblePipeline]]:
        return [(name_key(each.name), each) for each in readable(caller, rows)]

    return dict(await in_slices(by_key, found.pipelines))


async def _put_pipeline(
    work: _Survey, declared: DeclaredPipeline, known: AccessiblePipeline | None, *, prune: bool
) -> None:
    """Make a pipeline as it is declared, or change it to that; then put its grants, if they are declared."""
    target = f"pipeline:{declared.name}"
    if known is None:
        require_pipeline_creator(work.call.caller)
        after = {"name": declared.name, "description": declared.description or ""}
        pipeline_id = await work.change(
            create_pipeline,
            CreatePipeline(declared.name, declared.description or ""),
            [Change("pipeline.create", target, None, after)],
        )
    else:
        pipeline_id = known.id
        found, granted = await find_visible(work.connection, work.call, pipeline_id)
        description = found.description if declared.description is None else declared.description
        before, after = (
            {"name": found.name, "description": found.description},
            {"name": declared.name, "description": description},
        )
        if before != after:
            change = Change("pipeline.update", f"pipeline:{found.name}", before, after)
            require(work.call.caller, WRITE, granted, CHANGE)
            update = UpdatePipeline(pipeline_id, declared.name, description)
            await work.change(update_pipeline, update, [change], renames=found.name != declared.name)
        if declared.grants is not None:
            require(work.call.caller, MANAGE_PIPELINES, granted, MANAGE)
    if declared.grants is not None:
        await _put_grants(work, pipeline_id, declared.name, declared.grants, prune=prune)


async def _put_grants(
    work: _Survey, pipeline_id: UUID, name: str, declared: Sequence[GrantInSet], *, prune: bool
) -> None:
    """Put the declared grants on a pipeline; with `prune`, take the others back."""
    old = await grants.list_of_pipeline(work.connection, work.organization_id, pipeline_id, _whole(grants.ORDERS))
    present: dict[GranteeKey, GrantInSet] = {
        (each.kind, name_key(each.name)): GrantInSet(
            each.access & EVERY_PERMISSION,
            each.name if each.kind == "user" else None,
            each.name if each.kind == "group" else None,
            bool(each.access & MANAGER),
            each.expires_at,
        )
        for each in old.items
    }
    wanted: dict[GranteeKey, GrantInSet] = {} if prune else dict(present)
    for key, (_, each) in by_grantee(declared).items():
        same = key in present and _state(present[key]) == _state(each)
        wanted[key] = present[key] if same else each
    gone = [grant for key, grant in present.items() if key not in wanted]
    put = {key: grant for key, grant in wanted.items() if present.get(key) is not grant}
    changes = [Change("grant.revoke", _target(name, grant), _state(grant), None) for grant in gone]
    changes += [
        Change("grant.set", _target(name, grant), _state(present[key]) if key in present else None, _state(grant))
        for key, grant in put.items()
    ]
    if changes:
        request = ReplaceGrants(pipeline_id, [*wanted.values()])
        await work.change(replace_grants, request, changes, grants=[*gone, *put.values()])


def _target(pipeline: str, grant: GrantInSet) -> str:
    return f"grant:{pipeline}/{f'user:{grant.user}' if grant.user else f'group:{grant.group}'}"


def _state(grant: GrantInSet) -> dict[str, Any]:
    access = grant.permissions | READ | (MANAGER if grant.is_manager else 0)
    return grants.state(access, grant.expires_at)


async def _put_members(work: _Survey, name: str, declared: Sequence[str], *, prune: bool) -> None:
    """Put the declared users into a group; with `prune`, take the others out."""
    require_administrator(work.call.caller, "see who is in a group")
    group = await groups.find_by_name(work.connection, work.organization_id, name)
    name, group_id = (name, NO_ID) if group is None else (group.name, group.id)
    span = _whole(groups.MEMBER_ORDERS)
    found = await groups.page_members(work.connection, work.organization_id, group_id, span)
    present = {name_key(member.username): member.username for member in found.items}
    wanted = {name_key(each): each for each in declared}
    joining = [each for key, each in wanted.items() if key not in present]
    leaving = [each for key, each in present.items() if key not in wanted] if prune else []
    if len(joining) + len(leaving) > MAX_NAMES:
        raise FailedPrecondition(f"More than {MAX_NAMES:,} members would change at once: declare fewer of them.")
    target = f"group:{name}"
    changes = [Change("group.add_member", target, None, {"member": each}) for each in joining]
    changes += [Change("group.remove_member", target, {"member": each}, None) for each in leaving]
    if changes:
        await work.change(update_members, UpdateMembers(name, joining, leaving), changes)


async def _delete_pipelines(work: _Survey, gone: Sequence[AccessiblePipeline]) -> None:
    _require_few(gone, "pipelines")
    for each in sorted(gone):
        with _of(f"pipeline {each.name}"):
            require(work.call.caller, DELETE, each.access, "delete this pipeline")
            change = Change("pipeline.delete", f"pipeline:{each.name}", {"name": each.name}, None)
            await work.change(delete_pipeline, DeletePipeline(each.id), [change])


async def _delete_groups(work: _Survey, gone: Sequence[Group]) -> None:
    _require_few(gone, "groups")
    for each in gone:
        with _of(f"group {each.name}"):
            require_administrator(work.call.caller, "delete groups")
            change = Change("group.delete", f"group:{each.name}", {}, None)
            await work.change(delete_group, GroupRef(each.name), [change])


def _require_few(gone: Sequence[object], what: str) -> None:
    """Require that pruning deletes no more than could have been declared.

    Raises:
        FailedPrecondition: it would.
    """
    if len(gone) > MAX_DECLARED:
        raise FailedPrecondition(
            f"{len(gone):,} {what} are not declared, and more than {MAX_DECLARED} are not deleted at once: see that all"
            " is declared that is to stay."
        )


def _plan(changes: Sequence[Change]) -> str:
    """Return a text that is the same for the same changes."""
    return hashlib.sha256(orjson.dumps(changes, default=str)).hexdigest()[:PLAN_LENGTH]
