"""Controls: each invariant is broken on purpose, in the service or by what stands for it, and must be seen to be."""

import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis.database import InMemoryExampleDatabase

from service import errors
from service.schemas import jobs, pipelines
from service.settings import Settings, read_settings
from service.transfer import exporting, importing
from service.transfer.importing import ImportRefused
from tests.fuzz import __main__ as fuzzing
from tests.fuzz import addresses, command_line, invariants, running
from tests.fuzz.running import open_all, run_cases
from tests.fuzz.stage import Answer, Stage

Break = Callable[[pytest.MonkeyPatch, Stage], None]


@pytest.fixture(scope="module")
def stage(server_dsn: str) -> Iterator[Stage]:
    with open_all(server_dsn) as opened:
        yield opened


def _changed(patch: pytest.MonkeyPatch, module: Any, name: str, change: Callable[[Any], Any]) -> None:
    """Have a function answer something else."""
    usual = getattr(module, name)
    patch.setattr(module, name, lambda *arguments: change(usual(*arguments)))


def _fail(_: object) -> None:
    raise KeyError("a fault")


def fail_to_answer(patch: pytest.MonkeyPatch, _: Stage) -> None:
    _changed(patch, jobs, "_dump_job", _fail)


def tell_internals(patch: pytest.MonkeyPatch, _: Stage) -> None:
    _changed(patch, errors, "_shown", lambda name: f"{name}: SELECT id FROM users")


def tell_controls(patch: pytest.MonkeyPatch, _: Stage) -> None:
    _changed(patch, errors, "_shown", lambda name: f"\x1b{name}")


def change_though_refused(patch: pytest.MonkeyPatch, stage: Stage) -> None:
    send = stage.send

    async def sent(request: bytes, *, to: str = "") -> Answer:
        answer = await send(request, to=to)
        if answer.status >= 400:
            await stage.raw.execute("UPDATE pipelines SET description = description || 'x'")
        return answer

    patch.setattr(stage, "send", sent)


def read_otherwise(patch: pytest.MonkeyPatch, _: Stage) -> None:
    _changed(patch, pipelines, "_dump_item", lambda item: {**item, "name": f"{item['name']}."})


def leave_out_of_lists(patch: pytest.MonkeyPatch, _: Stage) -> None:
    _changed(patch, pipelines, "dump_page", lambda page: {**page, "pipelines": []} if "pipelines" in page else page)


def export_otherwise(patch: pytest.MonkeyPatch, _: Stage) -> None:
    def change(record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "name": f"{record['name']}."} if record["type"] == "pipeline" else record

    _changed(patch, exporting, "_record", change)


def refuse_without_a_line(patch: pytest.MonkeyPatch, _: Stage) -> None:
    def refuse(_: object) -> None:
        raise ImportRefused("Something is wrong.")

    _changed(patch, importing, "parse_line", refuse)


def fail_updates(patch: pytest.MonkeyPatch, stage: Stage) -> None:
    send = stage.send

    async def sent(request: bytes, *, to: str = "") -> Answer:
        answer = await send(request, to=to)
        return Answer(503, answer.headers, answer.body) if b"the-bystanders" in request else answer

    patch.setattr(stage, "send", sent)


def keep_from(method: bytes, body: bytes = b"") -> Break:
    """Return a break by which requests of a method are refused."""

    def keep(patch: pytest.MonkeyPatch, stage: Stage) -> None:
        send = stage.send

        async def sent(request: bytes, *, to: str = "") -> Answer:
            answer = await send(request, to=to)
            kept = request.startswith(method + b" ") and body in request and answer.status == 200
            return (
                Answer(409, answer.headers, b'{"status": "ERROR", "msg": "No.", "code": "ABORTED"}') if kept else answer
            )

        patch.setattr(stage, "send", sent)

    return keep


def end_otherwise(patch: pytest.MonkeyPatch, _: Stage) -> None:
    patch.setattr(command_line, "run", lambda *_, **__: (70, "", "A fault."))


def print_controls(patch: pytest.MonkeyPatch, _: Stage) -> None:
    patch.setattr(command_line, "run", lambda *_, **__: (1, "", "\x1b[2J"))


@pytest.mark.parametrize(
    ("way", "broken", "invariant"),
    [
        ("lives", fail_to_answer, invariants.NO_FAULT),
        ("api", tell_internals, invariants.NO_INTERNALS),
        ("api", tell_controls, invariants.SHAPE),
        ("api", change_though_refused, invariants.UNCHANGED),
        ("lives", read_otherwise, invariants.READ_BACK),
        ("lives", leave_out_of_lists, invariants.LISTED),
        ("lives", export_otherwise, invariants.CARRIED),
        ("import", export_otherwise, invariants.CARRIED),
        ("import", refuse_without_a_line, invariants.SENTENCE),
        ("lives", keep_from(b"PATCH", b"a usual one"), invariants.CHANGED),
        ("lives", keep_from(b"DELETE"), invariants.DELETED),
        ("api", fail_updates, invariants.BYSTANDER),
        ("command", end_otherwise, invariants.ENDING),
        ("command", print_controls, invariants.SENTENCE),
    ],
)
def test_invariant_that_is_broken_is_seen(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, way: str, broken: Break, invariant: str
) -> None:
    broken(monkeypatch, stage)

    note = f"This does not hold: {invariant} ({way})."

    with pytest.raises(Exception, check=lambda error: note in error.__notes__):  # noqa: B017 - by its notes
        run_cases(stage, way, 100, shrink=False)


def test_case_that_failed_is_tried_first_the_next_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def read() -> Settings:
        tried.append(os.environ.get("HTTP_PORT", ""))
        assert tried[-1] in ("", "8080")
        return read_settings()

    monkeypatch.setattr(addresses, "read_settings", read)
    monkeypatch.setitem(running.KEPT, "settings", InMemoryExampleDatabase())
    with pytest.raises(AssertionError):
        run_cases(stage, "settings", 1000, 1)
    smallest = tried[-1]
    tried.clear()

    with pytest.raises(AssertionError):
        run_cases(stage, "settings", 1000, 2, shrink=False)

    assert tried[0] == smallest


def test_way_that_failed_is_left_alone_while_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds: list[str] = []

    def run(_: Stage, way: str, *_arguments: object) -> None:
        rounds.append(way)
        if way == "import":
            raise AssertionError
        if len(rounds) == 6:
            raise fuzzing.TimeOver

    monkeypatch.setattr(fuzzing, "run_cases", run)

    failed = fuzzing._run(cast("Stage", None), fuzzing.Clock(1), ["api", "import", "settings"], None, None)

    assert rounds == ["api", "import", "settings", "api", "settings", "api"]
    assert [each.partition(" --seed")[0] for each in failed] == ["make fuzz FUZZ='--way import"]
    assert "FAILED: import" in capsys.readouterr().out


def test_refusal_that_asks_what_was_meant_is_a_sentence(stage: Stage) -> None:
    stage.run(addresses.settings(stage, {"DATABASE_URL": "postgresql://db/?0user=require"}))
