"""Sign-in by an identity provider's token: who it leads to, what they may, and that nothing of it outlives a change."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from service.app import TOKEN_USE
from service.authentication.bearer import token_digest
from service.authentication.oidc.sign_in import SignIn
from service.database.pool import Database
from service.errors import Unauthenticated
from service.identity import Caller
from service.permissions import READ, Role
from service.repositories import authority
from service.settings import Settings
from service.values.identity_providers import Provider
from tests.authentication.oidc.conftest import Serve, link
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider, rsa
from tests.conftest import Client
from tests.factories import PAST, Member, World, bearer

LIST = "/api/v1/flow/pipeline"
ME = "/api/v1/users/me"


async def names(client: Client, token: str) -> list[str]:
    answer = await client.get(LIST, headers=bearer(token))
    assert answer.status == 200, await answer.text()
    return [each["name"] for each in (await answer.json())["pipelines"]]


async def refusal(client: Client, token: str, status: int = 401) -> str:
    answer = await client.get(LIST, headers=bearer(token))
    assert answer.status == status, await answer.text()
    return str((await answer.json())["msg"])


@pytest.fixture
async def ada(world: World, provider: IdentityProvider) -> Member:
    member = await world.user("ada")
    await link(world, member, provider, "ada-there")
    return member


async def test_token_of_a_linked_user_lists_their_pipelines(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    await world.grant(await world.pipeline("invoices"), ada)
    client = await serve()

    assert await names(client, provider.token("ada-there")) == ["invoices"]
    answer = await client.get(LIST, headers=bearer(provider.token("bob-there")))
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert "knows you as bob-there, but no user here is linked" in (await answer.json())["msg"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET disabled = true WHERE organization_id = $1 AND id = $2",
        "DELETE FROM identity_links WHERE organization_id = $1 AND user_id = $2",
    ],
    ids=["disabled", "unlinked"],
)
async def test_change_of_the_user_holds_from_the_next_request_on(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member, change: str
) -> None:
    client, other = await serve(), await serve()
    token = provider.token("ada-there")
    for each in (client, other):
        assert await names(each, token) == []
    await world.raw.execute(change, world.id, ada.id)

    for each in (client, other):
        assert "no user here is linked" in await refusal(each, token)


async def test_mapped_group_counts_and_is_stored_nowhere(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    pipeline, reviewers = await world.pipeline("invoices"), await world.group(name="reviewers")
    await world.grant(pipeline, reviewers)
    client = await serve(groups=(("/Company/Reviewers", "Reviewers"), ("other", "missing")))
    token = provider.token("ada-there", groups=["/Company/Reviewers", "other", "unknown", 7])

    assert await names(client, token) == ["invoices"]
    assert await names(client, ada.token) == []
    assert await names(client, provider.token("ada-there")) == []
    assert await world.raw.fetchval("SELECT count(*) FROM memberships WHERE organization_id = $1", world.id) == 0
    me = (await (await client.get(ME, headers=bearer(token))).json())["user"]
    assert me["groups"] == ["reviewers"]
    assert me["identity_provider"] == {
        "issuer": provider.issuer,
        "groups": [{"name": "reviewers", "mapped_from": "/Company/Reviewers"}],
        "role": None,
        "role_mapped_from": None,
    }
    assert "identity_provider" not in (await (await client.get(ME, headers=ada.headers)).json())["user"]
    why = await (await client.get(f"{LIST}/{pipeline}/access/ada", headers=bearer(token))).json()
    (reason,) = why["access"]["explanations"][0]["reasons"]
    assert (reason["through"], reason["name"], reason["mapped_from"]) == ("group", "reviewers", "/Company/Reviewers")
    await world.join(ada, reviewers)
    why = await (await client.get(f"{LIST}/{pipeline}/access/ada", headers=bearer(token))).json()
    (reason,) = why["access"]["explanations"][0]["reasons"]
    assert "mapped_from" not in reason, "they are in it anyway"


async def test_list_of_ones_own_pipelines_counts_what_claims_add(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    await world.grant(await world.pipeline("invoices"), await world.group(name="reviewers"))
    await world.pipeline("orders")
    client = await serve(groups=(("r", "reviewers"),), roles=(("boss", "admin"),))
    bob = await world.user("bob")
    await link(world, bob, provider, "bob-there")

    async def reach(token: str, username: str, **query: Any) -> Any:
        address = f"/api/v1/users/{username}/pipelines"
        answer = await client.get(address, params=query, headers=bearer(token))
        assert answer.status == 200, await answer.text()
        body = await answer.json()
        return [each["name"] for each in body["pipelines"]], body.get("next_page_token")

    member, boss = provider.token("ada-there", groups=["r"]), provider.token("ada-there", roles=["boss"])
    assert await reach(member, "ADA") == (["invoices"], None)
    first, then = await reach(boss, "ada", page_size=1)
    assert (first, await reach(boss, "ada", page_size=1, page_token=then)) == (["invoices"], (["orders"], None))
    assert await reach(boss, "bob") == ([], None), "nothing of the caller's counts for others"
    assert await reach(ada.token, "ada") == ([], None)


async def test_changes_are_told_by_mapped_groups(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    root, reviewers = await world.user("root", "admin"), await world.group(name="reviewers")
    client = await serve(groups=(("r", "reviewers"),))
    body = {"name": "invoices"}
    made = await client.post(LIST, json=body, headers=root.headers)
    await world.grant(UUID((await made.json())["pipeline"]["id"]), reviewers)
    mapped, plain = provider.token("ada-there", groups=["r"]), provider.token("ada-there")

    async def told(token: str) -> list[str]:
        answer = await client.get("/api/v1/changes", params={"after": "0"}, headers=bearer(token))
        assert answer.status == 200, await answer.text()
        return [each["type"] for each in (await answer.json())["changes"]]

    assert "pipeline.created" in await told(mapped)
    assert await told(plain) == []


async def test_use_of_a_link_is_noted_at_most_once_a_minute(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    client = await serve()
    use = client.app[TOKEN_USE]
    used = "SELECT last_used_at FROM identity_links WHERE organization_id = $1"

    async def note(*tokens: str) -> Any:
        for token in tokens:
            assert (await client.get(ME, headers=bearer(token))).status == 200
        await use.write()
        return await world.raw.fetchval(used, world.id)

    assert await note(ada.token) is None, "of a token of the service's own, its own use alone is noted"
    first = await note(provider.token("ada-there"), ada.token)
    assert first is not None
    assert await note(provider.token("ada-there", jti="2")) == first
    await world.raw.execute("UPDATE identity_links SET last_used_at = now() - interval '61 s'")
    assert await note(provider.token("ada-there")) > first
    own = "SELECT last_used_at FROM tokens WHERE organization_id = $1"
    assert await world.raw.fetchval(own, world.id) is not None


async def test_mapped_group_that_changes_holds_from_the_next_request_on(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    reviewers = await world.group(name="reviewers")
    await world.grant(await world.pipeline("invoices"), reviewers)
    client = await serve(groups=(("r", "reviewers"),))
    token = provider.token("ada-there", groups="r")
    assert await names(client, token) == ["invoices"]
    await world.grant(await world.pipeline("orders"), reviewers)
    assert await names(client, token) == ["invoices", "orders"]
    await world.raw.execute("UPDATE groups SET name = 'former' WHERE organization_id = $1", world.id)
    assert await names(client, token) == []
    await world.raw.execute("UPDATE groups SET name = 'Reviewers' WHERE organization_id = $1", world.id)
    assert await names(client, token) == ["invoices", "orders"]
    await world.raw.execute("DELETE FROM groups WHERE organization_id = $1", world.id)
    assert await names(client, token) == []


async def test_mapped_role_counts_in_every_decision(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    pipeline = await world.pipeline("invoices")
    client = await serve(roles_claim="realm.roles", roles=(("makers", "pipeline_admin"), ("admins", "admin")))
    member, maker, admin = (
        provider.token("ada-there", realm={"roles": roles}) for roles in ([], ["makers"], ["makers", "admins"])
    )
    body = {"name": "orders"}

    assert [await names(client, token) for token in (member, maker, admin, member)] == [
        [],
        ["invoices"],
        ["invoices"],
        [],
    ]
    assert (await client.post(LIST, json=body, headers=bearer(member))).status == 403
    assert (await client.post(LIST, json=body, headers=bearer(maker))).status == 201
    assert await names(client, admin) == ["invoices", "orders"], "the organization's revision counts"
    assert (await client.post("/api/v1/users", json={"username": "bob"}, headers=bearer(maker))).status == 403
    assert (await client.post("/api/v1/users", json={"username": "bob"}, headers=bearer(admin))).status == 201
    me = (await (await client.get(ME, headers=bearer(admin))).json())["user"]
    assert (me["role"], me["identity_provider"]["role_mapped_from"]) == ("admin", "admins")
    why = await (await client.get(f"{LIST}/{pipeline}/access/ada", headers=bearer(maker))).json()
    (reason,) = why["access"]["explanations"][0]["reasons"]
    assert (reason["through"], reason["name"], reason["mapped_from"]) == ("role", "pipeline_admin", "makers")
    assert await world.raw.fetchval("SELECT role FROM users WHERE id = $1", ada.id) == "member"


async def test_mapped_role_never_lowers_the_users_own(serve: Serve, provider: IdentityProvider, world: World) -> None:
    await link(world, await world.user("root", "admin"), provider, "root-there")
    await world.pipeline("invoices")
    client = await serve(roles=(("people", "member"),))

    assert await names(client, provider.token("root-there", roles=["people"])) == ["invoices"]


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        ({}, True),
        ({"scope": "openid profile"}, True),
        ({"scope": "openid flow_pipeline:read"}, False),
        ({"scp": ["flow_pipeline:read"]}, False),
        ({"scope": "flow_pipeline:read flow_pipeline:execute"}, True),
        ({"scp": "flow_pipeline:read flow_pipeline:Execute"}, False),
    ],
    ids=["none", "others", "read", "read in a list", "read and execute", "misspelt"],
)
async def test_scopes_of_a_token_narrow(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member, claims: dict[str, Any], allowed: bool
) -> None:
    pipeline = await world.pipeline("invoices")
    await world.grant(pipeline, ada)
    job = await world.job(ada)
    client = await serve()
    token = provider.token("ada-there", None, None, **claims)

    body = {"job_id": job, "pipeline_ids": [str(pipeline)]}
    answer = await client.post("/api/v1/jobs/pipelines", json=body, headers=bearer(token))

    assert answer.status == (200 if allowed else 403)
    assert await names(client, token) == ["invoices"]


async def test_write_by_a_mapped_group_is_made_and_audited_as_the_users(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    pipeline, reviewers = await world.pipeline(), await world.group(name="reviewers")
    await world.grant(pipeline, reviewers)
    job = await world.job(ada)
    link_id = await world.raw.fetchval("SELECT id FROM identity_links WHERE organization_id = $1", world.id)
    client = await serve(groups=(("r", "reviewers"),))
    token = provider.token("ada-there", groups=["r"])

    for ids in ([str(pipeline)], [], [str(pipeline)]):
        body = {"job_id": job, "pipeline_ids": ids}
        answer = await client.post("/api/v1/jobs/pipelines", json=body, headers=bearer(token))
        assert answer.status == 200, await answer.text()
    batch = {"updates": [{"job_id": job, "pipeline_ids": []}]}
    answer = await client.post("/api/v1/jobs/pipelines/batch", json=batch, headers=bearer(token))
    assert (await answer.json())["results"][0]["status"] == "OK"
    rows = await world.raw.fetch("SELECT actor, actor_id, token_id FROM audit WHERE organization_id = $1", world.id)
    assert {tuple(row) for row in rows} == {("ada", ada.id, link_id)}
    assert len(rows) == 4


async def test_token_made_by_an_identity_has_its_scopes_at_most_and_not_its_groups(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    reviewers = await world.group(name="reviewers")
    await world.grant(await world.pipeline("invoices"), reviewers)
    client = await serve(groups=(("r", "reviewers"),))
    narrow = provider.token("ada-there", groups=["r"], scope="tokens flow_pipeline:read")
    whole = provider.token("ada-there", groups=["r"])

    refused = await client.post("/api/v1/tokens", json={"name": "mine"}, headers=bearer(narrow))
    made = await client.post("/api/v1/tokens", json={"name": "mine"}, headers=bearer(whole))

    assert refused.status == 403
    assert made.status == 201
    assert await names(client, (await made.json())["secret"]) == []


async def test_page_token_outlives_the_token_that_it_came_by(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    for name in ("a", "b"):
        await world.grant(await world.pipeline(name), ada)
    await link(world, await world.user("bob"), provider, "bob-there")
    client = await serve()
    first = await client.get(LIST, params={"page_size": 1}, headers=bearer(provider.token("ada-there", jti="1")))
    page = {"page_size": 1, "page_token": (await first.json())["next_page_token"]}

    second = await client.get(LIST, params=page, headers=bearer(provider.token("ada-there", jti="2")))
    strange = await client.get(LIST, params=page, headers=bearer(provider.token("bob-there")))

    assert [each["name"] for each in (await second.json())["pipelines"]] == ["b"]
    assert strange.status == 400


async def test_sign_in_makes_a_user_once(serve: Serve, provider: IdentityProvider, world: World) -> None:
    client = await serve(provision="on_sign_in")
    token = provider.token("new-there", preferred_username="new.person")

    answers = await asyncio.gather(*(client.get(ME, headers=bearer(token)) for _ in range(5)))

    assert {answer.status for answer in answers} == {200}
    assert [(await answer.json())["user"]["username"] for answer in answers] == ["new.person"] * 5
    rows = await world.raw.fetch(
        "SELECT action, actor, target FROM audit WHERE organization_id = $1 ORDER BY id", world.id
    )
    assert [tuple(row) for row in rows] == [
        ("user.create", "new.person", "user:new.person"),
        ("user.link", "new.person", "user:new.person"),
    ]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"preferred_username": "ADA"}, "There is a user called ADA who is not linked to you"),
        ({"preferred_username": "me"}, "no name that a user here may have"),
        ({"preferred_username": "a b"}, "no name that a user here may have"),
        ({"preferred_username": ["ada"]}, "no name that a user here may have"),
        ({"preferred_username": "a" * 101}, "no name that a user here may have"),
        ({}, "no name that a user here may have"),
    ],
    ids=["taken", "reserved", "with a space", "a list", "long", "missing"],
)
async def test_sign_in_never_takes_a_user_over_and_checks_names(
    serve: Serve, provider: IdentityProvider, world: World, claims: dict[str, Any], why: str
) -> None:
    await world.user("ada", "admin")
    client = await serve(provision="on_sign_in")

    assert why in await refusal(client, provider.token("another", None, None, **claims))
    assert await world.raw.fetchval("SELECT count(*) FROM users WHERE organization_id = $1", world.id) == 1
    assert await world.raw.fetchval("SELECT count(*) FROM identity_links WHERE organization_id = $1", world.id) == 0


async def test_scopes_that_are_all_misspelt_allow_nothing(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    await world.grant(await world.pipeline("invoices"), ada)
    client = await serve()

    assert await names(client, provider.token("ada-there", scope="flow_pipeline:read,flow_pipeline:execute")) == []


async def test_sign_in_to_an_organization_that_there_is_not_is_refused(
    serve: Serve, provider: IdentityProvider
) -> None:
    client = await serve(organization=None, organization_claim="org", provision="on_sign_in")
    token = provider.token("new-there", org=str(uuid4()), preferred_username="new")

    assert "an organization that there is not" in await refusal(client, token)


async def test_sign_in_leaves_a_disabled_user_disabled(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", ada.id)
    client = await serve(provision="on_sign_in")

    for name in ("ada", None):  # it would be wanted of a new user alone
        told = await refusal(client, provider.token("ada-there", preferred_username=name))
        assert "no user here is linked to that, or they are disabled" in told
    assert await world.raw.fetchval("SELECT disabled FROM users WHERE id = $1", ada.id)


async def test_organization_is_bound_or_claimed_or_where_the_subject_is_linked(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    other = await World.create(world.raw)
    bound, claiming, linked = (
        await serve(),
        await serve(organization=None, organization_claim="org"),
        await serve(organization=None),
    )
    elsewhere = await serve(organization=other.id)
    mine = provider.token("ada-there", org=str(world.id))

    for client in (bound, claiming, linked):
        assert (await client.get(ME, headers=bearer(mine))).status == 200
    await refusal(elsewhere, mine)
    await refusal(claiming, provider.token("ada-there", org=str(other.id)))
    assert "no organization" in await refusal(claiming, provider.token("ada-there", org="acme"))
    await link(other, await other.user("ada"), provider, "ada-there")
    await refusal(linked, mine)
    assert (await bound.get(ME, headers=bearer(mine))).status == 200


async def test_provider_that_is_away_stops_new_tokens_alone(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    known = provider.token("ada-there")
    client, late = await serve(), await serve()
    assert await names(client, known) == []
    provider.instead = fail
    assert await names(client, known) == []
    assert await names(client, provider.token("ada-there", jti="new, by a known key")) == []
    provider.keys.insert(0, rsa("second"))
    for each, token in ((late, known), (late, known)):
        answer = await each.get(LIST, headers=bearer(token))
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "identity provider can't be asked" in (await answer.json())["msg"]
    assert await names(late, ada.token) == []


async def test_own_tokens_ask_no_provider(
    serve: Serve, provider: IdentityProvider, ada: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> Caller:
        raise AssertionError

    client = await serve()
    monkeypatch.setattr(SignIn, "authenticate", fail)

    assert await names(client, ada.token) == []
    assert await refusal(client, "fp_a.b.c")
    assert await refusal(client, "a.b")
    assert provider.asked == []


async def test_token_of_an_unknown_issuer_is_refused_as_any_other(serve: Serve, provider: IdentityProvider) -> None:
    client = await serve()

    message = await refusal(client, provider.token("ada", iss="https://elsewhere.example"))

    assert message == await refusal(client, "fp_unknown")
    assert provider.asked == []


async def test_verified_token_is_forgotten_when_its_key_is_withdrawn(
    settings: Settings, database: Database, provider: IdentityProvider, world: World, ada: Member
) -> None:
    sign_in = SignIn(database, [Provider(provider.issuer, AUDIENCE, organization=world.id)], 5)
    token = provider.token("ada-there")
    await sign_in.authenticate(token, token_digest(token))
    _, keys = sign_in._providers[provider.issuer]
    provider.keys[0] = rsa("second")
    keys._tried = float("-inf")
    fetching = keys.refresh()
    assert fetching is not None
    await fetching

    with pytest.raises(Exception, match="no key of the id"):
        await sign_in.authenticate(token, token_digest(token))


async def test_wrong_key_that_a_provider_has_published_is_replaced_soon(
    database: Database, provider: IdentityProvider, world: World, ada: Member
) -> None:
    right, provider.keys[0] = provider.keys[0], rsa("first")
    sign_in = SignIn(database, [Provider(provider.issuer, AUDIENCE, organization=world.id)], 5)
    token = provider.token("ada-there", right)
    with pytest.raises(Unauthenticated, match="not the provider's"):
        await sign_in.authenticate(token, token_digest(token))
    provider.keys[0] = right
    _, keys = sign_in._providers[provider.issuer]
    assert keys.refresh() is None, "not so soon"
    keys._tried = float("-inf")
    with pytest.raises(Unauthenticated, match="not the provider's"):
        await sign_in.authenticate(token, token_digest(token))
    assert keys._fetching is not None
    await keys._fetching

    assert (await sign_in.authenticate(token, token_digest(token))).username == "ada"


STATEMENTS = [
    (authority.PROVE, 0),
    (authority.PROVE_FOR_USER, 1),
    (authority.PROVE_FOR_USERS, 1),
    (authority.PROVE_FOR_GROUP, 1),
    (authority.PROVE_FOR_MEMBERS, 1),
    (authority.PROVE_FOR_HOLDERS, 1),
    (authority.PROVE_FOR_GRANTEES, 2),
]


async def proved(database: Database, caller: Caller) -> set[tuple[bool, bool]]:
    """Prove a caller by each statement; return whether they are known, and whether all is as it was."""
    found = set()
    for statement, concerned in STATEMENTS:
        many = statement in (authority.PROVE_FOR_USERS, authority.PROVE_FOR_GRANTEES)
        values: list[Any] = [[uuid4()] if many else uuid4() for _ in range(concerned)]
        async with database.transaction() as connection:
            result = await authority.prove(connection, caller, statement, *values)
        found.add((result is not None, result is not None and (*result.revisions,) == caller.revisions))
    return found


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ("SELECT 1", (True, True)),
        ("UPDATE users SET disabled = true WHERE id = $1", (False, False)),
        ("DELETE FROM identity_links WHERE user_id = $1", (False, False)),
        ("UPDATE groups SET name = 'former' WHERE organization_id = $2 AND name = 'reviewers'", (True, False)),
        ("DELETE FROM groups WHERE organization_id = $2", (True, False)),
        ("UPDATE group_grants SET access = 1 WHERE organization_id = $2", (True, False)),
    ],
    ids=["nothing", "disabled", "unlinked", "group renamed", "group deleted", "group's grant changed"],
)
async def test_authority_of_an_identity_is_proved(
    database: Database, provider: IdentityProvider, world: World, ada: Member, change: str, outcome: tuple[bool, bool]
) -> None:
    await world.grant(await world.pipeline(), await world.group(name="reviewers"))
    await world.group(ada, name="own")
    trusted = Provider(provider.issuer, AUDIENCE, organization=world.id, groups=(("r", "reviewers"),))
    token = provider.token("ada-there", groups=["r"])
    caller = await SignIn(database, [trusted], 5).authenticate(token, token_digest(token))
    needs = [value for name, value in (("$1", ada.id), ("$2", world.id)) if name in change]
    await world.raw.execute(change if "$1" in change else change.replace("$2", "$1"), *needs)

    assert await proved(database, caller) == {outcome}


async def test_authority_ends_with_the_token(
    database: Database, provider: IdentityProvider, world: World, ada: Member
) -> None:
    token = provider.token("ada-there")
    caller = await SignIn(database, [Provider(provider.issuer, AUDIENCE)], 5).authenticate(token, token_digest(token))
    assert await proved(database, caller) == {(True, True)}
    assert caller.provided is not None
    caller = replace(caller, provided=replace(caller.provided, expires_at=PAST))

    assert await proved(database, caller) == {(False, False)}


async def test_caches_never_mix_what_claims_give(
    serve: Serve, provider: IdentityProvider, world: World, ada: Member
) -> None:
    """Ask by tokens of one user with all mixtures of claims, in many orders and while things change."""
    groups = {name: await world.group(name=name) for name in ("g1", "g2")}
    of: dict[str | None, UUID] = {None: await world.pipeline("own"), "all": await world.pipeline("all")}
    await world.grant(of[None], ada, READ)
    for name, group in groups.items():
        of[name] = await world.pipeline(name)
        await world.grant(of[name], group, READ)
    client = await serve(groups=(("g1", "g1"), ("g2", "g2")), roles=(("boss", "pipeline_admin"),))
    mixtures = [(gs, role) for gs in ([], ["g1"], ["g2"], ["g1", "g2"]) for role in (None, "boss")]
    tokens = [provider.token("ada-there", groups=gs, roles=role) for gs, role in mixtures]

    for change in (None, "g1", "g2", None):
        if change is not None:
            await world.raw.execute("DELETE FROM group_grants WHERE group_id = $1", groups[change])
            groups.pop(change)
        for number in (*range(8), *range(7, -1, -1), 0, 5, 2, 7, 4, 1, 6, 3):
            gs, role = mixtures[number]
            expected = ["all", "g1", "g2", "own"] if role else sorted(["own", *(g for g in gs if g in groups)])
            assert await names(client, tokens[number]) == expected
        assert await names(client, ada.token) == ["own"]


def test_service_without_providers_imports_no_library_for_them() -> None:
    code = (
        "import sys, service.app, service.__main__, service.process;"
        " sys.exit('joserfc' in sys.modules or 'cryptography' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_role_of_a_caller_by_an_identity(database: Database, provider: IdentityProvider, ada: Member) -> None:
    trusted = Provider(provider.issuer, AUDIENCE, roles=(("boss", "pipeline_admin"),))
    token = provider.token("ada-there", roles=["boss"])

    caller = await SignIn(database, [trusted], 5).authenticate(token, token_digest(token))

    assert caller.role is Role.PIPELINE_ADMIN
    assert caller.user_id == ada.id
