"""Factories of the rows that a test is about, in an organization of its own, each in one short line."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from service.audit.sealing import seal_new
from service.database.pool import Connection
from service.permissions import EXECUTE, READ
from service.values.names import name_key

PAST = datetime(2020, 1, 1, tzinfo=UTC)
SOON = timedelta(hours=1)


@dataclass(frozen=True)
class Member:
    """A user of a test's organization, with a token that has all of their permissions."""

    id: UUID
    username: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class World:
    """An organization, and the connection by which a test fills it."""

    raw: "asyncpg.Connection[asyncpg.Record]"
    id: UUID

    @classmethod
    async def create(cls, raw: "asyncpg.Connection[asyncpg.Record]", organization_id: UUID | None = None) -> "World":
        organization_id = organization_id or uuid4()
        await raw.execute("INSERT INTO organizations (id, name) VALUES ($1, $2)", organization_id, "Acme")
        return cls(raw, organization_id)

    async def user(self, username: str = "", role: str = "member") -> Member:
        user_id, name = uuid4(), username or f"user-{secrets.token_hex(4)}"
        await self.raw.execute(
            "INSERT INTO users (organization_id, id, username, role) VALUES ($1, $2, $3, $4)",
            self.id,
            user_id,
            name,
            role,
        )
        return Member(user_id, name, await self.token(user_id))

    async def token(
        self,
        user_id: UUID,
        *,
        scopes: int | None = None,
        expires_at: datetime | None = None,
        revoked_at: datetime | None = None,
    ) -> str:
        token = f"fp_{secrets.token_hex(32)}"
        await self.raw.execute(
            """
            INSERT INTO tokens (organization_id, id, user_id, digest, scopes, expires_at, revoked_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            self.id,
            uuid4(),
            user_id,
            hashlib.sha256(token.encode()).digest(),
            scopes,
            expires_at,
            revoked_at,
        )
        return token

    async def group(self, *members: Member, name: str = "") -> UUID:
        group_id = uuid4()
        await self.raw.execute(
            "INSERT INTO groups (organization_id, id, name) VALUES ($1, $2, $3)",
            self.id,
            group_id,
            name or f"group-{secrets.token_hex(4)}",
        )
        for member in members:
            await self.join(member, group_id)
        return group_id

    async def join(self, member: Member, group_id: UUID) -> None:
        await self.raw.execute(
            "INSERT INTO memberships (organization_id, user_id, group_id) VALUES ($1, $2, $3)",
            self.id,
            member.id,
            group_id,
        )

    async def pipeline(self, name: str = "") -> UUID:
        pipeline_id, name = uuid4(), name or f"pipeline {secrets.token_hex(4)}"
        await self.raw.execute(
            "INSERT INTO pipelines (organization_id, id, name, name_key) VALUES ($1, $2, $3, $4)",
            self.id,
            pipeline_id,
            name,
            name_key(name),
        )
        return pipeline_id

    async def grant(
        self,
        pipeline_id: UUID,
        to: Member | UUID,
        access: int = READ | EXECUTE,
        expires_at: datetime | None = None,
    ) -> None:
        """Grant access to a user, or to the group of that id."""
        table, column = ("user_grants", "user_id") if isinstance(to, Member) else ("group_grants", "group_id")
        await self.raw.execute(
            f"INSERT INTO {table} (organization_id, {column}, pipeline_id, access, expires_at)"
            " VALUES ($1, $2, $3, $4, $5)",
            self.id,
            to.id if isinstance(to, Member) else to,
            pipeline_id,
            access | READ,
            expires_at,
        )

    async def job(self, owner: Member, *pipeline_ids: UUID, job_id: str = "") -> str:
        job_id = job_id or str(uuid4())
        await self.raw.execute(
            "INSERT INTO jobs (organization_id, id, owner_id) VALUES ($1, $2, $3)", self.id, job_id, owner.id
        )
        for position, pipeline_id in enumerate(pipeline_ids, 1):
            await self.raw.execute(
                "INSERT INTO assignments (organization_id, job_id, pipeline_id, position) VALUES ($1, $2, $3, $4)",
                self.id,
                job_id,
                pipeline_id,
                position,
            )
        return job_id

    async def pipelines_of(self, job_id: str) -> list[UUID]:
        """Return the pipelines of a job in its own order, as the database has them."""
        rows = await self.raw.fetch(
            "SELECT pipeline_id FROM assignments WHERE organization_id = $1 AND job_id = $2 ORDER BY position",
            self.id,
            job_id,
        )
        return [row["pipeline_id"] for row in rows]

    async def sealed_entry(self) -> int:
        """Write an entry of the audit trail, and seal what is there."""
        entry: int = await self.raw.fetchval(
            "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'command line', 'test', 't')"
            " RETURNING id",
            self.id,
        )
        sealed = False
        while not sealed:
            async with self.raw.transaction():
                await seal_new(Connection(self.raw))
            sealed = await self.raw.fetchval("SELECT EXISTS (SELECT FROM audit_seals WHERE ids @> $1::bigint)", entry)
        return entry
