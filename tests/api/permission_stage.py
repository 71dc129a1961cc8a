"""An organization in which every cell of the permission table can be called, beside another one."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

from service.http.routes import Route
from service.operations.permission_table.verdicts import JOB, Act, Decision, ObjectType, Ownership, Situation, Verdict
from service.permissions import (
    EXECUTE,
    FULL_ACCESS,
    READ,
    SCOPE_ADMIN,
    SCOPE_BITS,
    is_manager,
    permission_names,
    scope_names,
    scope_set,
)
from service.scim.endpoint import ScimRoute
from tests.factories import Member, World

EVERY_SCOPE: Final = scope_set(SCOPE_BITS)


@dataclass(frozen=True)
class Cell:
    """One cell of the table, as it is called."""

    act: Act
    route: Route | ScimRoute
    situation: Situation
    scopes: int | None

    @property
    def decision(self) -> Decision:
        return self.act.decision(self.situation)

    @property
    def verdict(self) -> Verdict:
        return self.decision.on(self.scopes)[0]

    @property
    def owns(self) -> bool:
        return self.situation.ownership is Ownership.OWN

    @property
    def changes(self) -> bool:
        """True if its call changes something, so that it takes an object of its own."""
        return self.verdict is Verdict.ALLOWED and not self.route.only_reads

    def __str__(self) -> str:
        scopes = "without scopes" if self.scopes is None else f"with {', '.join(scope_names(self.scopes) or [])}"
        return f"{self.act.about.kind_of(self.situation)} {tuple(self.situation)}, token {scopes}"


def cells(act: Act, route: Route | ScimRoute) -> list[Cell]:
    """Return the cells of a row."""
    return [
        Cell(act, route, situation, scopes)
        for situation in act.about.situations
        for scopes in scopes_for(act.decision(situation))
    ]


def scopes_for(decision: Decision) -> list[int | None]:
    """Return the scopes of tokens that a cell is called with.

    None, all, all but admin, all but one that is needed, only one, and just those that are needed.
    """
    lacking = (EVERY_SCOPE & ~scope for scope in (SCOPE_ADMIN, *decision.without))
    return [*dict.fromkeys((None, EVERY_SCOPE, *lacking, *SCOPE_BITS.values(), decision.scopes or None))]


@dataclass(frozen=True)
class Asked:
    """What a call is made of: values in its path and query, and its body."""

    values: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    query: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    """In the place of the usual token of the caller."""
    listed: object = None
    """The id that a list has, or not."""


class Stage:
    """Two organizations, and in them a user for each role and grant that the table tells apart.

    On things of one organization all of them are called; what is refused changes nothing, so it shares them.
    """

    pipeline: UUID
    second: UUID
    """Granted like the first."""
    open: UUID
    """Everybody may execute it."""
    other: Member
    """The owner of what is somebody else's, with a grant on the first pipeline."""
    chief: Member
    """A manager of it."""

    def __init__(self, home: World, away: World) -> None:
        self.home, self.away = home, away
        self._users: dict[Situation, Member] = {}
        self._jobs: dict[tuple[UUID, bool], str] = {}
        self._tokens: dict[tuple[UUID, int | None], str] = {}

    async def build(self, types: tuple[ObjectType, ...]) -> "Stage":
        """Fill the organizations with a user for each situation in which callers of these types may be."""
        home = self.home
        self.other, self.chief = await home.user(), await home.user()
        self.pipeline, self.second, self.open = [await home.pipeline() for _ in range(3)]
        group, chiefs = await home.group(self.other, name="group"), await home.group(name="chiefs")
        for to, access in ((self.other, READ), (group, READ), (self.chief, FULL_ACCESS), (chiefs, FULL_ACCESS)):
            await home.grant(self.pipeline, to, access)
        for person in dict.fromkeys(_person(each) for about in types for each in about.situations):
            self._users[person] = await self._new_user(person)
        for user in (self.other, *self._users.values()):
            for queued in (True, False):
                self._jobs[user.id, queued] = await self._new_job(user, queued=queued)
        return self

    async def _new_user(self, person: Situation) -> Member:
        if person.outside:
            return await self.away.user(role=person.role)
        user = await self.home.user(role=person.role)
        await self.home.grant(self.open, user, READ | EXECUTE)
        if person.granted:
            await self.home.grant(self.pipeline, user, person.granted)
            await self.home.grant(self.second, user, person.granted)
        return user

    def caller(self, cell: Cell) -> Member:
        """Return the caller of a cell."""
        return self._users[_person(cell.situation)]

    async def token(self, cell: Cell) -> str:
        """Return a token of the caller with the cell's scopes."""
        user, world = self.caller(cell), self.away if cell.situation.outside else self.home
        if (user.id, cell.scopes) not in self._tokens:
            self._tokens[user.id, cell.scopes] = await world.token(user.id, scopes=cell.scopes)
        return self._tokens[user.id, cell.scopes]

    async def new_token(self, owner: Member, scopes: int | None, parent: UUID | None = None) -> tuple[UUID, str]:
        """Make a token of a user of the first organization that no other call uses; return its id and secret."""
        token_id, secret = uuid4(), f"fp_{secrets.token_hex(32)}"
        columns = "organization_id, id, user_id, digest, scopes, parent_id"
        statement = f"INSERT INTO tokens ({columns}) VALUES ($1, $2, $3, $4, $5, $6)"
        digest = hashlib.sha256(secret.encode()).digest()
        await self.home.raw.execute(statement, self.home.id, token_id, owner.id, digest, scopes, parent)
        return token_id, secret

    async def job(self, cell: Cell, *, own: bool, queued: bool) -> str:
        """Return a job, of the caller or of somebody else, in the first pipeline or in none."""
        owner = self.caller(cell) if own else self.other
        return await self._new_job(owner, queued=queued) if cell.changes else self._jobs[owner.id, queued]

    async def _new_job(self, owner: Member, *, queued: bool) -> str:
        if any(person.outside and user == owner for person, user in self._users.items()):
            return await self.away.job(owner)
        return await self.home.job(owner, *([self.pipeline] if queued else []))

    async def job_of(self, cell: Cell) -> str:
        """Return the job that a call on jobs is about."""
        return await self.job(cell, own=cell.owns, queued=cell.act.about is JOB)

    async def new_pipeline(self, cell: Cell) -> UUID:
        """Return a pipeline that no other call uses, granted to the caller like the first."""
        pipeline = await self.home.pipeline()
        if cell.situation.granted:
            await self.home.grant(pipeline, self.caller(cell), cell.situation.granted)
        return pipeline

    async def grants(self, pipeline: UUID) -> list[dict[str, Any]]:
        """Return the grants on a pipeline, as a whole set of them is put."""
        rows = await self.home.raw.fetch(
            "SELECT u.username, r.name, g.access FROM grants g LEFT JOIN users u ON u.id = g.user_id"
            " LEFT JOIN groups r ON r.id = g.group_id WHERE g.pipeline_id = $1",
            pipeline,
        )
        return [
            {
                **({"user": username} if username else {"group": name}),
                "permissions": permission_names(access),
                "is_manager": is_manager(access),
            }
            for username, name, access in rows
        ]

    async def new_group(self, *members: Member) -> str:
        """Make a group that no other call uses, and return its name."""
        name = f"group-{uuid4()}"
        await self.home.group(*members, name=name)
        return name

    async def entries(self) -> int:
        """Return how many rows the audit trails have."""
        statement = "SELECT count(*) FROM audit WHERE organization_id = ANY ($1)"
        return int(await self.home.raw.fetchval(statement, [self.home.id, self.away.id]))


def _person(situation: Situation) -> Situation:
    """Return what is so of a caller, whatever a call is about."""
    return situation._replace(ownership=Ownership.OTHERS)
