"""Attacks on the verification of a provider's tokens: each is refused, for its own reason."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from service.authentication.oidc.keys import ProviderKeys
from service.authentication.oidc.tokens import LEEWAY, MAX_BYTES, Refused, issuer_of, verify
from service.values.identity_providers import ALGORITHMS, Provider
from tests.authentication.oidc.provider import AUDIENCE, IdentityProvider, Key, rsa, sign

ISSUER = "https://id.example.com"
TRUSTED = Provider(ISSUER, AUDIENCE, ALGORITHMS, client_id="admin-page")


@cache
def own() -> IdentityProvider:
    keys: list[Key] = [
        rsa("rsa"),
        ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
        ECKey.generate_key("P-384", {"kid": "ec384", "use": "sig"}),
        OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"}),
        rsa("bound", alg="RS512"),
    ]
    return IdentityProvider(ISSUER, keys)


@cache
def stranger() -> RSAKey:
    return rsa("rsa")


def key(key_id: str) -> Any:
    return next(each for each in own().keys if each.kid == key_id)


async def publish(address: str) -> dict[str, Any]:
    if address.endswith("openid-configuration"):
        return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    return {"keys": [each.as_dict(private=False) for each in own().keys]}


@pytest.fixture
def keys() -> ProviderKeys:
    return ProviderKeys(ISSUER, publish)


def token(header: dict[str, Any] | None = None, signed_by: Any = None, **claims: Any) -> str:
    return own().token("ada", signed_by or key("rsa"), header, **claims)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    return f"{segment(header)}.{segment(own().claims('ada'))}.{signature}"


def by_public_key_as_secret() -> str:
    """Sign by HMAC with what everybody knows: the attack on verifiers that let the header choose the algorithm."""
    pem = key("rsa").as_pem(private=False)
    head = f"{segment({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{segment(own().claims('ada'))}"
    mac = hmac.new(pem, head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_claims_changed() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{segment(own().claims('bob'))}.{signature}"


def with_key_in_header(name: str) -> Callable[[], str]:
    mine = stranger()
    brought = {
        "jwk": mine.as_dict(private=False),
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/certificate",
        "x5c": ["MIIB"],
    }
    return lambda: token({name: brought[name]}, mine)


def now(offset: float) -> int:
    return int(time.time() + offset)


KIND = "of a kind that is not allowed"
FOREIGN = "not the provider's"
NO_KEY = "no key of the id"
NO_ACCESS_TOKEN = "no access token"
NO_TOKEN = "no (signed )?JSON web token"
NOT_NAMED = "does not name the key"

ATTACKS: dict[str, tuple[Callable[[], str], str]] = {
    "alg none": (lambda: unsigned({"alg": "none", "kid": "rsa"}), KIND),
    "alg None": (lambda: unsigned({"alg": "None", "kid": "rsa"}), KIND),
    "alg missing": (lambda: unsigned({"kid": "rsa"}), KIND),
    "alg a list": (lambda: unsigned({"alg": ["RS256"], "kid": "rsa"}), KIND),
    "public key as secret": (by_public_key_as_secret, KIND),
    "secret of its own": (
        lambda: sign({"alg": "HS256", "kid": "rsa"}, own().claims("ada"), OctKey.import_key("secret" * 8)),
        KIND,
    ),
    "no signature": (lambda: unsigned({"alg": "RS256", "kid": "rsa"}), FOREIGN),
    "another's signature": (lambda: token(signed_by=stranger()), FOREIGN),
    "claims changed": (with_claims_changed, FOREIGN),
    "signature cut": (lambda: token()[:-20], FOREIGN),
    "elliptic on an RSA key": (lambda: token({"alg": "ES256", "kid": "rsa"}, key("ec")), NO_KEY),
    "RSA on an elliptic key": (lambda: token({"kid": "ec"}), NO_KEY),
    "another curve": (lambda: token({"alg": "ES256", "kid": "ec384"}, key("ec")), FOREIGN),
    "key for another algorithm": (lambda: token({"kid": "bound"}, stranger()), "signatures of another kind"),
    "crit": (lambda: unsigned({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}, "AA"), "extension"),
    "crit empty": (lambda: unsigned({"alg": "RS256", "kid": "rsa", "crit": []}, "AA"), "extension"),
    "b64 false": (lambda: unsigned({"alg": "RS256", "kid": "rsa", "b64": False}, "AA"), "extension"),
    "jwk": (with_key_in_header("jwk"), "brings a key"),
    "jku": (with_key_in_header("jku"), "brings a key"),
    "x5u": (with_key_in_header("x5u"), "brings a key"),
    "x5c": (with_key_in_header("x5c"), "brings a key"),
    "typ of an ID token by name": (lambda: token({"typ": "id_token+jwt"}), NO_ACCESS_TOKEN),
    "typ of a logout token": (lambda: token({"typ": "logout+jwt"}), NO_ACCESS_TOKEN),
    "typ a number": (lambda: unsigned({"alg": "RS256", "kid": "rsa", "typ": 1}), NO_ACCESS_TOKEN),
    "kid unknown": (lambda: token({"kid": "other"}), NO_KEY),
    "kid missing": (lambda: token({"kid": None}), NOT_NAMED),
    "kid a list": (lambda: unsigned({"alg": "RS256", "kid": ["rsa"]}), NOT_NAMED),
    "kid a path": (lambda: token({"kid": "../../dev/null"}), NO_KEY),
    "kid long": (lambda: token({"kid": "k" * 501}), NOT_NAMED),
    "issuer another": (lambda: token(iss="https://evil.example"), "another issuer"),
    "issuer with a slash more": (lambda: token(iss=ISSUER + "/"), "another issuer"),
    "issuer in a list": (lambda: token(iss=[ISSUER]), "another issuer"),
    "audience another": (lambda: token(aud="another-service"), "audience"),
    "audience missing": (lambda: token(aud=None), "audience"),
    "audience others": (lambda: token(aud=["account", "flow-pipelines-2"]), "audience"),
    "audience an object": (lambda: token(aud={AUDIENCE: True}), "audience"),
    "ID token of the admin page": (lambda: token(aud="admin-page", nonce="n"), "audience"),
    "ID token by its hash": (lambda: token(aud=[AUDIENCE, "admin-page"], at_hash="abc"), "ID token"),
    "ID token of Keycloak": (lambda: token(typ="ID"), "ID token"),
    "refresh token of Keycloak": (lambda: token(typ="Refresh"), "ID token"),
    "subject missing": (lambda: token(sub=None), "no subject"),
    "subject empty": (lambda: token(sub=""), "no subject"),
    "subject a number": (lambda: token(sub=7), "no subject"),
    "subject with a control": (lambda: token(sub="ada\0"), "no subject"),
    "subject long": (lambda: token(sub="s" * 256), "no subject"),
    "expired": (lambda: token(exp=now(-LEEWAY - 1)), "has expired"),
    "expiry missing": (lambda: token(exp=None), "no time at which it expires"),
    "expiry a text": (lambda: token(exp="9999999999"), "its exp is no time"),
    "expiry true": (lambda: token(exp=True), "its exp is no time"),
    "expiry endless": (lambda: token(exp=1e300), "its exp is no time"),
    "expiry negative": (lambda: token(exp=-1), "its exp is no time"),
    "not yet": (lambda: token(nbf=now(LEEWAY + 5)), "not good yet"),
    "of the future": (lambda: token(iat=now(LEEWAY + 5)), "not good yet"),
    "too large": (lambda: token(more="m" * MAX_BYTES), NO_TOKEN),
    "five parts": (lambda: token() + ".a.b", NO_TOKEN),
    "header no JSON": (lambda: "e30x." + token().partition(".")[2], NO_TOKEN),
    "header a list": (lambda: f"{segment([])}.{token().partition('.')[2]}", NO_TOKEN),
    "header with strange characters": (lambda: "*" + token(), NO_TOKEN),
    "header beyond ASCII": (lambda: "é" + token(), NO_TOKEN),
    "claims a list": (lambda: f"{token().partition('.')[0]}.{segment([])}.AA", FOREIGN),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_verify_refuses_an_attack(keys: ProviderKeys, attack: str) -> None:
    forge, why = ATTACKS[attack]

    with pytest.raises(Refused, match=why):
        await verify(forge(), TRUSTED, keys)


@pytest.mark.parametrize(
    ("algorithm", "key_id"),
    [
        *((name, "rsa") for name in ALGORITHMS if name[:2] in ("RS", "PS")),
        *(("ES256", "ec"), ("ES384", "ec384"), ("EdDSA", "ed"), ("Ed25519", "ed")),
    ],
)
async def test_verify_takes_each_algorithm(keys: ProviderKeys, algorithm: str, key_id: str) -> None:
    claims, _ = await verify(token({"alg": algorithm, "kid": key_id}, key(key_id)), TRUSTED, keys)

    assert claims["sub"] == "ada"


@pytest.mark.parametrize("said", ["PS256", "ES256"])
async def test_verify_refuses_an_algorithm_that_is_not_allowed(keys: ProviderKeys, said: str) -> None:
    narrow = Provider(ISSUER, AUDIENCE, ("RS256",))

    with pytest.raises(Refused, match=KIND):
        await verify(
            token({"alg": said, "kid": "ec" if said == "ES256" else "rsa"}, key("ec" if said == "ES256" else "rsa")),
            narrow,
            keys,
        )


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "AT+JWT", "application/at+jwt", None])
async def test_verify_takes_each_type_of_access_token(keys: ProviderKeys, kind: str | None) -> None:
    await verify(token({"typ": kind}), TRUSTED, keys)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -LEEWAY + 5},
        {"nbf": LEEWAY - 5},
        {"iat": LEEWAY - 5},
    ],
    ids=["just expired", "almost good", "almost issued"],
)
async def test_verify_allows_for_clocks_that_differ_a_little(keys: ProviderKeys, claims: dict[str, Any]) -> None:
    said: dict[str, Any] = {name: now(offset) for name, offset in claims.items()}

    await verify(token(**said), TRUSTED, keys)


async def test_verify_takes_one_audience_of_several(keys: ProviderKeys) -> None:
    await verify(token(aud=["account", AUDIENCE], typ="Bearer"), TRUSTED, keys)


@pytest.mark.parametrize(
    "text", ["", ".", "a.b.c", "fp_abc", "e30.W10.x", "é.é.é", f"{segment({})}.{segment({'iss': 7})}.x"]
)
def test_issuer_of_what_has_none(text: str) -> None:
    assert issuer_of(text) is None
