"""A sign-in that the system's keyring keeps: renewed there, and never in the file."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import time

import pytest

from service.client import secrets
from service.client.address import parse_address
from service.client.contexts import Context, contexts_file, keep_context, load_contexts
from service.client.selection import Server
from service.client.sso import source
from service.client.sso.kept import KeptSignIn, parse_kept
from service.client.sso.source import TokenSource
from service.errors import StartupError

SERVER = "https://pipelines.example"
ENDED = KeptSignIn("https://id.example", "cli", "access-0", 0.0, "refresh-0")


@dataclass
class Keyring:
    """A system's keyring, which may take no secret any more."""

    kept: dict[tuple[str, str], str] = field(default_factory=dict)
    locked: bool = False

    def set_password(self, service: str, name: str, secret: str) -> None:
        if self.locked:
            raise RuntimeError("nobody unlocks it")
        self.kept[service, name] = secret

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.fixture(name="keyring")
def _keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Keyring:
    """Keep a sign-in that has ended in a keyring."""
    keyring = Keyring()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(secrets, "_keyring", lambda: keyring)
    assert keep_context("acme", Context(SERVER, "ada"), ENDED.written(), in_file=False)
    return keyring


@pytest.fixture(name="renewed", autouse=True)
def _renewed(monkeypatch: pytest.MonkeyPatch) -> list[KeptSignIn]:
    """Renew sign-ins without a provider; return those that were."""
    renewed: list[KeptSignIn] = []

    async def renew(kept: KeptSignIn, _: str) -> KeptSignIn:
        renewed.append(kept)
        await asyncio.sleep(0)
        number = len(renewed)
        return replace(kept, access=f"access-{number}", refresh=f"refresh-{number}", expires=time() + 60)

    monkeypatch.setattr(source, "renew", renew)
    return renewed


def opened() -> TokenSource:
    token = load_contexts().token_of("acme")
    return TokenSource(Server(parse_address(SERVER, plaintext=False), token, "the current context", "acme"))


async def test_renewed_sign_in_is_kept_by_the_keyring_and_not_in_the_file(
    keyring: Keyring, renewed: list[KeptSignIn]
) -> None:
    before, another = opened(), opened()

    assert await before.current() == await before.current() == "access-1"
    assert await another.current() == "access-1", "what another command has renewed is taken"
    assert await opened().current() == "access-1"
    assert renewed == [ENDED]
    (kept,) = keyring.kept.values()
    found = parse_kept(kept)
    assert found is not None
    assert (found.access, found.refresh) == ("access-1", "refresh-1")
    written = contexts_file().read_text()
    assert [each for each in ("access", "refresh") if each in written] == []


async def test_sign_in_that_the_keyring_does_not_take_is_told(keyring: Keyring) -> None:
    keyring.locked = True

    with pytest.raises(StartupError, match="The keyring does not take the renewed token: log in anew"):
        await opened().current()
    assert "access" not in contexts_file().read_text()


async def test_sign_in_that_is_gone_from_the_keyring_is_renewed_by_what_is_known(
    keyring: Keyring, renewed: list[KeptSignIn]
) -> None:
    before = opened()
    keyring.kept.clear()

    assert await before.current() == "access-1"
    assert renewed == [ENDED]
