"""Requests as Microsoft Entra ID and Okta send them, word for word but for ids."""

from typing import Any

import pytest

from tests.scim.conftest import GROUP, USER, Scim

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

OF_ENTRA: dict[str, Any] = {
    "schemas": [USER, ENTERPRISE],
    "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
    "userName": "ada@example.com",
    "active": True,
    "displayName": "Ada Lovelace",
    "emails": [
        {"type": "other", "value": "home@example.com"},
        {"primary": True, "type": "work", "value": "ada@example.com"},
    ],
    "meta": {"resourceType": "User"},
    "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
    "roles": [],
    "phoneNumbers": [{"type": "work", "value": "+1 555"}],
    ENTERPRISE: {"department": "Engines", "manager": {"value": "1"}},
    "urn:example:of-somebody:2.0:User": {"anything": [1, {"deep": None}]},
}

OF_OKTA: dict[str, Any] = {
    "schemas": [USER],
    "userName": "grace@example.com",
    "name": {"givenName": "Grace", "familyName": "Hopper"},
    "emails": [{"primary": True, "value": "grace@example.com", "type": "work"}],
    "displayName": "Grace Hopper",
    "locale": "en-US",
    "externalId": "00ujl29u0le5T6Aj10h7",
    "groups": [],
    "password": "1mz050nq",
    "active": True,
}


@pytest.mark.parametrize("sent", [OF_ENTRA, OF_OKTA], ids=["entra", "okta"])
async def test_user_is_created_without_what_the_service_does_not_keep(scim: Scim, sent: dict[str, Any]) -> None:
    answer = await scim("POST", "/Users", sent)

    assert answer.status == 201
    made = answer.body
    assert set(made) == {"schemas", "id", "externalId", "meta", "userName", "displayName", "active", "emails"}
    assert made["schemas"] == [USER]
    assert made["emails"] == [{"value": sent["userName"]}]
    assert answer.headers["Location"] == made["meta"]["location"]
    assert answer.headers["Location"].endswith(f"/scim/v2/Users/{made['id']}")
    assert answer.headers["Content-Type"].startswith("application/scim+json")


async def test_entra_finds_a_user_that_it_knows(scim: Scim) -> None:
    made = await scim.new_user("Ada@example.com", externalId="1", displayName="Ada Lovelace")
    await scim.new_user("bob", externalId="2", active=False)

    for query in (
        'userName eq "ada@EXAMPLE.com"',
        'externalId eq "1"',
        'displayName eq "ada lovelace"',
        f'id eq "{made["id"]}"',
        'externalId eq "1" and active eq true',
        f'{USER}:userName eq "Ada@example.com"',
    ):
        answer = await scim("GET", "/Users", filter=query)
        assert [each["id"] for each in answer.body["Resources"]] == [made["id"]], query
    for query in ('externalId eq "A"', 'id eq "none"', 'active eq false and userName eq "ada@example.com"'):
        answer = await scim("GET", "/Users", filter=query)
        assert (answer.body["totalResults"], answer.body["Resources"]) == (0, []), query


@pytest.mark.parametrize("value", [False, "False", "false"], ids=repr)
@pytest.mark.parametrize("operation", [{"op": "Replace", "path": "active"}, {"op": "replace"}], ids=["path", "no path"])
async def test_user_is_disabled_however_the_operation_is_written(
    scim: Scim, operation: dict[str, Any], value: object
) -> None:
    made = await scim.new_user("ada")
    given = {"value": value} if "path" in operation else {"value": {"active": value}}

    answer = await scim.patch(f"/Users/{made['id']}", {**operation, **given})

    assert (answer.status, answer.body["active"]) == (200, False)
    again = await scim.patch(f"/Users/{made['id']}", {"op": "Add", "path": "active", "value": "True"})
    assert again.body["active"] is True


