"""Turns of the event loop for requests that have been read."""

import asyncio

from service.database.fair_queue import Presence
from service.http.turns import AT_ONCE, BEGUN_PER_TURN, Turns
from service.telemetry.request_record import Asking

MO, MIA, BOB = Asking("alpha", "mo"), Asking("alpha", "mia"), Asking("beta", "bob")
MANY = AT_ONCE + 3 * BEGUN_PER_TURN


def turns_of(*callers: Asking) -> Turns:
    """Return turns that know callers, each by its token's name, who are there."""
    presence = Presence()
    turns = Turns(presence)
    for caller in callers:
        presence.note(caller)
        presence.learn(str(caller.token), caller)
    return turns


def read(turns: Turns, credentials: str, count: int = 1) -> "list[asyncio.Future[None]]":
    """Read requests with these credentials, and return what waits for them."""
    handlers = [asyncio.get_running_loop().create_future() for _ in range(count)]
    for handler in handlers:
        turns.begin(handler, credentials)
    return handlers


def begun(handlers: "list[asyncio.Future[None]]") -> int:
    return sum(handler.done() for handler in handlers)


async def test_requests_of_one_organization_alone_are_begun_at_once() -> None:
    assert begun(read(turns_of(MO, MIA), "mo", MANY)) == MANY


async def test_few_requests_of_an_organization_are_begun_in_each_turn_while_others_are_there() -> None:
    turns = turns_of(MO, BOB, MIA)

    floods = read(turns, "mo", MANY) + read(turns, "mia", MANY)  # two tokens of one
    assert begun(floods) == AT_ONCE
    for _ in range(2):
        before = begun(floods)
        assert begun(read(turns, "bob")) == 1
        await asyncio.sleep(0)
        assert begun(floods) == before + BEGUN_PER_TURN

    for _ in range(2 * MANY // BEGUN_PER_TURN):
        await asyncio.sleep(0)
    assert begun(floods) == 2 * MANY


async def test_unknown_credentials_count_apart() -> None:
    turns = turns_of(MO, BOB)

    assert begun(read(turns, "somebody", MANY)) == AT_ONCE
    assert begun(read(turns, "somebody else", MANY)) == AT_ONCE


async def test_organizations_that_wait_take_turns() -> None:
    turns = turns_of(MO, BOB)
    flood, other = read(turns, "mo", 10 * MANY), read(turns, "bob", MANY)

    for _ in range(2 * MANY // BEGUN_PER_TURN):
        await asyncio.sleep(0)

    assert begun(other) == MANY
    assert begun(flood) <= AT_ONCE + 2 * MANY


async def test_ended_connection_takes_no_turn() -> None:
    turns = turns_of(MO, BOB)
    flood = read(turns, "mo", AT_ONCE + 2)
    flood[-2].cancel()

    await asyncio.sleep(0)

    assert flood[-1].done()
