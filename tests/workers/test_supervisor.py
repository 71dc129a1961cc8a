"""The watch over workers where processes behave as real ones hardly do."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.errors import StartupError
from service.settings import Settings
from service.telemetry.metrics import gauge
from service.workers import supervisor as module
from service.workers.member import Member
from service.workers.metrics import snapshot_of
from service.workers.supervisor import Supervisor


class Fake:
    """A member without a process."""

    def __init__(self, number: int, ready: int = 1) -> None:
        loop = asyncio.get_running_loop()
        self.number, self.hung, self.process = number, False, SimpleNamespace(pid=7)
        self.snapshot = snapshot_of([gauge("flow_pipelines_ready", "Ready.", ready)])
        self.ended: asyncio.Future[int] = loop.create_future()
        self.serving: asyncio.Future[None] = loop.create_future()
        self.begun = self.heard = monotonic()
        self.told: list[str] = []

    @property
    def accepts(self) -> bool:
        return not self.ended.done()

    def end(self, name: str) -> None:
        self.told.append(name)
        self.kill()

    def kill(self) -> None:
        if not self.ended.done():
            self.ended.set_result(-9)

    async def ask(self, *_: object) -> list[str]:
        return []


@pytest.fixture(name="supervisor")
def _supervisor(settings: Settings) -> Supervisor:
    return Supervisor(settings, "postgresql://", 1, [])


def starting(monkeypatch: pytest.MonkeyPatch, *outcomes: Fake | OSError) -> None:
    """Have processes start as named, one after the other."""
    left: Iterable[Any] = iter(outcomes)

    async def start(*_: object) -> Any:
        outcome = next(left)  # type: ignore[call-overload] # an iterator
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    monkeypatch.setattr(Member, "start", start)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


def of_workers(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the events of the supervisor's own lines: services of other tests run on in this process."""
    return [line["event"] for line in lines if line["event"].startswith(("worker_", "reload"))]


async def test_worker_is_replaced_once_the_system_has_room_for_a_process(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: Any = Fake(1)
    second: Any = Fake(1)
    starting(monkeypatch, first, OSError("no room"), OSError("no room"), second)
    supervisor.present[1] = await supervisor._start(1)
    keeping = asyncio.create_task(supervisor._keep(1))
    with capture_logs() as lines:
        first.kill()
        while supervisor.present[1] is first:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.001)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping

    assert supervisor.present == {1: second}
    assert of_workers(lines) == ["worker_ended", "worker_not_started", "worker_not_started"]
    assert supervisor.metrics.replaced["killed"] == 1


async def test_service_is_ready_while_a_worker_that_is_replaced_is_not(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting(monkeypatch, Fake(1, ready=0), Fake(1))
    await supervisor._start(1)
    supervisor.present[1] = await supervisor._start(1)

    (ready,) = (await supervisor.totals()).collect()

    assert ready.samples[0].value == 1


async def test_reload_that_has_no_room_keeps_the_workers(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: Any = Fake(1)
    starting(monkeypatch, first, OSError("no room"))
    supervisor.present[1] = await supervisor._start(1)
    with capture_logs() as lines:
        await supervisor.replace_all()

    assert supervisor.present == {1: first}
    assert (first.told, of_workers(lines)) == ([], ["reloading", "reload_failed"])


async def test_reload_by_a_worker_that_ends_keeps_the_workers(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: Any = Fake(1)
    second: Any = Fake(1)
    second.serving.set_exception(StartupError("It has no port."))
    starting(monkeypatch, first, second)
    supervisor.present[1] = await supervisor._start(1)
    with capture_logs() as lines:
        await supervisor.replace_all()

    assert supervisor.present == {1: first}
    assert (first.told, second.ended.result()) == ([], -9)
    assert {"event": "reload_failed", "worker": 1, "reason": "It has no port.", "log_level": "warning"} in lines


async def test_process_that_was_held_up_itself_kills_no_worker(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    member: Any = Fake(1)
    starting(monkeypatch, member)
    supervisor.present[1] = await supervisor._start(1)
    moments = iter([0.0, 100.0, 100.5, 101.0])
    member.heard = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: next(moments, 101.5))
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.5)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", pause)
    with suppress(asyncio.CancelledError):
        await supervisor._watch()

    assert not member.hung


async def test_hung_worker_is_killed_by_a_parent_that_comes_late_each_time(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    member: Any = Fake(1)
    starting(monkeypatch, member)
    supervisor.present[1] = await supervisor._start(1)
    moments = iter([1.5 * tick for tick in range(100)])
    member.heard = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: next(moments))
    left = iter(range(10))

    async def pause(_: float) -> None:
        if next(left, None) is None:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", pause)
    with suppress(asyncio.CancelledError):
        await supervisor._watch()

    assert member.hung
    assert member.ended.done()
