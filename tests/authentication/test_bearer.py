"""Batched authentication: never by a statement older than the request, and failures stay within their batch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

import pytest

from service.authentication.bearer import RECENT_SECONDS, Authentication, RecentCallers, token_digest
from service.database.pool import Connection, Database
from service.errors import Unauthenticated, Unavailable
from service.identity import Caller
from service.repositories import tokens
from tests.factories import World

Find = Callable[[Connection, Sequence[bytes]], Awaitable[list[Caller]]]


class Held:
    """The real statement, which waits until the test releases it, and records the digests of each execution."""

    def __init__(self) -> None:
        self.asked: list[set[bytes]] = []
        self.ran = asyncio.Event()
        self.go = asyncio.Semaphore(0)
        self._find: Find = tokens.find_active

    async def __call__(self, connection: Connection, digests: Sequence[bytes]) -> list[Caller]:
        self.asked.append(set(digests))
        found = await self._find(connection, digests)
        self.ran.set()
        await self.go.acquire()
        return found


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    statement = Held()
    monkeypatch.setattr(tokens, "find_active", statement)
    return statement


@pytest.fixture
def authentication(database: Database) -> Authentication:
    return Authentication(database, 5)


def ask(authentication: Authentication, token: str) -> "asyncio.Task[Any]":
    return asyncio.create_task(authentication.authenticate(f"Bearer {token}"))


async def settled(held: Held) -> None:
    """Wait until the statement has run, and waits for its release."""
    await held.ran.wait()


async def test_authenticate_batches_concurrent_calls_into_one_statement(
    authentication: Authentication, held: Held, world: World
) -> None:
    ada, bob = await world.user("ada"), await world.user("bob")
    held.go.release()

    answers = await asyncio.gather(*(ask(authentication, token) for token in (ada.token, bob.token, ada.token)))

    assert [known.username for known in answers] == ["ada", "bob", "ada"]
    assert held.asked == [{token_digest(ada.token), token_digest(bob.token)}]


async def test_authenticate_never_joins_a_statement_under_way(
    authentication: Authentication, held: Held, world: World
) -> None:
    ada = await world.user()
    first = ask(authentication, ada.token)
    await settled(held)
    await world.raw.execute("UPDATE tokens SET revoked_at = now() WHERE user_id = $1", ada.id)
    second = ask(authentication, ada.token)
    third = ask(authentication, ada.token)
    await asyncio.sleep(0.05)
    assert len(held.asked) == 1, "at most one is under way"
    held.go.release()
    held.go.release()

    assert (await first).username == ada.username, "it asked before the token was revoked"
    for late in (second, third):
        with pytest.raises(Unauthenticated):
            await late
    assert len(held.asked) == 2


async def test_authenticate_failure_reaches_only_its_batch(
    authentication: Authentication, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await world.user()

    async def fail(*_: object) -> list[Caller]:
        raise Unavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(tokens, "find_active", fail)
        for refused in [ask(authentication, ada.token), ask(authentication, "fp_other")]:
            with pytest.raises(Unavailable):
                await refused

    assert (await ask(authentication, ada.token)).username == ada.username


async def test_authenticate_unforeseen_error_is_raised_and_the_next_call_works(
    authentication: Authentication, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await world.user()

    async def fail(*_: object) -> list[Caller]:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(tokens, "find_active", fail)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(ask(authentication, ada.token), 5)

    assert (await asyncio.wait_for(ask(authentication, ada.token), 5)).username == ada.username


async def test_authenticate_has_a_deadline(database: Database, held: Held, world: World) -> None:
    ada = await world.user()
    authentication = Authentication(database, 0.1)

    with pytest.raises(Unavailable, match="did not say in time who is calling"):
        await ask(authentication, ada.token)

    held.go.release()
    assert (await ask(authentication, ada.token)).username == ada.username


async def test_authenticate_cancelled_call_leaves_the_rest_of_its_batch(
    authentication: Authentication, held: Held, world: World
) -> None:
    ada = await world.user()
    leaving, staying = ask(authentication, ada.token), ask(authentication, ada.token)
    await settled(held)
    leaving.cancel()
    held.go.release()

    assert (await staying).username == ada.username
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_authenticate_works_after_a_whole_batch_was_cancelled(
    authentication: Authentication, held: Held, world: World
) -> None:
    ada = await world.user()
    leaving = ask(authentication, ada.token)
    await settled(held)
    leaving.cancel()
    held.go.release()
    held.go.release()

    assert (await ask(authentication, ada.token)).username == ada.username


async def test_recent_callers_are_bounded_in_number_and_age(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.authentication.bearer.MAX_RECENT", 2)
    authentication, recent = Authentication(database, 5), RecentCallers()
    bearers = [f"Bearer {(await world.user()).token}" for _ in range(3)]
    for bearer in bearers:
        recent.note(await authentication.authenticate(bearer))

    found = [recent.find(bearer) for bearer in bearers]
    assert [known is None for known in found] == [True, False, False]

    monkeypatch.setattr("service.authentication.bearer.monotonic", lambda: monotonic() + RECENT_SECONDS)
    assert recent.find(bearers[2]) is None
