"""The hot statements: calls that send each, and the indexes by which it must reach its tables."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import asyncpg

from service.authentication.bearer import Authentication
from service.batching.job_updates import JobUpdateBatcher
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.pool import open_database
from service.identity import Caller, MappedUser, Provided
from service.repositories import jobs, pipelines, tokens
from service.repositories.identities import Identity
from service.repositories.identities import find_linked as find_links
from service.repositories.identities import note_use as note_link_use
from service.settings import Settings
from tests.plans.database import CHOSEN, LARGE, Target
from tests.plans.recording import OneConnection, Recorder, Statement

ISSUER = "https://id.example.com"
LINK_EVERY_USER = f"""
    INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)
    SELECT organization_id, gen_random_uuid(), id, '{ISSUER}', id::text FROM users
    ON CONFLICT DO NOTHING;
    ANALYZE identity_links
"""


@dataclass(frozen=True)
class Filled:
    dsn: str
    raw: "asyncpg.Connection[asyncpg.Record]"
    targets: list[Target]

    async def caller(self, settings: Settings, target: Target) -> Caller:
        async with open_database(self.dsn, settings) as database:
            return await Authentication(database, 5).authenticate(f"Bearer {target.token}")

    async def linked_caller(self, settings: Settings, target: Target) -> Caller:
        """Return the user of a target as they come by their link."""
        caller = await self.caller(settings, target)
        link = await self.raw.fetchrow(
            "SELECT id, secret FROM identity_links WHERE organization_id = $1 AND user_id = $2",
            *(caller.organization_id, caller.user_id),
        )
        assert link is not None
        provided = Provided(
            ISSUER, link["id"], link["secret"], caller.database_time + timedelta(hours=1), (), None, None
        )
        return replace(caller, token_id=link["id"], provided=provided)

    async def identity(self, number: int) -> Identity:
        """Return a user of a target as a provider knows them, whose claims are mapped to two groups."""
        organization_id = await self.organization_id()
        names = await self.raw.fetch(
            "SELECT lower(name) FROM groups WHERE organization_id = $1 LIMIT 2", organization_id
        )
        subject = str(self.targets[number].user_id)
        return Identity(None, ISSUER, subject, False, [name for (name,) in names])

    async def organization_id(self) -> UUID:
        found: UUID = await self.raw.fetchval(
            "SELECT organization_id FROM users WHERE id = $1", self.targets[0].user_id
        )
        return found

    async def administrator(self) -> UUID:
        found: UUID = await self.raw.fetchval(
            "SELECT id FROM users WHERE organization_id = $1 AND role = 'admin'", await self.organization_id()
        )
        return found


Send = Callable[[Filled, Recorder, Settings], Awaitable[None]]


async def find_active(filled: Filled, recorder: Recorder, _: Settings) -> None:
    digests = [hashlib.sha256(target.token.encode()).digest() for target in filled.targets]

    assert len(await tokens.find_active(recorder, digests)) == 32


async def find_active_alone(filled: Filled, recorder: Recorder, _: Settings) -> None:
    digests = [hashlib.sha256(filled.targets[0].token.encode()).digest()]

    assert len(await tokens.find_active(recorder, digests)) == 1


async def find_linked(filled: Filled, recorder: Recorder, _: Settings) -> None:
    identities = [await filled.identity(number) for number in range(8)]  # of more, a small table is read whole

    assert None not in await find_links(recorder, identities)


async def find_linked_alone(filled: Filled, recorder: Recorder, _: Settings) -> None:
    (linked,) = await find_links(recorder, [await filled.identity(0)])

    assert linked is not None
    assert len(linked.groups) == 2


async def find_unmapped(filled: Filled, recorder: Recorder, _: Settings) -> None:
    identities = [(await filled.identity(number))._replace(groups=()) for number in range(8)]

    assert None not in await find_links(recorder, identities)


async def find_unmapped_alone(filled: Filled, recorder: Recorder, _: Settings) -> None:
    (linked,) = await find_links(recorder, [(await filled.identity(0))._replace(groups=())])

    assert linked is not None
    assert not linked.groups


async def list_granted_with_mapped_groups(filled: Filled, recorder: Recorder, _: Settings) -> None:
    (linked,) = await find_links(recorder, [await filled.identity(0)])
    assert linked is not None
    user_id = MappedUser(linked.user_id, tuple(key for key, _ in linked.groups), elevated=False)

    listing = await pipelines.list_granted(recorder, linked.organization_id, user_id)

    assert len(listing.pipelines) > 10


async def note_use_of_links(filled: Filled, recorder: Recorder, _: Settings) -> None:
    linked = await find_links(recorder, [await filled.identity(number) for number in range(12)])

    await note_link_use(recorder, [(each.organization_id, each.link_id, each.database_time) for each in linked if each])


async def list_granted(filled: Filled, recorder: Recorder, _: Settings) -> None:
    listing = await pipelines.list_granted(recorder, await filled.organization_id(), filled.targets[0].user_id)

    assert len(listing.pipelines) > 10


async def list_granted_each(filled: Filled, recorder: Recorder, _: Settings) -> None:
    organization_id = await filled.organization_id()
    users = [(organization_id, target.user_id) for target in filled.targets[:16]]

    listings = await pipelines.list_granted_each(recorder, users)

    assert sum(len(listing.pipelines) for listing in listings if listing) > 100


async def list_all(filled: Filled, recorder: Recorder, _: Settings) -> None:
    organization_id = await filled.organization_id()

    listing = await pipelines.list_all(recorder, organization_id, await filled.administrator())

    assert len(listing.pipelines) >= 500
    assert len(listing.version.revisions) > 1


async def list_all_page(filled: Filled, recorder: Recorder, _: Settings) -> None:
    filters = pipelines.Filters(after=("pipeline 0000-00099", str(UUID(int=0))), limit=51)

    listing = await pipelines.list_all(recorder, await filled.organization_id(), await filled.administrator(), filters)

    assert len(listing.pipelines) == 51


async def update_one(filled: Filled, recorder: Recorder, settings: Settings) -> None:
    await update_each(filled, recorder, settings, count=1)


async def update_each(filled: Filled, recorder: Recorder, settings: Settings, count: int = 12) -> None:
    database = OneConnection(recorder)
    updates = JobUpdateBatcher(database, PipelineListBatcher(database), 2**20)
    callers = [(target, await filled.caller(settings, target)) for target in filled.targets[:count]]

    made = await asyncio.gather(
        *(updates.update(caller, None, target.job_id, target.pipeline_ids) for target, caller in callers)
    )

    assert None not in made


async def update_linked(filled: Filled, recorder: Recorder, settings: Settings, count: int = 12) -> None:
    """Make the same updates by an identity provider, whose claims are mapped to a group of each user's."""
    database = OneConnection(recorder)
    updates = JobUpdateBatcher(database, PipelineListBatcher(database), 2**20)
    callers = [await filled.linked_caller(settings, target) for target in filled.targets[:count]]

    made = await asyncio.gather(
        *(
            updates.update(caller, None, target.job_id, target.pipeline_ids)
            for target, caller in zip(filled.targets[:count], callers, strict=True)
        )
    )

    assert None not in made


