"""Sign-in by a code: how often it is asked whether it was typed, and what ends that."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from service.client.sso import device
from service.client.sso.device import sign_in_by_device
from service.client.sso.discovery import Endpoints, SignInOffer
from service.client.sso.endpoints import Refused
from service.client.sso.kept import KeptSignIn, granted
from service.errors import StartupError, Unavailable

OFFER = SignInOffer("https://id.example", "Acme", "cli", "openid")
ENDPOINTS = Endpoints("https://id.example/a", "https://id.example/t", "https://id.example/d", None, False)
CODE = {"device_code": "d", "user_code": "ABC", "verification_uri": "https://id.example/v", "interval": 5}


async def waits(monkeypatch: pytest.MonkeyPatch, answers: list[str], **said: Any) -> tuple[list[float], Any]:
    """Sign in at a provider that answers so; return the seconds between the questions, and how it ended."""
    slept, left = list[float](), iter(answers)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def ask(*_: object) -> tuple[int, dict[str, Any]]:
        return 200, {**CODE, **said}

    async def request_tokens(*_: object) -> KeptSignIn:
        answer = next(left)
        if answer == "away":
            raise Unavailable("Acme can't be reached.")
        if answer.isdecimal():
            raise Refused("Acme", {}, int(answer))
        if answer != "granted":
            raise Refused("Acme", {"error": answer}, 400)
        return granted(OFFER, {"access_token": "a.b.c", "token_type": "Bearer"})

    monkeypatch.setattr(device, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(device, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(device, "ask", ask)
    monkeypatch.setattr(device, "request_tokens", request_tokens)
    try:
        return slept, (await sign_in_by_device(OFFER, ENDPOINTS, print)).access
    except (Refused, StartupError, Unavailable) as error:
        return slept, str(error)


async def test_questions_are_as_rare_as_the_provider_says(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["authorization_pending", "slow_down", "authorization_pending", "slow_down", "granted"]

    assert await waits(monkeypatch, answers) == ([5, 5, 10, 10, 15], "a.b.c")


@pytest.fixture(name="pending")
def _pending() -> Iterator[str]:
    return iter(lambda: "authorization_pending", "")


async def test_sign_in_that_is_denied_or_takes_too_long_ends(
    monkeypatch: pytest.MonkeyPatch, pending: Iterator[str]
) -> None:
    assert await waits(monkeypatch, ["access_denied"]) == ([5], "Acme refused: access_denied.")
    assert await waits(monkeypatch, ["expired_token"]) == (
        [5],
        "Nobody signed in before the code expired: begin again.",
    )
    slept, why = await waits(monkeypatch, pending, expires_in=60)  # type: ignore[arg-type] # without an end
    assert (sum(slept), why) == (65, "Nobody signed in before the code expired: begin again.")


async def test_provider_that_is_away_for_a_while_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["authorization_pending", "away", "503", "429", "authorization_pending", "granted"]
    assert await waits(monkeypatch, answers) == ([5, 5, 10, 15, 20, 20], "a.b.c")

    for answer, told in (("away", "Acme can't be reached."), ("502", "Acme refused: 502.")):
        slept, why = await waits(monkeypatch, [answer] * 100, expires_in=60)
        assert (sum(slept) > 60, why) == (True, told)


@pytest.mark.parametrize("kind", ["DPoP", "mac", None])
def test_token_of_another_kind_is_not_used(kind: str | None) -> None:
    with pytest.raises(StartupError, match="no token that can be used"):
        granted(OFFER, {"access_token": "a.b.c", "token_type": kind})
