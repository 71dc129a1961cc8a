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
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
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


def signed(header: str, claims: str) -> str:
    """Sign texts as they are, by the provider's own key."""
    head = ".".join(base64.urlsafe_b64encode(each.encode()).rstrip(b"=").decode() for each in (header, claims))
    signature = key("rsa").private_key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def with_more(header: str = "", claims: str = "") -> str:
    """Add texts of JSON to a good token's header and claims."""
    good = json.dumps(own().claims("ada"))
    return signed(f'{{"alg": "RS256", "kid": "rsa"{header}}}', f"{good[:-1]}{claims}}}")


def by_curve(signature: Callable[[bytes], bytes]) -> str:
    """Sign by ES256 with what is no signature in its form."""
    head = f"{segment({'alg': 'ES256', 'kid': 'ec'})}.{segment(own().claims('ada'))}"
    return f"{head}.{base64.urlsafe_b64encode(signature(head.encode())).rstrip(b'=').decode()}"


def with_last_bit_changed() -> str:
    """Spell a signature in another way: its last character has bits that count for nothing."""
    good = token()
    return good[:-1] + ALPHABET[ALPHABET.index(good[-1]) ^ 1]


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
DEEP = "[" * 990 + "]" * 990


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
    "subject long": (lambda: token(sub="s" * 256), "no subject that can be linked, of 1 to 255 characters"),
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
    "nonce of an ID token": (lambda: token({"typ": "JWT"}, nonce="n"), "ID token"),
    "ID token of Cognito": (lambda: token({"typ": None}, token_use="id"), "ID token"),
    "sign-out token": (lambda: token({"typ": "JWT"}, events={"backchannel-logout": {}}), "ID token"),
    "bound to a key": (lambda: token(cnf={"jkt": "abc"}), "bound to a key"),
    "header with a name twice": (lambda: with_more(header=', "kid": "rsa"'), NO_TOKEN),
    "claims with a name twice": (lambda: with_more(claims=', "sub": "eve"'), NO_TOKEN),
    "header deep": (lambda: with_more(header=f', "x": {DEEP}'), NO_TOKEN),
    "claims deep": (lambda: with_more(claims=f', "x": {DEEP}'), NO_TOKEN),
    "claims with NaN": (lambda: with_more(claims=', "x": NaN'), NO_TOKEN),
    "claims with a long number": (lambda: with_more(claims=f', "x": {"9" * 5000}'), NO_TOKEN),
    "claims with half a character": (lambda: with_more(claims=r', "x": "\ud800"'), NO_TOKEN),
    "subject beyond spaces": (lambda: token(sub="ada\u200b"), "no subject"),
    "signature of zeros": (lambda: by_curve(lambda _: bytes(64)), FOREIGN),
    "signature in another form": (
        lambda: by_curve(lambda text: key("ec").private_key.sign(text, ec.ECDSA(hashes.SHA256()))),
        FOREIGN,
    ),
    "signature too short": (lambda: by_curve(lambda _: b"a" * 63), FOREIGN),
    "signature spelt otherwise": (with_last_bit_changed, FOREIGN),
    "signature with padding": (lambda: token() + "==", FOREIGN),
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


async def test_verify_takes_an_access_token_with_the_nonce_of_its_client(keys: ProviderKeys) -> None:
    await verify(token({"typ": "JWT"}, nonce="n", scope="openid"), TRUSTED, keys)


async def test_verify_takes_one_audience_of_several(keys: ProviderKeys) -> None:
    await verify(token(aud=["account", AUDIENCE], typ="Bearer"), TRUSTED, keys)


@pytest.mark.parametrize(
    "text", ["", ".", "a.b.c", "fp_abc", "e30.W10.x", "é.é.é", f"{segment({})}.{segment({'iss': 7})}.x"]
)
def test_issuer_of_what_has_none(text: str) -> None:
    assert issuer_of(text) is None
