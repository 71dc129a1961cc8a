"""JSON web tokens: which are access tokens of a provider, for this service, and good now."""

import binascii
import json
import time
import warnings
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jws import JWSRegistry

from service.authentication.oidc.keys import ProviderKeys, PublicKey
from service.values.identity_providers import Provider

MAX_BYTES: Final = 16 * 1024
"""Bytes of an identity provider's token; MAX_HEADER_BYTES lets fewer in by default."""
MAX_KEY_ID: Final = 500
"""Characters of a key's id in a token's header."""
MAX_SUBJECT: Final = 255
"""Characters of a subject, by which a provider knows somebody."""
LEEWAY: Final = 30
"""Seconds by which clocks may differ."""

TYPES: Final = ("jwt", "at+jwt", "application/at+jwt")
_KEY_TYPES: Final[Mapping[str, str]] = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_KEYS_IN_HEADERS: Final = ("jwk", "jku", "x5u", "x5c")
_OTHER_KINDS: Final = ("at_hash", "c_hash", "s_hash", "events")
"""Claims of ID tokens alone, on what was issued beside them, and of tokens that tell of events, such as a sign-out."""


class Refused(Exception):
    """A token that is not taken; the text says why, of what the client sent alone."""


def issuer_of(token: str) -> str | None:
    """Return the issuer that a token claims, unverified, to know by whose keys to verify it; None if it has none."""
    try:
        claims = _decode(token.split(".")[1])
    except (Refused, IndexError):
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None


def _decode(segment: str) -> dict[str, Any]:
    """Decode a part of a token, which is an object of JSON.

    Raises:
        Refused: it is none.
    """
    try:
        padded = segment.encode("ascii") + b"=" * (-len(segment) % 4)
        text = b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Refused("it is no JSON web token") from error
    return _parse(text)


def _parse(text: bytes) -> dict[str, Any]:
    """Parse an object of JSON, in which each name is given once, so that nobody on the way can read another value.

    Raises:
        Refused: it is none.
    """
    try:
        orjson.loads(text)  # which is stricter, on numbers and characters
        found = json.loads(text.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Refused("it is no JSON web token") from error
    if not isinstance(found, dict):
        raise Refused("it is no JSON web token")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given more than once")
    return found


def check_header(token: str, algorithms: Sequence[str]) -> tuple[str, str, str]:
    """Return the algorithm, the key's id and its type, as a token's header has them.

    Raises:
        Refused: the header is not that of an access token which is signed by a key of the provider's.
    """
    if len(token) > MAX_BYTES or token.count(".") != 2:
        raise Refused("it is no signed JSON web token")
    header = _decode(token.partition(".")[0])
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise Refused("its signature is of a kind that is not allowed")
    if "crit" in header or "b64" in header:
        raise Refused("its header asks for an extension that is not known")
    if any(name in header for name in _KEYS_IN_HEADERS):
        raise Refused("its header brings a key, and only the provider's own are taken")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise Refused("it is no access token, by its header")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID:
        raise Refused("its header does not name the key that it is signed by")
    return algorithm, key_id, _KEY_TYPES[algorithm[:2]]


async def verify(token: str, provider: Provider, keys: ProviderKeys) -> tuple[dict[str, Any], PublicKey]:
    """Return the claims of an access token, and the key that it is signed by.

    Raises:
        Refused: it is not signed by the provider, not for this service, not good now, or no access token.
        KeysAway: its key is not known, and the provider can't be asked.
    """
    algorithm, key_id, key_type = check_header(token, provider.algorithms)
    key = await keys.find(key_id, key_type)
    if key is None:
        raise Refused("the provider has no key of the id that its header names")
    if key.alg and key.alg != algorithm:
        raise Refused("the key that its header names is for signatures of another kind")
    try:
        payload = _verify_signature(token, key, algorithm)
    except Refused:
        keys.refresh()  # the key of that id may be another by now; beside the request, and rarely
        raise
    claims = _parse(payload)
    check_claims(claims, provider, time.time())
    return claims, key


def _verify_signature(token: str, key: PublicKey, algorithm: str) -> bytes:
    """Return what a token says that is signed by a key.

    Raises:
        Refused: it is not.
    """
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA is an old name of Ed25519's, which providers use
            return jws.deserialize_compact(token, key, registry=registry).payload
    except (JoseError, ValueError, TypeError) as error:
        raise Refused("its signature is not the provider's") from error


def check_claims(claims: Mapping[str, Any], provider: Provider, now: float) -> None:
    """Check the claims of a token whose signature is the provider's.

    Raises:
        Refused: it is not for this service, not good now, or no access token.
    """
    audience, subject = claims.get("aud"), claims.get("sub")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != provider.issuer:
        raise Refused("it is of another issuer")
    if provider.audience not in audiences:
        raise Refused("it is not for this service, by its audience")
    if not _is_access_token(claims):
        raise Refused("it is an ID token or another one that is no access token")
    if "cnf" in claims:
        raise Refused("it is bound to a key of its client's, and as a bearer token it proves none")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise Refused(f"it has no subject that can be linked, of 1 to {MAX_SUBJECT} characters on one line")
    expires = _time(claims, "exp")
    if expires is None or expires + LEEWAY <= now:
        raise Refused("it has expired" if expires is not None else "it says no time at which it expires")
    if (_time(claims, "nbf") or 0) - LEEWAY > now or (_time(claims, "iat") or 0) - LEEWAY > now:
        raise Refused("it is not good yet: the clock of the provider or of the service is wrong")


def _is_access_token(claims: Mapping[str, Any]) -> bool:
    """Return whether claims are those of an access token.

    An ID token answers a `nonce` of its client, and has no scopes. Some providers copy the former into access tokens,
    but not the absence of the latter.
    """
    if any(name in claims for name in _OTHER_KINDS) or ("nonce" in claims and not {"scope", "scp"} & claims.keys()):
        return False
    return (claims.get("typ", "Bearer"), claims.get("token_use", "access")) == ("Bearer", "access")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a time in a claim, as seconds.

    Raises:
        Refused: it is none.
    """
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**33:
        raise Refused(f"its {name} is no time")
    return value
