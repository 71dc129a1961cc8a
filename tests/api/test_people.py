"""Names and addresses of people: set, cleared, shown, searched, audited."""

from typing import Any

import pytest

from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

ADA = {"display_name": "Ada Lovelace", "email": "Ada@Acme.example"}
NONE = {"display_name": None, "email": None}


def named(user: dict[str, Any]) -> dict[str, Any]:
    return {key: user[key] for key in NONE}


async def test_create_user_with_a_display_name_and_an_email(client: Client, world: World) -> None:
    admin = As.member(client, await world.user(role="admin"))

    made = await admin("POST", "/users", {"username": "ada", "display_name": "  Ada Lovelace ", "email": ADA["email"]})
    plain = await admin("POST", "/users", {"username": "bob", **NONE})

    assert (made.status, named(made.body["user"])) == (201, ADA)
    assert (await admin.get("/users/ada")).body == made.body
    assert (plain.status, named(plain.body["user"])) == (201, NONE)
    assert [named(user) for user in (await admin.get("/users", name="ada")).body["users"]] == [ADA]


async def test_update_user_sets_and_clears_display_name_and_email(client: Client, world: World) -> None:
    await world.user("ada")
    admin = As.member(client, await world.user(role="admin"))

    async def patch(**changes: Any) -> dict[str, Any]:
        answer = await admin("PATCH", "/users/ada", changes)
        assert answer.code == "OK", answer.body
        return named(answer.body["user"])

    assert await patch(**ADA) == ADA
    assert await patch(role="pipeline_admin") == ADA, "what is left out stays"
    assert await patch(email=None) == {**ADA, "email": None}
    assert await patch(display_name=None, email="a@b") == {"display_name": None, "email": "a@b"}
    assert await patch(**NONE) == NONE


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("display_name", value)
            for value in ("", " ", "x" * 256, "a\u202eb", "a\nb", "a\u2028b", "\u200b", 1, ["a"])
        ),
        *(
            ("email", value)
            for value in ("", "a", "a@b@c", "a b@c", f"{'a' * 319}@b", "a\u202e@b", "a@b\n", "a@\x7f", 1)
        ),
    ],
    ids=ascii,
)
async def test_display_name_and_email_malformed(
    client: Client, world: World, method: str, field: str, value: object
) -> None:
    admin = As.member(client, await world.user("root", role="admin"))
    path = "/users" if method == "POST" else "/users/root"

    answer = await admin(method, path, {**({"username": "ada"} if method == "POST" else {}), field: value})

    assert (answer.code, [*answer.body["details"]]) == ("INVALID_ARGUMENT", [field])


async def test_list_users_finds_parts_of_username_display_name_and_email(client: Client, world: World) -> None:
    admin = As.member(client, await world.user("root", role="admin"))
    for user in (
        {"username": "al", **ADA},
        {"username": "bob", "display_name": "Émile ÖZ", "email": "oz@Bücher.example"},
    ):
        assert (await admin("POST", "/users", user)).status == 201

    async def found(text: str, **query: str) -> list[str]:
        return [user["username"] for user in (await admin.get("/users", q=text, **query)).body["users"]]

    assert await found("LOVEL") == await found("acme.EX") == await found("AL") == ["al"]
    assert await found("émile ö") == await found("BÜCHER") == ["bob"]
    assert await found("example") == ["al", "bob"]
    assert await found("example", name="bo") == ["bob"]
    assert await found("root") == ["root"]
    assert await found("Lovelace\nAda") == []


async def test_list_users_searches_for_members_what_they_may_see(client: Client, world: World) -> None:
    member, root = await world.user("mia"), await world.user("root", role="admin")
    await As.member(client, root)("PATCH", "/users/root", {"display_name": "Chief", "email": "chief@acme.example"})

    for token in (member.token, await world.token(root.id, scopes=1)):
        call = As(client, token)
        assert (await call.get("/users", q="chief")).body["users"] == []
        assert (await call.get("/users", q="oo")).body["users"] == [{"username": "root"}]
        assert (await call.get("/users/root")).body["user"] == {"username": "root"}


async def test_me_shows_ones_own_display_name_and_email(client: Client, world: World) -> None:
    mia, root = await world.user("mia"), await world.user("root", role="admin")
    await As.member(client, root)("PATCH", "/users/mia", ADA)

    assert named((await As.member(client, mia).get("/users/me")).body["user"]) == ADA


async def test_display_name_and_email_are_audited_and_have_a_tag(client: Client, world: World) -> None:
    admin = As.member(client, await world.user("root", role="admin"))
    await admin("POST", "/users", {"username": "ada", **ADA})
    tag = (await admin.get("/users/ada")).headers["ETag"]
    await admin("PATCH", "/users/ada", {"email": None, "display_name": "Ada King"})

    stale = await admin("PATCH", "/users/ada", {"email": "x@y"}, {"If-Match": tag})
    changed, made = (await admin.get("/audit", target="user:ada")).body["audit"]

    assert stale.status == 412
    assert made["after"] == {"role": "member", "disabled": False, **ADA}
    assert changed["before"] == made["after"]
    assert changed["after"] == {"role": "member", "disabled": False, "display_name": "Ada King"}
