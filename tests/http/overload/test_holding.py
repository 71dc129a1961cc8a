"""Requests that are held: whose turn it is, the newest first, and what becomes of the rest; and the window."""

import asyncio
from collections import Counter
from collections.abc import Hashable

import pytest

from service.database.fair_queue import Presence
from service.http.overload import holding as module
from service.http.overload import window as window_module
from service.http.overload.holding import FEW, Holding
from service.http.overload.watch import Watch
from service.http.overload.window import RESERVED, Window
from service.telemetry.request_record import Asking


class Connection:
    """A connection whose request is held."""

    def __init__(self, name: str, ended: list[str], *, new: bool = False) -> None:
        self.name = name
        self.left = False
        self._ended = ended
        self._new = new

    def begin_held(self) -> None:
        self._ended.append(f"{self.name} begun")

    def refuse_held(self) -> float:
        self._ended.append(f"{self.name} refused")
        return 0.0

    def reset_held(self) -> bool:
        if self._new:
            self._ended.append(f"{self.name} reset")
        return self._new


class Held:
    """A holding of requests by name, and what became of them, in order."""

    def __init__(self, presence: Presence, timeout: float = 3600) -> None:
        self.ended: list[str] = []
        self.under_way = self.limit = 1000
        self.window = Window(self.limit + 1)
        self.window.size = self.limit
        self.of_organizations = Counter[Hashable]()
        """Requests under way by organization; many, unless a test says otherwise."""
        self.holding = Holding(
            presence, timeout, lambda: self.under_way, self.window, lambda who: self.of_organizations.get(who, FEW)
        )

    def hold(self, name: str, token: str, *, new: bool = False) -> Connection:
        connection = Connection(name, self.ended, new=new)
        assert self.holding.hold(connection, request_of(token))
        return connection

    def look(self, room: int = 0) -> None:
        self.under_way = self.limit - room
        self.holding.look()

    def outcomes(self) -> dict[str, int]:
        (family,) = (family for family in self.holding.collect() if family.name == "flow_pipelines_held")
        return {sample.labels["outcome"]: int(sample.value) for sample in family.samples if sample.value}


def request_of(token: str) -> bytes:
    return f"GET / HTTP/1.1\r\nAUTHORIZATION: {token}\r\n\r\n".encode()


