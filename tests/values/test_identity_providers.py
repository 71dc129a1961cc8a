"""The settings of identity providers: by variables, as a list of JSON, and what is refused, with its reason."""

import json
from typing import Any
from uuid import UUID

import pytest

from service.permissions import Role
from service.settings import WrongSettings, read_settings
from service.values.identity_providers import (
    ALGORITHMS,
    MAX_MAPPED,
    MAX_PROVIDERS,
    MAX_TEXT,
    NAMES,
    ROLES,
    Provider,
    read_provider,
)

ISSUER = "https://id.example.com/realms/acme"
ONE = {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "flow-pipelines"}
ORGANIZATION = "8c400d55-15d4-41f9-b306-ec2836898d83"


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[Provider, ...]:
    for name in (*(f"OIDC_{name.upper()}" for name in NAMES), "OIDC_ISSUERS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings().providers


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(WrongSettings) as caught:
        read(monkeypatch, **variables)
    (sentence,) = caught.value.sentences
    return sentence


def test_providers_are_none_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch) == ()
    assert read(monkeypatch, OIDC_ISSUER=" ", OIDC_ISSUERS="[]") == ()


def test_provider_of_two_variables_has_the_documented_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    (provider,) = read(monkeypatch, **ONE)

    assert provider == Provider(
        ISSUER,
        "flow-pipelines",
        algorithms=ALGORITHMS,
        provision="never",
        username_claim="preferred_username",
        groups_claim="groups",
        groups=(),
        roles_claim="roles",
        roles=(),
        organization=None,
        organization_claim=None,
        client_id=None,
        command_line_client_id=None,
        scopes=("openid", "profile"),
        name=None,
    )
    assert (provider.shown_name, provider.public_client_id) == ("id.example.com", None)


