"""The keys of a provider: fetched once for all that wait, rarely, and kept while the provider is away."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, OctKey, RSAKey

from service.authentication.oidc import fetching
from service.authentication.oidc import keys as keys_module
from service.authentication.oidc.fetching import MAX_BYTES, FetchError, fetch_json
from service.authentication.oidc.keys import FRESH_SECONDS, MIN_INTERVAL, KeysAway, ProviderKeys
from tests.authentication.oidc.provider import IdentityProvider, rsa


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(provider: IdentityProvider, clock: Clock) -> ProviderKeys:
    return ProviderKeys(provider.issuer, clock=clock)


async def settled() -> None:
    """Wait until what was begun beside is done."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    while pending := {task for task in others if not task.done() and "_refresh" in repr(task)}:
        await asyncio.wait(pending)


async def test_keys_are_fetched_once_for_all_that_wait(keys: ProviderKeys, provider: IdentityProvider) -> None:
    found = await asyncio.gather(*(keys.find("first", "RSA") for _ in range(20)))

    assert all(found)
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_unknown_key_is_asked_for_rarely(keys: ProviderKeys, provider: IdentityProvider, clock: Clock) -> None:
    await keys.find("first", "RSA")
    for _ in range(5):
        assert await keys.find("other", "RSA") is None
    assert len(provider.asked) == 2
    clock.seconds += MIN_INTERVAL
    assert await keys.find("other", "RSA") is None
    assert len(provider.asked) == 4