async def test_entra_changes_several_attributes_at_once(scim: Scim) -> None:
    made = await scim.new_user("ada", displayName="Ada")

    answer = await scim.patch(
        f"/Users/{made['id']}",
        {"op": "Add", "path": "displayName", "value": "Ada King"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "king@example.com"},
        {"op": "Replace", "path": 'emails[type eq "home"].value', "value": "home@example.com"},
        {"op": "Replace", "path": "name.familyName", "value": "King"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Engines"},
        {"op": "Replace", "path": "userName", "value": "ada"},
        {"op": "Replace", "path": 'roles[primary eq "True"].value', "value": "pipeline_admin"},
    )

    assert answer.status == 200, answer.body
    assert answer.body["displayName"] == "Ada King"
    assert answer.body["emails"] == [{"value": "king@example.com"}]
    assert answer.body["roles"] == [{"value": "pipeline_admin"}]


async def test_entra_sends_names_in_an_operation_without_path(scim: Scim) -> None:
    made = await scim.new_user("ada", displayName="Ada")

    answer = await scim.patch(
        f"/Users/{made['id']}",
        {"op": "Add", "value": {"displayName": "Ada King", "name.givenName": "Ada", f"{ENTERPRISE}:title": "x"}},
    )

    assert (answer.status, answer.body["displayName"]) == (200, "Ada King")


async def test_okta_puts_a_user_back_as_it_read_it(scim: Scim) -> None:
    made = (await scim("POST", "/Users", OF_OKTA)).body

    answer = await scim("PUT", f"/Users/{made['id']}", {**made, **OF_OKTA, "displayName": "Rear Admiral"})

    assert (answer.status, answer.body["displayName"]) == (200, "Rear Admiral")
    assert answer.body["meta"]["version"] != made["meta"]["version"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Remove", "path": "members", "value": [{"value": "ADA"}]},
        {"op": "remove", "path": 'members[value eq "ADA"]'},
        {"op": "Remove", "path": 'urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq "ADA"]'},
        {"op": "replace", "path": "members", "value": [{"value": "BOB"}]},
        {"op": "replace", "value": {"members": [{"value": "BOB", "display": "bob"}]}},
    ],
    ids=["entra", "okta", "with its schema", "replace", "replace without path"],
)
async def test_member_is_taken_out_however_the_operation_is_written(scim: Scim, operation: dict[str, Any]) -> None:
    ada, bob = [(await scim.new_user(name))["id"] for name in ("ada", "bob")]
    group = await scim.new_group("team", ada, bob)
    text = str(operation).replace("ADA", ada).replace("BOB", bob)

    answer = await scim.patch(f"/Groups/{group['id']}", eval(text))  # noqa: S307 - the test's own

    assert answer.status == 200, answer.body
    assert await scim.members(group) == {bob}


async def test_operations_on_members_hold_in_their_order(scim: Scim) -> None:
    ada, bob, eve = [(await scim.new_user(name))["id"] for name in ("ada", "bob", "eve")]
    group = await scim.new_group("team", ada)

    answer = await scim.patch(
        f"/Groups/{group['id']}",
        {"op": "Add", "path": "members", "value": [{"value": bob}]},
        {"op": "remove", "path": "members"},
        {"op": "Add", "path": "members", "value": [{"value": eve}, {"value": bob}]},
        {"op": "remove", "path": f'members[value eq "{bob}"]'},
        {"op": "Replace", "value": {"displayName": "crew", "externalId": "77"}},
    )

    assert (answer.status, answer.body["displayName"], answer.body["externalId"]) == (200, "crew", "77")
    assert await scim.members(group) == {eve}


async def test_okta_replaces_the_name_of_a_group_by_an_operation_with_its_id(scim: Scim) -> None:
    group = await scim.new_group("team")

    answer = await scim.patch(
        f"/Groups/{group['id']}", {"op": "replace", "value": {"id": group["id"], "displayName": "crew"}}
    )

    assert (answer.status, answer.body["displayName"]) == (200, "crew")


