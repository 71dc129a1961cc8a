"""Workers whose users come by tokens of an identity provider, and perhaps are provisioned by it, too."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import orjson

from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider
from tests.freshness import provisioned
from tests.freshness import state as states
from tests.freshness.provisioned import PROVISIONED_KINDS, SCIM
from tests.freshness.state import Change
from tests.freshness.workers import Worker, done

GENERATIONS: Final = 3
"""Users that a worker may begin anew with where claims are mapped to their groups: settings name these at the start."""


def provider_settings(provider: IdentityProvider, workers: int) -> dict[str, str]:
    """Return the settings of replicas that take the provider's tokens, for so many workers."""
    names = [f"group-{number}-{generation}" for number in range(workers) for generation in range(GENERATIONS)]
    mapped = orjson.dumps({f"/{name}": name for name in names}).decode()
    issuer = {"OIDC_ISSUER": provider.issuer, "OIDC_AUDIENCE": AUDIENCE}
    return {**issuer, "OIDC_GROUPS": mapped, "OIDC_ROLES": "boss=pipeline_admin"}


@dataclass
class Links:
    """Links of subjects to users, changed in the database: no call does that."""

    raw: "asyncpg.Connection[asyncpg.Record]"
    turn: asyncio.Lock

    async def execute(self, statement: str, *arguments: object) -> None:
        async with self.turn:
            await self.raw.execute(statement, *arguments)


@dataclass(frozen=True)
class Person:
    """The place of an identity worker's user: at which provider, by whose links, and in which organization."""

    provider: IdentityProvider
    links: Links
    organization_id: UUID
    provisioning_token: str = ""
    """The token by which the provider provisions; empty where it does not."""


class IdentityWorker(Worker):
    """A worker whose user comes by tokens of an identity provider."""

    kinds = states.IDENTITY_KINDS

    def __init__(self, person: Person, *of_worker: Any) -> None:
        super().__init__(*of_worker)
        self._person = person
        self._subject, self._link_id = str(uuid4()), uuid4()

    async def _let_in(self) -> None:
        await self._link()
        self._claim()

    def _claim(self) -> None:
        groups = [f"/{self._names.group}"] if self._state.claimed else []
        roles = ["boss"] if self._state.claims_role else []
        self._token = self._person.provider.token(
            self._subject, groups=groups, roles=roles, exp=int(time.time()) + 86_400
        )

    async def _link(self) -> None:
        await self._person.links.execute(
            """
            INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)
            SELECT u.organization_id, $5, u.id, $3, $4
            FROM users u WHERE u.organization_id = $1 AND u.username = $2
            """,
            *(
                self._person.organization_id,
                self._names.user,
                self._person.provider.issuer,
                self._subject,
                self._link_id,
            ),
        )

    async def _change(self, change: Change) -> None:
        if change.method == states.LINK:
            await self._link()
        elif change.method == states.UNLINK:
            await self._person.links.execute("DELETE FROM identity_links WHERE subject = $1", self._subject)
        elif change.method != states.CLAIM:
            await super()._change(change)
            return
        self._state = change.after
        if change.method == states.CLAIM:
            self._claim()


class ProvisionedWorker(IdentityWorker):
    """A worker whose user and group the identity provider provisions, too: it alone changes what it manages."""

    kinds = PROVISIONED_KINDS

    def __init__(self, *of_worker: Any) -> None:
        super().__init__(*of_worker)
        self._ids = {"user": "", "group": ""}

    async def _make_people(self) -> None:
        user = await self._provision("POST", "/Users", provisioned.user_body(self._names))
        group = await self._provision("POST", "/Groups", provisioned.group_body(self._names))
        self._ids = {"user": user["id"], "group": group["id"]}

    async def _provision(self, method: str, path: str, body: Any) -> Any:
        named = orjson.dumps([path, body]).decode()
        for name, key in self._ids.items():
            named = named.replace(f"{{{name}}}", key)
        path, body = orjson.loads(named)
        return done(await self._writer.call(self._person.provisioning_token, method, self._writer.scim + path, body))

    async def _change(self, change: Change) -> None:
        if not change.method.startswith(SCIM):
            await super()._change(change)
            return
        await self._provision(change.method.removeprefix(SCIM), change.path, change.body)
        self._state = change.after
