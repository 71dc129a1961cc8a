"""A token never outlives what made it, may more, or survives its revocation, in whatever order things happen."""

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.operations import token_revocation
from service.operations.tokens import MAX_GENERATIONS
from service.permissions import READ, SCOPE_TOKENS
from service.settings import Settings
from service.telemetry.request_record import RequestRecord
from tests.api.calls import Answer, As
from tests.conftest import Client
from tests.factories import Member, World

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)

VIOLATIONS = """
    SELECT c.id FROM tokens c
    JOIN tokens p ON p.organization_id = c.organization_id AND p.id = c.parent_id
    WHERE c.organization_id = $1 AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > now())
      AND (p.revoked_at IS NOT NULL OR p.expires_at < coalesce(c.expires_at, 'infinity')
           OR coalesce(c.scopes, 255) & ~coalesce(p.scopes, 255) <> 0)
"""
"""Good tokens that live longer than their parent, may more, or have survived it."""


@dataclass(frozen=True)
class Made:
    """A token made by the API."""

    call: As
    id: str
    secret: str

    @property
    def path(self) -> str:
        return f"/tokens/{self.id}"

    async def works(self) -> bool:
        return (await self.call.get("/users/me")).status == 200


def made(client: Client, answer: Answer) -> Made:
    assert answer.status == 201, answer.body
    return Made(As(client, answer.body["secret"]), answer.body["token"]["id"], answer.body["secret"])


async def make(by: As, **body: Any) -> Made:
    return made(by.client, await by("POST", "/tokens", body))


async def root(client: Client, world: World, member: Member, **more: Any) -> Made:
    """A token without a parent, as one made at the command line."""
    secret = await world.token(member.id, **more)
    token_id = await world.raw.fetchval("SELECT id FROM tokens WHERE digest = sha256($1::bytea)", secret.encode())
    return Made(As(client, secret), str(token_id), secret)


async def parent_of(world: World, token: Made) -> str | None:
    parent = await world.raw.fetchval("SELECT parent_id FROM tokens WHERE id = $1", UUID(token.id))
    return None if parent is None else str(parent)


