"""The command `make faults`: it fails unless each fault was made, kept its guarantee, and its control was detected."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.faults import __main__ as command
from tests.faults.harness.fault import Fault, Outcome
from tests.faults.registry import FAULTS


def outcome(*violations: str, times: int = 1) -> Outcome:
    return Outcome(times, violations, "")


KEPT: Final = outcome()
DETECTED: Final = outcome("lost: a write")


def fault(protected: Outcome = KEPT, control: Outcome = DETECTED, *, missing: str = "", name: str = "one") -> Fault:
    def made(given: Outcome, _: Path, __: int) -> Outcome:
        return given

    return Fault(
        name=name,
        description="",
        guarantee="",
        run=lambda *of: made(protected, *of),
        times=1,
        without="it",
        control=lambda *of: made(control, *of),
        control_times=1,
        shows="lost",
        why_unavailable=lambda: missing,
    )


def ends(monkeypatch: pytest.MonkeyPatch, faults: Sequence[Fault], *names: str) -> bool:
    """Return whether the command succeeds."""
    monkeypatch.setattr(command, "FAULTS", tuple(faults))
    monkeypatch.setattr(sys, "argv", ["make faults", *names])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return not ended.value.code


@pytest.mark.parametrize(
    ("one", "succeeds"),
    [
        (fault(), True),
        (fault(protected=outcome("lost: a write")), False),
        (fault(protected=outcome(times=0)), False),
        (fault(control=outcome()), False),
        (fault(control=outcome("the service did not start")), False),
    ],
    ids=["kept", "broken", "not made", "control not detected", "control that fails by something else"],
)
def test_command_succeeds_only_with_what_is_kept_and_could_be_seen_broken(
    monkeypatch: pytest.MonkeyPatch, one: Fault, succeeds: bool
) -> None:
    assert ends(monkeypatch, [one]) is succeeds


def test_fault_that_is_named_and_can_not_be_made_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there, missing = fault(), fault(missing="no nginx is here", name="other")

    assert ends(monkeypatch, [there, missing])
    assert not ends(monkeypatch, [there, missing], "other")
    assert not ends(monkeypatch, [missing])
    assert "other: NOT MADE: no nginx is here." in capsys.readouterr().out


def test_every_control_says_what_it_shows() -> None:
    assert [each.name for each in FAULTS if not each.shows] == []