async def test_rotated_key_is_found_after_the_interval_and_the_old_one_until_it_is_gone(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    old = await keys.find("first", "RSA")
    assert old is not None
    provider.keys.append(rsa("second"))
    assert await keys.find("second", "RSA") is None
    clock.seconds += MIN_INTERVAL
    assert await keys.find("second", "RSA") is not None
    assert await keys.find("first", "RSA") is old, "what was verified by it is still known"
    assert keys.has(old)
    del provider.keys[0]
    clock.seconds += FRESH_SECONDS + 1
    assert await keys.find("second", "RSA") is not None
    await settled()
    assert not keys.has(old)


async def test_key_of_the_same_id_that_is_another_is_another(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    old = await keys.find("first", "RSA")
    assert old is not None
    provider.keys[0] = rsa("first")
    clock.seconds += FRESH_SECONDS + 1
    await keys.find("first", "RSA")
    await settled()
    assert not keys.has(old)


async def test_keys_are_kept_while_the_provider_is_away(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    known = await keys.find("first", "RSA")

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    provider.instead = fail
    clock.seconds += 100 * FRESH_SECONDS
    assert await keys.find("first", "RSA") is known
    await settled()
    assert await keys.find("first", "RSA") is known
    with pytest.raises(KeysAway):
        await keys.find("second", "RSA")


async def test_first_request_fails_while_the_provider_is_away_and_works_once_it_is_back(
    keys: ProviderKeys, provider: IdentityProvider, clock: Clock
) -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=503)

    provider.instead = fail
    for _ in range(3):
        with pytest.raises(KeysAway):
            await keys.find("first", "RSA")
    assert len(provider.asked) == 1, "it is left alone for a while"
    provider.instead = None
    clock.seconds += MIN_INTERVAL
    assert await keys.find("first", "RSA") is not None


async def test_keys_of_a_provider_that_is_slow_are_given_up(
    keys: ProviderKeys, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each document comes in time, and both together do not."""

    async def answer_late_each(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        provider.instead = None
        answer = await provider.answer(request)
        provider.instead = answer_late_each
        return answer

    monkeypatch.setattr(fetching, "TIMEOUT", 0.3)
    provider.instead = answer_late_each

    with pytest.raises(KeysAway):
        await keys.find("first", "RSA")


async def test_waiting_request_that_leaves_harms_no_other(keys: ProviderKeys) -> None:
    leaving, staying = (asyncio.create_task(keys.find("first", "RSA")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await staying is not None


@pytest.mark.parametrize(
    ("max_requests", "providers", "waiting"), [(400, 1, 100), (400, 4, 25), (10_000, 2, 100), (110, 1, 27), (1, 3, 1)]
)
def test_requests_that_wait_for_keys_are_a_part_of_those_under_way(
    max_requests: int, providers: int, waiting: int
) -> None:
    assert keys_module.most_waiting(max_requests, providers) == waiting


async def test_few_wait_for_a_provider_that_is_slow(provider: IdentityProvider) -> None:
    keys = ProviderKeys(provider.issuer, most_waiting=3)
    answers = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await answers.wait()
        provider.instead = None
        return await provider.answer(request)

    provider.instead = wait
    waiting = [asyncio.create_task(keys.find("first", "RSA")) for _ in range(3)]
    await asyncio.sleep(0)
    for _ in range(2):
        with pytest.raises(KeysAway):
            await keys.find("first", "RSA")
    waiting.pop().cancel()
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(keys.find("first", "RSA")))
    answers.set()

    assert all(await asyncio.gather(*waiting))


UNFIT: dict[str, Callable[[], dict[str, Any]]] = {
    "symmetric": lambda: OctKey.generate_key(256, {"kid": "first", "use": "sig"}).as_dict(),
    "for encryption": lambda: rsa(use="enc").as_dict(private=False),
    "for encryption by its operations": lambda: rsa().as_dict(private=False) | {"key_ops": ["wrapKey"]},
    "of operations that are no list": lambda: rsa().as_dict(private=False) | {"key_ops": "verify"},
    "without an id": lambda: RSAKey.generate_key(2048, {"use": "sig"}).as_dict(private=False),
    "short": lambda: RSAKey.generate_key(1024, {"kid": "first"}).as_dict(private=False),
    "of a type that is a list": lambda: {"kty": ["RSA"], "kid": "first"},
    "without a modulus": lambda: {"kty": "RSA", "kid": "first", "e": "AQAB"},
    "of a million bits": lambda: {"kty": "RSA", "kid": "first", "e": "AQAB", "n": "_" * 180_000},
    "on no curve": lambda: {"kty": "EC", "kid": "first", "crv": "P-0", "x": "AA", "y": "AA"},
}


@pytest.mark.parametrize("kind", UNFIT)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_unfit_key_is_left_out(keys: ProviderKeys, provider: IdentityProvider, kind: str) -> None:
    unfit, fit = UNFIT[kind](), ECKey.generate_key("P-256", {"kid": "good"})

    async def publish(request: web.Request) -> web.Response:
        if request.path.endswith("openid-configuration"):
            return web.json_response({"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"})
        return web.json_response({"keys": [unfit, 7, None, fit.as_dict(private=False)]})

    provider.instead = publish

    assert await keys.find("good", "EC") is not None
    assert [await keys.find("first", kty) for kty in ("RSA", "EC", "oct")] == [None] * 3


async def test_loop_goes_on_between_keys(provider: IdentityProvider) -> None:
    """A hundred of the longest took 45 ms."""
    key = rsa().as_dict(private=False)
    listed = [key | {"kid": str(number)} for number in range(20)]

    async def fetch(url: str) -> dict[str, Any]:
        return {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys", "keys": listed}

    read = ProviderKeys(provider.issuer, fetch)
    finding, turns = asyncio.create_task(read.find("1", "RSA")), 0
    while not finding.done():
        turns += 1
        await asyncio.sleep(0)

    assert finding.result() is not None
    assert turns > len(listed)


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": "http://evil.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://127.0.0.1:5432/keys"},
        {"jwks_uri": "https://me:secret@id.example/keys"},
        {"jwks_uri": "https://[::1/keys"},
        {"jwks_uri": "https:///keys"},
        {"jwks_uri": "https://id.example:port/keys"},
    ],
    ids=[
        *("another issuer", "no issuer", "no address", "address a number", "address unencrypted", "address a file"),
        *("another port here", "address with a password", "half an address", "no host", "no port"),
    ],
)
async def test_document_that_can_not_be_trusted_gives_no_keys(
    keys: ProviderKeys, provider: IdentityProvider, document: dict[str, Any]
) -> None:
    provider.document = document

    with pytest.raises(KeysAway):
        await keys.find("first", "RSA")


async def answer_large(_: web.Request) -> web.Response:
    return web.json_response({"more": "m" * MAX_BYTES})


async def answer_endlessly(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65536)


async def answer_compressed(_: web.Request) -> web.Response:
    response = web.json_response({"more": "m" * 100})
    response.enable_compression(web.ContentCoding.gzip, strategy=0)
    response.headers["Content-Encoding"] = "gzip"
    return response


async def redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere") if request.path != "/elsewhere" else web.HTTPOk


async def answer_late(_: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.json_response({})


async def answer_slowly(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(100):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response


async def answer_a_list(_: web.Request) -> web.Response:
    return web.json_response([])


async def answer_a_page(_: web.Request) -> web.Response:
    return web.Response(text="<html>")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answer_large, "more than 256 KiB"),
        (answer_endlessly, "more than 256 KiB"),
        (answer_compressed, "did not answer JSON"),
        (redirect, "answered 302"),
        (answer_late, "did not answer within"),
        (answer_slowly, "did not answer within"),
        (answer_a_list, "did not answer an object"),
        (answer_a_page, "did not answer JSON"),
    ],
)
async def test_fetch_json_of_what_is_no_document(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch, answer: Any, why: str
) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT", 0.3)
    provider.instead = answer

    with pytest.raises(FetchError, match=why):
        await fetch_json(provider.issuer)


async def test_fetch_json_without_an_answer() -> None:
    with pytest.raises(FetchError, match="ClientConnectorError"):
        await fetch_json("http://127.0.0.1:1")