@pytest.mark.parametrize(
    ("name", "value", "field", "means"),
    [
        ("ISSUER", "http://localhost:8180/realms/x", "issuer", "http://localhost:8180/realms/x"),
        ("ISSUER", "http://[::1]:8180", "issuer", "http://[::1]:8180"),
        ("AUDIENCE", "api://8c400d55", "audience", "api://8c400d55"),
        ("ALGORITHMS", "RS256, ES512", "algorithms", ("RS256", "ES512")),
        ("ALGORITHMS", ",".join(ALGORITHMS), "algorithms", ALGORITHMS),
        ("PROVISION", "on_sign_in", "provision", "on_sign_in"),
        ("USERNAME_CLAIM", "email", "username_claim", "email"),
        ("GROUPS_CLAIM", "realm_access.groups", "groups_claim", "realm_access.groups"),
        ("GROUPS", "a=reviewers, b = operators,", "groups", (("a", "reviewers"), ("b", "operators"))),
        ("GROUPS", "cn=x,ou=y", "groups", (("cn", "x"), ("ou", "y"))),
        ("GROUPS", '{"cn=x,ou=y": "reviewers"}', "groups", (("cn=x,ou=y", "reviewers"),)),
        ("GROUPS", "a=b=reviewers", "groups", (("a=b", "reviewers"),)),
        ("ROLES_CLAIM", "realm_access.roles", "roles_claim", "realm_access.roles"),
        (
            "ROLES",
            "x=admin,y=pipeline_admin,z=member",
            "roles",
            (("x", "admin"), ("y", "pipeline_admin"), ("z", "member")),
        ),
        ("ORGANIZATION", ORGANIZATION, "organization", UUID(ORGANIZATION)),
        ("ORGANIZATION_CLAIM", "org", "organization_claim", "org"),
        ("CLIENT_ID", "page", "client_id", "page"),
        ("CLIENT_ID", "page", "public_client_id", "page"),
        ("COMMAND_LINE_CLIENT_ID", "native", "public_client_id", "native"),
        ("SCOPES", "openid  api://flow/access openid", "scopes", ("openid", "api://flow/access")),
        ("NAME", "Acme & Söhne", "shown_name", "Acme & Söhne"),
    ],
)
def test_provider_of_a_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, means: object
) -> None:
    (provider,) = read(monkeypatch, **{**ONE, f"OIDC_{name}": value})

    assert getattr(provider, field) == means


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("AUDIENCE", "", "OIDC_AUDIENCE is missing."),
        ("ISSUER", "http://id.example.com", "OIDC_ISSUER is 'http://id.example.com', but must be https:// and a host"),
        ("ISSUER", "http://localhost.example.com", "must be https://"),
        ("ISSUER", "ftp://127.0.0.1", "must be https://"),
        ("ISSUER", "id.example.com", "must be https://"),
        ("ISSUER", "https://", "must be https://"),
        ("ISSUER", f"{ISSUER}?tenant=1", "must be https://"),
        ("ISSUER", f"{ISSUER}#x", "must be https://"),
        ("ISSUER", "https://user@id.example.com", "must be https://"),
        ("ISSUER", "https://id.example.com;script-src", "must be https://"),
        ("SCOPES", "profile", "OIDC_SCOPES must be scopes with spaces between, and openid one of them."),
        ("SCOPES", 'openid "x"', "OIDC_SCOPES must be scopes with spaces between"),
        ("NAME", "n" * 61, "OIDC_NAME must have at most 60 characters."),
        ("COMMAND_LINE_CLIENT_ID", "flow-pipelines", "OIDC_COMMAND_LINE_CLIENT_ID and OIDC_AUDIENCE are the same"),
        ("ISSUER", "https://[::1", "must be https://"),
        ("ISSUER", "https://id.example.com:port", "must be https://"),
        ("ISSUER", "https://" + "i" * MAX_TEXT, f"must be a text of at most {MAX_TEXT} characters on one line"),
        ("AUDIENCE", "a\nb", "must be a text of at most"),
        ("ALGORITHMS", "none", "OIDC_ALGORITHMS has none, but allowed are RS256"),
        ("ALGORITHMS", "RS256,HS256", "OIDC_ALGORITHMS has HS256, but allowed are"),
        ("ALGORITHMS", "RS256,,", "OIDC_ALGORITHMS has no name, but allowed are"),
        ("ALGORITHMS", "rs256", "has rs256, but"),
        ("PROVISION", "always", "OIDC_PROVISION is 'always', but allowed are never, on_sign_in."),
        ("GROUPS", "reviewers", "OIDC_GROUPS must map values of a claim"),
        ("GROUPS", "=reviewers", "OIDC_GROUPS must map values of a claim"),
        ("GROUPS", "a=two words", "OIDC_GROUPS maps to 'two words', but a group is called 1 to 100 characters"),
        ("GROUPS", '{"a": 7}', "OIDC_GROUPS must be a text"),
        ("GROUPS", '{"a": ', "OIDC_GROUPS must map values of a claim"),
        ("GROUPS", ",".join(f"{n}=g" for n in range(MAX_MAPPED + 1)), f"and at most {MAX_MAPPED} of them"),
        ("ROLES", "a=root", "OIDC_ROLES maps to 'root', but roles are member, pipeline_admin, admin."),
        ("ORGANIZATION", "acme", "OIDC_ORGANIZATION must be an organization's id"),
        ("CLIENT_ID", "flow-pipelines", "OIDC_CLIENT_ID and OIDC_AUDIENCE are the same, so that ID tokens would pass"),
    ],
)
def test_provider_of_a_bad_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    assert sentence in refusal(monkeypatch, **{**ONE, f"OIDC_{name}": value})


def test_provider_is_bound_to_an_organization_or_by_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"OIDC_ORGANIZATION": ORGANIZATION, "OIDC_ORGANIZATION_CLAIM": "org"}

    assert "OIDC_ORGANIZATION and OIDC_ORGANIZATION_CLAIM are both said" in refusal(monkeypatch, **ONE, **both)


def test_variables_without_an_issuer_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, OIDC_AUDIENCE="x") == "OIDC_AUDIENCE is set, but OIDC_ISSUER is missing."