async def test_revoking_takes_the_descendants_along(client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    top = await root(client, world, ada)
    child, other = await make(top.call), await make(top.call, username="bob")
    grandchild, beside = await make(child.call), await root(client, world, ada)
    expired = await make(top.call)
    await world.raw.execute("UPDATE tokens SET expires_at = now() WHERE id = $1", UUID(expired.id))
    seen = await beside.call.get(top.path)
    assert seen.body["descendants"] == 3

    gone = await beside.call("DELETE", top.path, None, {"If-Match": seen.headers["ETag"]})

    assert gone.body == {"status": "OK", "revoked": 4}
    for token in (top, child, other, grandchild):
        assert not await token.works()
    assert await beside.works()
    assert (await As.member(client, bob).get("/users/me")).status == 200
    trail = await beside.call.get("/audit", action="token.revoke")
    assert {entry["target"] for entry in trail.body["audit"]} == {
        f"token:{each.id}" for each in (top, child, other, grandchild)
    }
    assert await world.raw.fetchval("SELECT revoked_at FROM tokens WHERE id = $1", UUID(expired.id)) is None


async def test_revoking_as_seen_fails_once_more_would_go(client: Client, world: World) -> None:
    member = await world.user()
    top = await root(client, world, member)
    seen = await top.call.get(top.path)
    await make(top.call)

    gone = await As.member(client, member)("DELETE", top.path, None, {"If-Match": seen.headers["ETag"]})

    assert gone.status == 412


async def test_use_of_a_token_changes_its_tag_but_fails_no_condition(client: Client, world: World) -> None:
    member = await world.user()
    call, top = As.member(client, member), await root(client, world, member)
    seen = (await call.get(top.path)).headers["ETag"]
    await world.raw.execute("UPDATE tokens SET last_used_at = now() WHERE id = $1", UUID(top.id))

    again = await call("GET", top.path, None, {"If-None-Match": seen})
    gone = await call("DELETE", top.path, None, {"If-Match": seen})

    assert (again.status, gone.status) == (200, 200)
    assert again.headers["ETag"] != seen


async def test_keeping_descendants_puts_the_parent_in_their_places(client: Client, world: World) -> None:
    member = await world.user()
    beside, top = await root(client, world, member), await root(client, world, member)
    child = await make(top.call)
    grandchild = await make(child.call)

    gone = await beside.call("DELETE", child.path, keep_descendants="true")
    assert gone.body["revoked"] == 1
    assert (await child.works(), await grandchild.works()) == (False, True)
    assert await parent_of(world, grandchild) == top.id
    gone = await beside.call("DELETE", top.path, keep_descendants="true")
    assert (gone.body["revoked"], await grandchild.works(), await parent_of(world, grandchild)) == (1, True, None)
    kept = await world.raw.fetchval(
        "SELECT count(*) FROM audit WHERE organization_id = $1 AND action = 'token.keep'", world.id
    )
    assert kept == 2


async def test_keeping_descendants_is_not_for_those_concerned(client: Client, world: World) -> None:
    """Who has stolen a token must not cut loose what they made with it."""
    top = await root(client, world, await world.user())
    child = await make(top.call)
    grandchild = await make(child.call)
    rotated = made(client, await child.call("POST", f"{child.path}/rotate", {}))

    for token in (top, child, grandchild, rotated):
        assert (await token.call("DELETE", top.path, keep_descendants="true")).code == "PERMISSION_DENIED"
    assert (await rotated.call("DELETE", child.path, keep_descendants="true")).code == "PERMISSION_DENIED"
    assert (await grandchild.call("DELETE", top.path)).body["revoked"] == 4


async def test_rotation_takes_the_old_tokens_place(client: Client, world: World) -> None:
    top = await root(client, world, await world.user("bob"), expires_at=LATER)
    old = await make(top.call, name="ci", scopes=["flow_pipeline:read", "tokens"])
    child = await make(old.call, scopes=["flow_pipeline:read"])

    answer = await old.call("POST", f"{old.path}/rotate", {"overlap_seconds": 60})

    new = made(client, answer)
    assert answer.headers["Location"] == f"/api/v1{new.path}"
    assert answer.body["replaced"]["id"] == old.id
    ends = datetime.fromisoformat(answer.body["replaced"]["expires_at"])
    assert timedelta(seconds=50) < ends - datetime.now(UTC) <= timedelta(seconds=61)
    before, after = [(await top.call.get(each.path)).body["token"] for each in (old, new)]
    alike = ("username", "name", "scopes")
    assert [after[each] for each in alike] == [before[each] for each in alike]
    assert datetime.fromisoformat(after["expires_at"]) == LATER
    assert await parent_of(world, child) == new.id
    assert await parent_of(world, new) == top.id
    assert (await old.works(), await new.works(), await child.works()) == (True, True, True)
    await world.raw.execute("UPDATE tokens SET expires_at = now() WHERE id = $1", UUID(old.id))
    assert (await old.works(), await new.works(), await child.works()) == (False, True, True)
    assert await world.raw.fetch(VIOLATIONS, world.id) == []
    assert (await top.call("DELETE", top.path)).body["revoked"] == 3


async def test_rotation_without_overlap_ends_the_old_token_at_once(client: Client, world: World) -> None:
    old = await root(client, world, await world.user())

    new = made(client, await old.call("POST", f"{old.path}/rotate", {"overlap_seconds": 0}))

    assert (await old.works(), await new.works()) == (False, True)


async def test_rotation_never_prolongs(client: Client, world: World) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    old = await root(client, world, await world.user(), expires_at=soon)

    answer = await old.call("POST", f"{old.path}/rotate", {})

    assert datetime.fromisoformat(answer.body["replaced"]["expires_at"]) == soon
    assert datetime.fromisoformat(answer.body["token"]["expires_at"]) == soon


@pytest.mark.parametrize("overlap", [-1, 3601, "60", 1.5, True, None])
async def test_rotation_with_another_overlap_is_refused(client: Client, world: World, overlap: object) -> None:
    old = await root(client, world, await world.user())

    answer = await old.call("POST", f"{old.path}/rotate", {"overlap_seconds": overlap})

    assert (answer.status, [*answer.body["details"]]) == (400, ["overlap_seconds"])


async def test_rotation_happens_once(client: Client, world: World) -> None:
    member = await world.user()
    old, expired = await root(client, world, member), await root(client, world, member, expires_at=datetime.now(UTC))
    made(client, await old.call("POST", f"{old.path}/rotate", {}))

    assert (await old.call("POST", f"{old.path}/rotate", {})).code == "FAILED_PRECONDITION"
    assert (await old.call("POST", f"{expired.path}/rotate", {})).code == "FAILED_PRECONDITION"


async def test_revoking_a_rotated_token_takes_what_took_its_place(client: Client, world: World) -> None:
    """A thief who rotates a token has gained nothing: whoever revokes the stolen one revokes theirs."""
    member = await world.user()
    stolen = await root(client, world, member)
    first = made(client, await stolen.call("POST", f"{stolen.path}/rotate", {"overlap_seconds": 0}))
    second = made(client, await first.call("POST", f"{first.path}/rotate", {"overlap_seconds": 0}))
    child = await make(second.call)

    gone = await As.member(client, member)("DELETE", stolen.path)

    assert gone.body["revoked"] == 3, "the first has expired"
    assert not any([await token.works() for token in (stolen, first, second, child)])


async def test_revoking_a_rotated_token_alone_keeps_what_took_its_place(client: Client, world: World) -> None:
    member = await world.user()
    old = await root(client, world, member)
    new = made(client, await old.call("POST", f"{old.path}/rotate", {}))

    gone = await As.member(client, member)("DELETE", old.path, keep_descendants="true")

    assert (gone.body["revoked"], await old.works(), await new.works()) == (1, False, True)


async def test_rotation_by_another_token_ties_the_new_one_to_it(client: Client, world: World) -> None:
    """What somebody gets by a stolen token must be lost with that."""
    member = await world.user()
    mine, stolen = await root(client, world, member), await root(client, world, member)
    child = await make(mine.call)

    new = made(client, await stolen.call("POST", f"{mine.path}/rotate", {"overlap_seconds": 0}))

    assert (await parent_of(world, new), await parent_of(world, child)) == (stolen.id, new.id)
    assert (await As.member(client, member)("DELETE", stolen.path)).body["revoked"] == 3
    assert not any([await token.works() for token in (mine, stolen, new, child)])


@pytest.mark.parametrize("together", [True, False], ids=["at once", "in parts"])
async def test_revoking_takes_what_a_rotation_by_another_token_has_moved(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    """Once the overlap is over, too: who has stolen a token must not keep what they made by what they made with it."""
    if not together:
        monkeypatch.setattr(token_revocation, "MAX_TOGETHER", 0)
    member = await world.user()
    mine, stolen = await root(client, world, member), await root(client, world, member)
    child = await make(stolen.call)
    grandchild = await make(child.call)
    new = made(client, await mine.call("POST", f"{child.path}/rotate", {"overlap_seconds": 0}))
    newer = made(client, await mine.call("POST", f"{new.path}/rotate", {"overlap_seconds": 0}))
    assert (await mine.call.get(stolen.path)).body["descendants"] == 2

    gone = await mine.call("DELETE", stolen.path)

    assert gone.body == {"status": "OK", "revoked": 3}
    works = [await token.works() for token in (stolen, child, new, newer, grandchild, mine)]
    assert works == [False] * 5 + [True]


async def test_rotation_of_a_token_by_one_made_with_it_is_denied(client: Client, world: World) -> None:
    top = await root(client, world, await world.user())
    child = await make(top.call)
    grandchild = await make(child.call)

    for token in (child, grandchild):
        assert (await token.call("POST", f"{top.path}/rotate", {})).code == "PERMISSION_DENIED"


async def test_rotation_gives_no_token_that_may_more_or_lives_longer(client: Client, world: World) -> None:
    member = await world.user()
    whole = await root(client, world, member)
    narrow = await root(client, world, member, scopes=READ | SCOPE_TOKENS)
    short = await root(client, world, member, expires_at=LATER)

    for token in (narrow, short):
        assert (await token.call("POST", f"{whole.path}/rotate", {})).code == "PERMISSION_DENIED"
    assert (await short.call("POST", f"{narrow.path}/rotate", {})).code == "PERMISSION_DENIED"
    assert (await whole.call("POST", f"{narrow.path}/rotate", {})).status == 201


@pytest.mark.parametrize(
    "lost",
    [
        "UPDATE tokens SET revoked_at = now() WHERE id = $1",
        "UPDATE tokens SET expires_at = now() WHERE id = $1",
        "UPDATE users SET disabled = true WHERE id = (SELECT user_id FROM tokens WHERE id = $1)",
    ],
)
async def test_no_child_of_a_token_lost_since_the_request_began(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """The token is good when the request is authenticated, and no longer when its transaction begins."""
    token = await root(client, world, await world.user())
    begun = Database.transaction

    def losing(self: Database) -> Any:
        async def lose() -> None:
            await world.raw.execute(lost, UUID(token.id))

        class Losing:
            async def __aenter__(self) -> Any:
                await lose()
                return await transaction.__aenter__()

            async def __aexit__(self, *error: Any) -> Any:
                return await transaction.__aexit__(*error)

        transaction = begun(self)
        return Losing()

    monkeypatch.setattr(Database, "transaction", losing)
    refused = [await token.call("POST", "/tokens", {})]
    if "expires" not in lost and "revoked" not in lost:  # what is gone can't be found
        refused.append(await token.call("POST", f"{token.path}/rotate", {}))

    assert {answer.code for answer in refused} == {"UNAUTHENTICATED"}
    assert await world.raw.fetchval("SELECT count(*) FROM tokens WHERE parent_id = $1", UUID(token.id)) == 0


async def test_no_child_survives_a_revocation_at_the_same_moment(client: Client, world: World) -> None:
    for _ in range(20):
        member = await world.user()
        token = await root(client, world, member)
        child = await make(token.call)
        calls = [
            *(each.call("POST", "/tokens", {}) for each in (token, child) for _ in range(6)),
            *(each.call("POST", f"{each.path}/rotate", {}) for each in (token, child)),
            As.member(client, member)("DELETE", token.path),
            child.call("DELETE", child.path),
        ]
        random.shuffle(calls)
        answers = await asyncio.gather(*calls)
        new = [made(client, answer) for answer in answers if answer.status == 201]
        assert {answer.code for answer in answers} <= {
            *("OK", "UNAUTHENTICATED", "NOT_FOUND", "FAILED_PRECONDITION", "PERMISSION_DENIED"),
        }
        assert not any([await each.works() for each in (token, child, *new)])
    assert await world.raw.fetch(VIOLATIONS, world.id) == []


async def test_every_way_leaves_no_token_better_than_its_parent(client: Client, world: World) -> None:
    """Random calls by random tokens; what holds is asked of the database after each."""
    chance = random.Random(14)  # noqa: S311 - for a test
    members = [await world.user(role="admin"), await world.user()]
    tokens = [await root(client, world, member, scopes=scopes) for member in members for scopes in (None, READ | 96)]
    tokens.append(await root(client, world, members[0], expires_at=LATER))
    for _ in range(150):
        by, of = chance.choice(tokens), chance.choice(tokens)
        end = chance.choice([None, LATER - timedelta(days=1), LATER + timedelta(days=1)])
        scopes = chance.choice([None, ["flow_pipeline:read"], ["flow_pipeline:read", "tokens"]])
        body = {"expires_at": end and end.isoformat(), "scopes": scopes}
        match chance.randrange(8):
            case 0:
                await by.call("DELETE", of.path)
            case 1:
                await by.call("DELETE", of.path, keep_descendants="true")
            case 2 | 3:
                answer = await by.call("POST", f"{of.path}/rotate", {"overlap_seconds": chance.choice([0, 600])})
                tokens += [made(client, answer)] if answer.status == 201 else []
            case _:
                user = {"username": chance.choice(members).username}
                answer = await by.call("POST", "/tokens", {**body, **chance.choice([user, {}])})
                tokens += [made(client, answer)] if answer.status == 201 else []
        assert await world.raw.fetch(VIOLATIONS, world.id) == []
    assert len(tokens) > 20


async def test_no_token_survives_the_revocation_of_what_it_came_from(client: Client, world: World) -> None:
    """By whatever rotations, whoever asked for them, and once no overlap is left: random calls by random tokens."""
    chance = random.Random(41)  # noqa: S311 - for a test
    member = await world.user()
    for _ in range(6):
        tokens = [await root(client, world, member) for _ in range(3)]
        came_from: dict[str, set[str]] = {token.id: {token.id} for token in tokens}
        for _ in range(14):
            by, of = chance.choice(tokens), chance.choice(tokens)
            rotates = chance.random() < 0.6
            path, body = (f"{of.path}/rotate", {"overlap_seconds": 0}) if rotates else ("/tokens", {})
            answer = await by.call("POST", path, body)
            if answer.status == 201:
                tokens.append(made(client, answer))
                came_from[tokens[-1].id] = {tokens[-1].id, *came_from[by.id], *(came_from[of.id] if rotates else ())}
        leaked = chance.choice(tokens)

        await As.member(client, member)("DELETE", leaked.path)

        survivors = [token.id for token in tokens if leaked.id in came_from[token.id] and await token.works()]
        assert survivors == []
        for token in tokens:
            await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE id = $1", UUID(token.id))


async def test_no_cycle_of_tokens_holds_up_a_revocation(client: Client, world: World) -> None:
    """Nothing makes one; whoever owns the tables could."""
    member = await world.user()
    token = await root(client, world, member)
    child = await make(token.call)
    await world.raw.execute(
        "UPDATE tokens SET parent_id = $2, replaced_by_id = $2 WHERE id = $1", UUID(token.id), UUID(child.id)
    )

    assert (await As.member(client, member)("DELETE", token.path)).body["revoked"] == 2


async def test_revoking_takes_ten_thousand_along(client: Client, world: World) -> None:
    member = await world.user()
    token = await root(client, world, member)
    await world.raw.execute(
        """
        INSERT INTO tokens (organization_id, id, user_id, digest, parent_id)
        SELECT $1, gen_random_uuid(), $2, sha256(gen_random_uuid()::text::bytea), $3 FROM generate_series(1, 10000)
        """,
        world.id,
        member.id,
        UUID(token.id),
    )

    assert (await As.member(client, member)("DELETE", token.path)).body["revoked"] == 10_001


async def test_tokens_are_made_with_one_another_to_a_depth(client: Client, world: World) -> None:
    tokens = [await root(client, world, await world.user())]
    while len(tokens) < MAX_GENERATIONS:
        tokens.append(await make(tokens[-1].call))

    assert (await tokens[-1].call("POST", "/tokens", {})).code == "FAILED_PRECONDITION"
    assert (await tokens[0].call("DELETE", tokens[0].path)).body["revoked"] == MAX_GENERATIONS


async def test_rotation_by_another_token_keeps_to_the_depth(client: Client, world: World) -> None:
    tokens = [await root(client, world, await world.user())]
    while len(tokens) < MAX_GENERATIONS:
        tokens.append(await make(tokens[-1].call))
    other = await make(tokens[0].call)

    assert (await tokens[-1].call("POST", f"{other.path}/rotate", {})).code == "FAILED_PRECONDITION"
    assert (await tokens[-2].call("POST", f"{other.path}/rotate", {})).status == 201


async def test_revoking_takes_no_more_statements_the_deeper_tokens_are(
    client: Client, world: World, records: list[RequestRecord]
) -> None:
    """Rotations put one tree below another, and so make them deeper than tokens can be made."""
    member, depth = await world.user(), 5_000
    token = await root(client, world, member)
    ids = [UUID(token.id), *(uuid4() for _ in range(depth))]
    await world.raw.execute(
        """
        INSERT INTO tokens (organization_id, id, user_id, digest, parent_id)
        SELECT $1, made.id, $2, sha256(made.id::text::bytea), made.parent_id
        FROM unnest($3::uuid[], $4::uuid[]) made (id, parent_id)
        """,
        *(world.id, member.id, ids[1:], ids[:-1]),
    )

    assert (await As.member(client, member)("DELETE", token.path)).body["revoked"] == depth + 1
    assert records[-1].statements < 20


@pytest.fixture
async def short_lived(settings: Settings, database: Database) -> Any:
    """A service where new tokens live for a day at most."""
    app = create_app(replace(settings, token_max_lifetime=86_400), database, Health(database, 1))
    async with TestClient(TestServer(app)) as opened:
        yield opened


def lives(answer: Answer) -> float:
    end = datetime.fromisoformat(answer.body["token"]["expires_at"])
    return (end - datetime.now(UTC)).total_seconds()


async def test_no_new_token_lives_longer_than_the_installation_allows(short_lived: Client, world: World) -> None:
    call = As.member(short_lived, await world.user())

    unasked = await call("POST", "/tokens", {})
    shorter = await call("POST", "/tokens", {"expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()})
    longer = await call("POST", "/tokens", {"expires_at": LATER.isoformat()})
    of_others = await call("POST", "/tokens", {"username": "nobody", "expires_at": LATER.isoformat()})

    assert of_others.code == "INVALID_ARGUMENT"
    assert 86_390 < lives(unasked) <= 86_400
    assert 3_590 < lives(shorter) <= 3_600
    assert (longer.status, [*longer.body["details"]]) == (400, ["expires_at"])
    assert "no new token may live longer here" in longer.body["msg"]


class Ahead(datetime):
    """The time by the clock of a machine that goes ahead by a day."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Ahead":
        return super().now(tz) + timedelta(days=1)


async def test_lifetime_of_new_tokens_is_by_the_clock_by_which_they_end(
    short_lived: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = As.member(short_lived, await world.user())
    monkeypatch.setattr("service.operations.tokens.datetime", Ahead)

    made = await call("POST", "/tokens", {})
    rotated = await call("POST", f"/tokens/{made.body['token']['id']}/rotate", {})

    assert 86_390 < lives(made) <= 86_400
    assert 86_390 < lives(rotated) <= 86_400


async def test_rotation_lives_no_longer_than_the_installation_allows(short_lived: Client, world: World) -> None:
    old = await root(short_lived, world, await world.user())
    child = await root(short_lived, world, await world.user())
    await world.raw.execute("UPDATE tokens SET parent_id = $2 WHERE id = $1", UUID(child.id), UUID(old.id))

    answer = await old.call("POST", f"{old.path}/rotate", {})

    assert 86_390 < lives(answer) <= 86_400
    assert await world.raw.fetch(VIOLATIONS, world.id) == []


async def test_rotation_that_shortens_descendants_audits_each(short_lived: Client, world: World) -> None:
    ada = await world.user("ada")
    old, child, grandchild, short = [await root(short_lived, world, ada) for _ in range(4)]
    soon = datetime.now(UTC) + timedelta(hours=1)
    parents = ((child, old, None), (grandchild, child, LATER), (short, old, soon))
    for token, parent, expires_at in parents:
        await world.raw.execute(
            "UPDATE tokens SET parent_id = $2, expires_at = $3 WHERE id = $1",
            UUID(token.id),
            UUID(parent.id),
            expires_at,
        )

    end = (await old.call("POST", f"{old.path}/rotate", {})).body["token"]["expires_at"]

    rows = await world.raw.fetch(
        "SELECT actor, target, before ->> 'expires_at' AS before, after ->> 'expires_at' AS after FROM audit"
        " WHERE organization_id = $1 AND action = 'token.bound'",
        world.id,
    )
    told = {row["target"]: (row["actor"], instant(row["before"]), instant(row["after"])) for row in rows}
    assert told == {
        f"token:{child.id}": ("ada", None, instant(end)),
        f"token:{grandchild.id}": ("ada", LATER, instant(end)),
    }


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
