"""Whatever changes what somebody sees by a provider's token, their revisions are new, and caches keep claims apart.

A property over the same statements on the same tables as for tokens of the service's own
(tests/repositories/test_revisions_of_any_statement.py), and links: for each user with all mixtures of claims.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from service.authentication.oidc import sign_in
from service.authentication.oidc.sign_in import Verified
from service.batching.cache import _key
from service.database.migrations import migrate
from service.database.pool import Connection
from service.identity import Caller
from service.permissions import Role
from service.repositories import identities, pipelines
from service.repositories.identities import Identity
from service.values.identity_providers import Provider
from tests.repositories import test_revisions_of_any_statement as of_tokens

ISSUER = "https://id.example.com"
GROUPS: tuple[tuple[str, ...], ...] = ((), ("mapped",), ("mapped", "other"))
ROLES = (None, Role.PIPELINE_ADMIN)


@dataclass
class Stage(of_tokens.Stage):
    """The same, and what each linked user saw, by each mixture of claims."""

    met: dict[Any, Any] = field(default_factory=dict)
    without_groups: bool = False
    """True for the control, whose revisions lack those of mapped groups, and the organization's."""

    async def violations(self) -> list[str]:
        wanted = [
            (organization_id, groups, role)
            for organization_id, groups, role in product(self.ids["organization"], GROUPS, ROLES)
        ]
        asked = [
            Identity(organization_id, ISSUER, "ada", role is not None, groups)
            for organization_id, groups, role in wanted
        ]
        connection, found = Connection(self.raw), []
        for (_, groups, role), identity, linked in zip(
            wanted, asked, await identities.find_linked(connection, asked), strict=True
        ):
            if linked is None:
                continue
            verified = Verified(
                Provider(ISSUER, "x"), None, None, {}, 2e9, datetime.now(UTC), identity, None,  # type: ignore[arg-type] # no keys are asked for
                {name: f"/{name}" for name in groups}, role, None if role is None else "boss", None,
            )  # fmt: skip
            caller = sign_in._caller(verified, linked, b"")
            found += await self._compare(connection, caller)
        return found

    async def _compare(self, connection: Connection, caller: Caller) -> list[str]:
        read = pipelines.list_granted if caller.role is Role.MEMBER else pipelines.list_all
        listed = await read(connection, caller.organization_id, caller.user_id)
        view = tuple((each.id, each.name, each.granted) for each in listed.pipelines)
        revisions = await self._own_revisions(caller) if self.without_groups else caller.revisions
        key = _key(caller), revisions
        self.changes += key not in self.met
        errors = [] if self.met.setdefault(key, view) == view else [f"{self.met[key]} and {view} at {key}"]
        if listed.version.revisions != caller.revisions:
            errors.append(f"{caller.revisions} of the caller, but the list is of {listed.version.revisions}")
        return errors

    async def _own_revisions(self, caller: Caller) -> tuple[int, ...]:
        return (await self.raw.fetchval("SELECT revision FROM users WHERE id = $1", UUID(int=caller.user_id.int)),)


async def staged(dsn: str) -> AsyncIterator[Stage]:
    raw = await asyncpg.connect(dsn)
    transaction = raw.transaction()
    await transaction.start()
    stage = await Stage.create(raw)
    assert isinstance(stage, Stage)
    for number, organization_id in enumerate(stage.ids["organization"][:2]):
        user, (group, other) = stage.ids["user"][4 * number], stage.ids["group"][2 * number : 2 * number + 2]
        for name, group_id in (("Mapped", group), ("other", other)):
            await raw.execute("UPDATE groups SET name = $1 WHERE id = $2", name, group_id)
        await raw.execute(
            "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)"
            " VALUES ($1, gen_random_uuid(), $2, $3, 'ada')",
            *(organization_id, user, ISSUER),
        )
    yield stage
    await transaction.rollback()
    await raw.close()


@pytest.fixture(name="stage")
async def _stage(empty_dsn: str) -> AsyncIterator[Stage]:
    await migrate(empty_dsn)
    async for stage in staged(empty_dsn):
        yield stage


async def test_no_statement_changes_what_claims_give_without_new_revisions(stage: Stage) -> None:
    assert await of_tokens.each_alone(stage, 1) == []
    assert stage.changes > 200


async def test_no_statements_in_a_row_change_what_claims_give_without_new_revisions(stage: Stage) -> None:
    found = list[str]()
    for seed in range(3):
        savepoint = stage.raw.transaction()
        await savepoint.start()
        found += await of_tokens.one_after_the_other(stage, 30, seed, of_tokens.ROLES[:2])
        await savepoint.rollback()

    assert found == []
    assert stage.changes > 50


async def test_control_without_revisions_of_mapped_groups_is_found_out(stage: Stage) -> None:
    stage.without_groups = True

    for only in ("delete", "update access"):
        assert any(each for each in await of_tokens.each_alone(stage, 1, only) if "of the caller" not in each)