@pytest.fixture
def overloaded(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Return a holding that has held a request for too long, and refuses none as yet."""
    monkeypatch.setattr(module, "MAX_REFUSING_SECONDS", 0)
    monkeypatch.setattr(module, "HELD_PART", 0)
    monkeypatch.setattr(module, "FRESH_SECONDS", 0)
    held = Held(presence_of(bob="beta"))
    held.hold("late", "bob")
    held.look()
    assert held.holding.overloaded
    return held


def presence_of(**organizations: str) -> Presence:
    """Return who is there, tokens by organization."""
    presence = Presence()
    for token, organization in organizations.items():
        presence.learn(token, Asking(organization, token))
    return presence


@pytest.mark.parametrize(
    ("overload", "begun"),
    [(False, ["mo0", "bob0", "mia0", "mo1"]), (True, ["mo2", "bob0", "mia0", "mo1"])],
    ids=["usual", "overload"],
)
def test_tokens_and_organizations_have_turns_and_the_newest_of_each_comes_first_in_an_overload(
    *, overload: bool, begun: list[str]
) -> None:
    held = Held(presence_of(mo="alpha", mia="alpha", bob="beta"))
    held.holding.overloaded = overload
    for number in range(3):
        held.hold(f"mo{number}", "mo")
    for name in ("mia", "bob"):
        held.hold(f"{name}0", name)

    held.look(room=4)

    assert held.ended == [f"{name} begun" for name in begun]
    assert (held.holding.held, held.outcomes()) == (1, {"begun": 4})


def test_tokens_that_are_made_up_have_one_turn_in_all() -> None:
    held = Held(presence_of(bob="beta"))
    for number in range(5):
        held.hold(f"made up {number}", f"fp_{number}")
    held.hold("bob0", "bob")

    held.look(room=2)

    assert held.ended == ["made up 0 begun", "bob0 begun"]


def test_requests_held_for_too_long_are_refused_and_those_left_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_PART", 0)
    monkeypatch.setattr(module, "FRESH_SECONDS", 0)
    monkeypatch.setattr(module, "REFUSING_PART", 1)
    held = Held(presence_of(bob="beta"))
    held.hold("first", "bob")
    held.hold("left", "bob").left = True
    held.hold("last", "bob")

    held.look()
    held.look()

    assert held.ended == ["first refused", "last refused"]
    assert (held.holding.held, held.outcomes()) == (0, {"refused": 2, "left": 1})
    assert not held.holding.overloaded


def test_requests_beyond_all_that_may_be_under_way_are_refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 0)
    held = Held(presence_of(bob="beta"))
    held.hold("first", "bob")
    held.look()
    assert held.ended == []

    held.window.size += 1
    held.look(room=-1)

    assert held.ended == ["first refused"]


def test_requests_are_refused_in_a_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_PART", 0)
    monkeypatch.setattr(module, "FRESH_SECONDS", 0)
    monkeypatch.setattr(module, "REFUSING_PART", 1e-9)
    held = Held(presence_of(bob="beta"))
    for name in ("first", "last"):
        held.hold(name, "bob")

    for _ in range(10):
        held.look()

    assert (held.ended, held.holding.held) == (["first refused"], 1)


def test_overdue_requests_are_refused_at_any_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 0)
    monkeypatch.setattr(module, "REFUSING_PART", 1e-9)
    held = Held(presence_of(bob="beta"), timeout=0)
    for name in ("first", "last"):
        held.hold(name, "bob")

    held.look()

    assert held.ended == ["first refused", "last refused"]


def test_late_request_is_begun_only_if_there_is_little_else_to_do(overloaded: Held) -> None:
    overloaded.look(room=overloaded.limit - module.BUSY)
    assert overloaded.ended == []
    overloaded.look(room=overloaded.limit - module.BUSY + 1)
    assert overloaded.ended == ["late begun"]


def test_new_connections_of_a_token_with_much_waiting_are_reset(
    monkeypatch: pytest.MonkeyPatch, overloaded: Held
) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 60)
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    assert not overloaded.holding.resets(request_of("bob"))
    overloaded.hold("one", "bob")

    assert overloaded.holding.resets(request_of("bob"))
    assert not overloaded.holding.resets(request_of("mo"))
    assert overloaded.outcomes() == {"reset": 1}

    overloaded.holding.overloaded = False
    assert not overloaded.holding.resets(request_of("bob"))


def test_new_connections_that_could_only_be_refused_are_reset_beyond_a_number(
    monkeypatch: pytest.MonkeyPatch, overloaded: Held
) -> None:
    monkeypatch.setattr(module, "MAX_LATE", 1)
    overloaded.hold("new", "bob", new=True)
    overloaded.hold("kept", "bob")

    overloaded.look()

    assert overloaded.ended == ["new reset"]
    assert (overloaded.holding.held, overloaded.outcomes()) == (2, {"reset": 1})


def test_requests_that_were_left_take_no_room() -> None:
    held = Held(presence_of(bob="beta"))
    held.hold("left", "bob").left = True
    held.hold("last", "bob")

    held.look(room=1)

    assert held.ended == ["last begun"]


def test_bytes_that_are_held_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 100)
    held = Held(presence_of())
    assert held.holding.hold(Connection("small", held.ended), bytes(60))
    assert not held.holding.hold(Connection("large", held.ended), bytes(60))

    held.look(room=1)

    assert held.holding.hold(Connection("large", held.ended), bytes(60))


@pytest.mark.parametrize("late", [0, Window.LATE * 2], ids=["used", "late"])
def test_window_grows_while_the_process_has_too_little_to_do(monkeypatch: pytest.MonkeyPatch, late: float) -> None:
    now, used, rate = [0.0], [0.0], [0.0]

    def look(times: int, late: float, under_way: int) -> None:
        for _ in range(times):
            now[0] += 1
            used[0] += rate[0]
            window.adapt(late, under_way)

    monkeypatch.setattr(window_module, "perf_counter", lambda: now[0])
    monkeypatch.setattr(window_module, "thread_time", lambda: used[0])
    window = Window(200)
    window.reset()
    look(100, 0, 200)
    assert window.size == 200

    rate[0] = 0 if late else 1
    look(100, late, 200)
    assert window.size == Window.MIN
    assert Window(10).size == Window(10).min == 10


async def test_watch_looks_for_as_long_as_there_is_something_to_look_at() -> None:
    held, active, looks = Held(presence_of()), [Window.MIN], [0]
    watch = Watch(held.holding, Window(1000), lambda: active[0])

    def look() -> bool:
        looks[0] += 1
        return False

    watch.others.append(look)
    assert watch.holds_next()
    held.hold("one", "bob")
    active[0] = 0
    assert watch.holds_next()  # what comes next is held behind what is held
    held.under_way = 0
    while held.holding.held:  # noqa: ASYNC110 - it is no event
        await asyncio.sleep(0.001)
    assert held.ended == ["one begun"]

    await asyncio.sleep(0.02)
    before = looks[0]
    await asyncio.sleep(0.02)
    assert (looks[0], watch.limit) == (before, Window.MIN)


async def test_watch_goes_on_after_a_failure() -> None:
    held, active = Held(presence_of()), [Window.MIN]
    watch = Watch(held.holding, Window(1000), lambda: active[0])

    def fail() -> None:
        raise OSError

    assert watch.holds_next()
    setattr(held.hold("first", "bob"), "begin_held", fail)  # noqa: B010 - a method of one
    held.hold("last", "bob")
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    held.under_way = active[0] = 0
    while held.holding.held:  # noqa: ASYNC110 - it is no event
        await asyncio.sleep(0.001)
    asyncio.get_running_loop().set_exception_handler(None)

    assert held.ended == ["last begun"]


def test_organization_with_few_under_way_does_not_wait_for_the_window() -> None:
    held = Held(presence_of(bob="beta", mia="gamma"))
    held.of_organizations["gamma"] = FEW - 1
    for name in ("bob", "mia", "who"):
        held.hold(name, name)

    held.look()

    assert held.ended == ["mia begun"]


def test_places_for_organizations_with_few_under_way_are_few() -> None:
    held = Held(presence_of(mia="gamma"))
    held.of_organizations["gamma"] = 0
    held.hold("mia", "mia")

    held.look(room=-1)

    assert held.ended == []


def test_organization_with_few_under_way_has_several_begun_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(presence_of(mia="gamma"))
    monkeypatch.setattr(held.window, "_max", held.limit + RESERVED)
    held.of_organizations["gamma"] = 1
    for number in range(FEW):
        held.hold(f"mia{number}", "mia")

    held.look()

    assert held.ended == [f"mia{number} begun" for number in range(FEW - 1)]


def test_organization_with_few_under_way_waits_for_longer_before_it_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 0)
    monkeypatch.setattr(module, "REFUSING_PART", 1)
    held = Held(presence_of(bob="beta", mia="gamma"))
    held.of_organizations["gamma"] = 0
    held.holding.overloaded = True
    for name in ("mia", "bob"):
        held.hold(name, name)

    held.look(room=-100)
    held.look(room=-100)
    spared = [*held.ended]
    monkeypatch.setattr(held.holding, "_seconds", 0)
    held.look(room=-100)
    held.look(room=-100)

    assert (spared, held.ended) == (["bob refused"], ["bob refused", "mia refused"])