async def test_entra_asks_for_a_group_without_members(scim: Scim) -> None:
    ada = (await scim.new_user("ada"))["id"]
    group = await scim.new_group("team", ada, externalId="9")

    found = await scim("GET", "/Groups", filter='displayName eq "TEAM"', excludedAttributes="members")
    assert [each["id"] for each in found.body["Resources"]] == [group["id"]]
    assert "members" not in found.body["Resources"][0]
    member = await scim("GET", "/Groups", filter=f'id eq "{group["id"]}" and members eq "{ada}"', attributes="id")
    assert member.body["totalResults"] == 1
    whole = await scim("GET", "/Groups", filter='externalId eq "9"')
    assert [each["value"] for each in whole.body["Resources"][0]["members"]] == [ada]
    assert (await scim("GET", "/Groups", filter=f'members.value eq "{group["id"]}"')).body["totalResults"] == 0


@pytest.mark.parametrize(
    "operation",
    [
        {"path": 'emails[type eq "work"].value', "value": "a@b.example"},
        {"op": "add", "path": "emails"},
        {"op": "Add", "path": "emails.value"},
        {"op": "add", "path": 'emails[type eq "work"].value'},
        {"op": "remove", "path": "emails", "OP": "add"},
        {"op": "replace", "path": 'roles[primary eq "True"].value'},
    ],
    ids=["no op", "no value", "no value of a part", "no value of a filter", "two of op", "no role"],
)
async def test_operation_that_lacks_a_part_is_refused(scim: Scim, operation: dict[str, Any]) -> None:
    ada = await scim.new_user("ada")

    answer = await scim.patch(f"/Users/{ada['id']}", operation)

    assert answer.status == 400, answer.body
    assert (await scim("GET", f"/Users/{ada['id']}")).body == ada


@pytest.mark.parametrize(
    "filter_", [r'userName eq "a\u0000"', r'displayName eq "\ud800"', 'userName eq "ada" and userName eq "bob"']
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_filter_that_nothing_can_fit_is_refused(scim: Scim, filter_: str, method: str) -> None:
    """Escapes in a filter are texts only once it is read: PostgreSQL has no NUL, and no half of a character."""
    await scim.new_user("bob")

    if method == "GET":
        answer = await scim("GET", "/Users", filter=filter_)
    else:
        answer = await scim("POST", "/Users/.search", {"schemas": [SEARCH], "filter": filter_})

    assert answer.status == 400, answer.body


async def test_names_of_a_value_that_are_paths_are_followed(scim: Scim) -> None:
    """Entra writes so without `aadOptscim062020`."""
    ada = await scim.new_user("ada", emails=[{"value": "old@example.com"}])
    value = {'emails[type eq "work"].value': "new@example.com", "name.givenName": "Ada", f"{USER}:displayName": "Ada"}

    answer = await scim.patch(f"/Users/{ada['id']}", {"op": "Add", "value": value})

    assert answer.status == 200, answer.body
    assert (answer.body["emails"], answer.body["displayName"]) == ([{"value": "new@example.com"}], "Ada")


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": 'members[value eq "ID" and type eq "User"]'},
        {"op": "replace", "value": {f"{GROUP}:members": []}},
    ],
    ids=["by id and type", "all, by the whole name"],
)
async def test_member_leaves_however_they_are_named(scim: Scim, operation: dict[str, Any]) -> None:
    ada = await scim.new_user("ada")
    group = await scim.new_group("team", ada["id"])
    sent = {key: each.replace("ID", ada["id"]) if isinstance(each, str) else each for key, each in operation.items()}

    assert (await scim.patch(f"/Groups/{group['id']}", sent)).status == 200
    assert await scim.members(group) == set()


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": 'members[value ne "ID"]'},
        {"op": "remove", "path": 'members[value eq "ID"].value'},
        {"op": "remove", "path": "members.value", "value": "ID"},
        {"op": "remove", "Op": "add", "path": "members"},
    ],
    ids=["by another comparison", "a part of one", "a part of all", "with a name twice"],
)
async def test_operation_on_members_that_is_not_understood_is_refused(scim: Scim, operation: dict[str, Any]) -> None:
    """Answered as done, it would leave a member in who was to go."""
    ada = await scim.new_user("ada")
    group = await scim.new_group("team", ada["id"])

    answer = await scim.patch(
        f"/Groups/{group['id']}", {key: each.replace("ID", ada["id"]) for key, each in operation.items()}
    )

    assert answer.status == 400, answer.body
    assert await scim.members(group) == {ada["id"]}