async def update_linked_alone(filled: Filled, recorder: Recorder, settings: Settings) -> None:
    await update_linked(filled, recorder, settings, count=1)


async def find_for_update(filled: Filled, recorder: Recorder, _: Settings) -> None:
    assert await jobs.find_for_update(recorder, await filled.organization_id(), filled.targets[0].job_id)


async def list_for_update_of_job(filled: Filled, recorder: Recorder, _: Settings) -> None:
    target = filled.targets[0]

    found = await pipelines.list_for_update_of_job(
        recorder, await filled.organization_id(), target.user_id, target.job_id, target.pipeline_ids
    )

    assert len(found) >= len(target.pipeline_ids)


async def replace_assignments(filled: Filled, recorder: Recorder, _: Settings) -> None:
    target = filled.targets[0]
    await jobs.replace_assignments(recorder, await filled.organization_id(), target.job_id, target.pipeline_ids)


async def hold_pipelines(filled: Filled, recorder: Recorder, _: Settings) -> None:
    await pipelines.hold(recorder, await filled.organization_id(), filled.targets[0].pipeline_ids)


async def list_of_job(filled: Filled, recorder: Recorder, _: Settings) -> None:
    organization_id = await filled.organization_id()
    job_id = await filled.raw.fetchval("SELECT job_id FROM assignments WHERE organization_id = $1", organization_id)

    assert await pipelines.list_of_job(recorder, organization_id, filled.targets[0].user_id, job_id)


async def note_use(filled: Filled, recorder: Recorder, settings: Settings) -> None:
    callers = [await filled.caller(settings, target) for target in filled.targets[:12]]

    await tokens.note_use(
        recorder, [(caller.organization_id, caller.token_id, caller.database_time) for caller in callers]
    )