def test_several_providers_take_from_variables_what_they_leave_out(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[dict[str, Any]] = [
        {"issuer": "https://a.example", "organization": ORGANIZATION, "groups": {"/x": "reviewers"}},
        {"issuer": "https://b.example", "organization_claim": "org", "algorithms": ["ES256"], "audience": "other"},
    ]

    one, two = read(monkeypatch, OIDC_AUDIENCE="shared", OIDC_GROUPS="g=all", OIDC_ISSUERS=json.dumps(listed))

    assert (one.audience, one.organization, one.groups) == ("shared", UUID(ORGANIZATION), (("/x", "reviewers"),))
    assert (two.audience, two.organization_claim, two.algorithms) == ("other", "org", ("ES256",))
    assert two.groups == (("g", "all"),)


def test_organization_of_the_variables_is_of_their_provider_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [{"issuer": "https://b.example"}]

    one, two = read(
        monkeypatch, **ONE, OIDC_ORGANIZATION=ORGANIZATION, OIDC_CLIENT_ID="page", OIDC_ISSUERS=json.dumps(listed)
    )

    assert (one.organization, one.client_id) == (UUID(ORGANIZATION), "page")
    assert (two.issuer, two.organization, two.client_id) == ("https://b.example", None, None)


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ("{", "OIDC_ISSUERS must be a list of JSON"),
        ("{}", "OIDC_ISSUERS must be a list of JSON"),
        ("[7]", "OIDC_ISSUERS must be a list of JSON"),
        (json.dumps([{"issuer": ISSUER}] * (MAX_PROVIDERS + 1)), f"at most {MAX_PROVIDERS} providers"),
        (json.dumps([{}]), "OIDC_ISSUERS: provider 1: issuer is missing."),
        (json.dumps([{"issuer": ISSUER, "audiance": "x"}]), "provider 1: audiance is nothing that is said of an"),
        (json.dumps([{"issuer": ISSUER, "audience": 7}]), "provider 1: audience must be a text"),
        (json.dumps([{"issuer": ISSUER, "algorithms": [7]}]), "provider 1: algorithms has no name"),
        (json.dumps([{"issuer": ISSUER, "algorithms": {}}]), "provider 1: algorithms must be names"),
        (json.dumps([{"issuer": ISSUER, "groups": [1]}]), "provider 1: groups must map values"),
        (json.dumps([{"issuer": ISSUER}, {"issuer": ISSUER}]), "OIDC_ISSUER is the same of two providers"),
    ],
    ids=[
        *("no JSON", "an object", "numbers", "too many", "without an issuer", "unknown name", "number", "algorithm"),
        *("algorithms", "groups", "the same twice"),
    ],
)
def test_list_of_providers_that_is_wrong(monkeypatch: pytest.MonkeyPatch, listed: str, sentence: str) -> None:
    assert sentence in refusal(monkeypatch, OIDC_AUDIENCE="x", OIDC_ISSUERS=listed)


def test_all_that_is_wrong_with_providers_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"OIDC_ISSUER": "id", "OIDC_PROVISION": "always", "OIDC_ALGORITHMS": "none", "OIDC_ROLES": "a=root"}
    listed = json.dumps([{"issuer": ISSUER, "audience": "x", "scopes": "none", "algorithms": ["ES256"], "roles": ""}])

    with pytest.raises(WrongSettings) as caught:
        read(monkeypatch, **wrong, OIDC_ISSUERS=listed)

    assert [" ".join(sentence.split()[:3]) for sentence in caught.value.sentences] == [
        *("OIDC_AUDIENCE is missing.", "OIDC_ALGORITHMS has none,", "OIDC_ROLES maps to", "OIDC_ISSUER is 'id',"),
        *("OIDC_PROVISION is 'always',", "OIDC_ISSUERS: provider 1:", "OIDC_ISSUERS: provider 1:"),
    ]


def test_read_provider_refuses_what_is_no_field() -> None:
    with pytest.raises(ValueError, match="secret is nothing that is said of an identity provider"):
        read_provider({"issuer": ISSUER, "audience": "x", "secret": "s"})


def test_roles_are_those_of_the_permissions() -> None:
    assert [*Role] == [*ROLES]