async def test_removal_of_an_empty_list_of_members_changes_nothing(scim: Scim) -> None:
    ada = await scim.new_user("ada")
    group = await scim.new_group("team", ada["id"])

    await scim.patch(f"/Groups/{group['id']}", {"op": "Remove", "path": "members", "value": []})

    assert await scim.members(group) == {ada["id"]}


async def test_name_in_other_letters_is_no_change_of_it(scim: Scim) -> None:
    ada = await scim.new_user("ada")
    place = f"/Users/{ada['id']}"

    answers = [
        await scim("PUT", place, {"schemas": [USER], "userName": "ADA"}),
        await scim.patch(place, {"op": "replace", "path": "userName", "value": "Ada"}),
        await scim.patch(place, {"op": "replace", "value": {"userName": "aDa", "displayName": "Ada"}}),
    ]

    assert [(each.status, each.body["userName"]) for each in answers] == [(200, "ada")] * 3
    assert answers[2].body["displayName"] == "Ada"


async def test_roles_are_given_and_taken_as_entra_writes_them(scim: Scim) -> None:
    ada = await scim.new_user("ada")
    place, role = f"/Users/{ada['id']}", '{"id":"1","value":"admin","displayName":"Administrators"}'

    given = await scim.patch(place, {"op": "Add", "path": "roles", "value": [{"value": role}]})
    other = await scim.patch(place, {"op": "Remove", "path": 'roles[value eq "pipeline_admin"]'})
    kept = await scim("GET", place)
    taken = await scim.patch(place, {"op": "Remove", "path": 'roles[value eq "admin"]'})

    assert given.body["roles"] == kept.body["roles"] == [{"value": "admin"}]
    assert other.body["roles"] == [{"value": "admin"}], "it is another one that was taken"
    assert "roles" not in taken.body
    broken = await scim.patch(place, {"op": "Add", "path": "roles", "value": [{"value": "{"}]})
    assert (broken.status, broken.body["scimType"]) == (400, "invalidValue")


async def test_address_is_found_and_taken_away_by_its_value(scim: Scim) -> None:
    ada = await scim.new_user("ada", emails=[{"value": "ada@example.com"}])
    for filter_ in (
        'emails.value eq "ADA@example.com"',
        'emails[type eq "work"].value eq "ada@example.com"',
        'emails[value eq "ada@example.com"] and active eq true',
    ):
        found = await scim("GET", "/Users", filter=filter_)
        assert [each["id"] for each in found.body["Resources"]] == [ada["id"]], filter_
    assert (await scim("GET", "/Users", filter='emails.value eq "bob@example.com"')).body["totalResults"] == 0

    gone = await scim.patch(f"/Users/{ada['id']}", {"op": "remove", "path": 'emails[value eq "ada@example.com"]'})

    assert (gone.status, "emails" in gone.body) == (200, False)


async def test_groups_are_found_by_a_member_however_that_is_written(scim: Scim) -> None:
    ada = await scim.new_user("ada")
    group = await scim.new_group("team", ada["id"])

    for filter_ in (f'members eq "{ada["id"]}"', f'members.value eq "{ada["id"]}"', f'members[value eq "{ada["id"]}"]'):
        found = await scim("GET", "/Groups", filter=filter_)
        assert [each["id"] for each in found.body["Resources"]] == [group["id"]], filter_


async def test_refusal_has_no_words_of_a_library(scim: Scim) -> None:
    ada = await scim.new_user("ada")

    answer = await scim.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": [{"value": False}]})

    assert answer.status == 400
    assert "boolean" in answer.body["detail"]
    assert not any(word in answer.body["detail"] for word in ("pydantic", "type=", "validation error"))