LINKED = {"identity_links": "identity_links_identity_unique", "groups": "groups_pkey groups_name_unique"}
MEMBERSHIPS = {"memberships": "memberships_pkey", "groups": "groups_pkey"}
GRANTS = {
    "user_grants": "user_grants_pkey",
    "memberships": "memberships_pkey",
    "group_grants": "group_grants_pkey",
}
HOT: list[tuple[str, Send, dict[str, str]]] = [
    (
        "tokens.find_active",
        find_active,
        {"tokens": "tokens_digest_unique", "users": "users_pkey", **MEMBERSHIPS},
    ),
    (
        "tokens.find_active",
        find_active_alone,
        {"tokens": "tokens_digest_unique", "users": "users_pkey", **MEMBERSHIPS},
    ),
    *(
        (
            "pipelines.list_granted",
            each,
            {"users": "users_pkey", "pipelines": "pipelines_pkey", **MEMBERSHIPS, **GRANTS},
        )
        for each in (list_granted, list_granted_with_mapped_groups)
    ),
    (
        "pipelines.list_granted_each",
        list_granted_each,
        {"users": "users_pkey", "pipelines": "pipelines_pkey", **MEMBERSHIPS, **GRANTS},
    ),
    # Unfiltered only on the large set: on the small one it is half of the table, which may well be scanned.
    *(
        [("pipelines.list_all", list_all, {"users": "users_pkey", "pipelines": "pipelines_by_name", **MEMBERSHIPS})]
        if CHOSEN is LARGE
        else []
    ),
    (
        "pipelines.list_all",
        list_all_page,
        {"users": "users_pkey", "pipelines": "pipelines_by_name", **MEMBERSHIPS},
    ),
    (
        "jobs.update_each",
        update_each,
        {
            "tokens": "tokens_digest_unique",
            "jobs": "jobs_pkey",
            "users": "users_pkey",
            "assignments": "assignments_pkey",
            "pipelines": "pipelines_pkey",
            **MEMBERSHIPS,
        },
    ),
    (
        "jobs.update_each",
        update_one,
        {
            "tokens": "tokens_digest_unique",
            "jobs": "jobs_pkey",
            "users": "users_pkey",
            "assignments": "assignments_pkey",
            "pipelines": "pipelines_pkey",
            **MEMBERSHIPS,
        },
    ),
    *(
        (
            "jobs.update_each",
            each,
            {
                "identity_links": "identity_links_pkey",
                "groups": "groups_pkey",
                "jobs": "jobs_pkey",
                "users": "users_pkey",
                "assignments": "assignments_pkey",
                "pipelines": "pipelines_pkey",
                **MEMBERSHIPS,
            },
        )
        for each in (update_linked, update_linked_alone)
    ),
    ("jobs.find_for_update", find_for_update, {"jobs": "jobs_pkey", "users": "users_pkey"}),
    (
        "pipelines.list_for_update_of_job",
        list_for_update_of_job,
        {"assignments": "assignments_pkey", "pipelines": "pipelines_pkey", **GRANTS},
    ),
    (
        "jobs.replace_assignments",
        replace_assignments,
        {"jobs": "jobs_pkey", "assignments": "assignments_pkey"},
    ),
    ("pipelines.hold", hold_pipelines, {"pipelines": "pipelines_pkey"}),
    (
        "pipelines.list_of_job",
        list_of_job,
        {"assignments": "assignments_pkey", "pipelines": "pipelines_pkey", **GRANTS},
    ),
    ("tokens.note_use", note_use, {"tokens": "tokens_pkey"}),
    *(
        ("identities.find_linked", each, {**LINKED, "users": "users_pkey", "memberships": "memberships_pkey"})
        for each in (find_linked, find_linked_alone)
    ),
    *(
        ("identities.find_plain", each, {**LINKED, "groups": "groups_pkey", "users": "users_pkey", **MEMBERSHIPS})
        for each in (find_unmapped, find_unmapped_alone)
    ),
    ("identities.note_use", note_use_of_links, {"identity_links": "identity_links_pkey"}),
]
"""The hot statements, each with the index, or the indexes, by which it must reach each table."""


async def statement_of(filled: Filled, settings: Settings, name: str, send: Send) -> Statement:
    """Return the last statement of that name that `send` sends; all its effects are rolled back."""
    recorder = Recorder(filled.raw)
    transaction = filled.raw.transaction()
    await transaction.start()
    try:
        await send(filled, recorder, settings)
    finally:
        await transaction.rollback()
    return [statement for statement in recorder.sent if statement.name == name][-1]
