"""Where contexts are kept: below a home, and never below the directory in which a command happens to run."""

import os
import pwd
from pathlib import Path

import pytest

from service.client.contexts import Context, contexts_file, keep_context, load_contexts
from service.errors import StartupError

FOLDER = "flow-pipelines/contexts.json"
OWN = Path(pwd.getpwuid(os.geteuid()).pw_dir, ".config")


@pytest.mark.parametrize(
    ("configured", "home", "folder"),
    [
        ("/conf", "/home/mary", Path("/conf")),
        ("", "/home/mary", Path("/home/mary/.config")),
        ("conf", "/home/mary", Path("/home/mary/.config")),
        ("", "mary", OWN),
        ("", "", OWN),
        (None, None, OWN),
    ],
)
def test_contexts_are_kept_below_a_whole_path(
    monkeypatch: pytest.MonkeyPatch, configured: str | None, home: str | None, folder: Path
) -> None:
    for name, value in {"XDG_CONFIG_HOME": configured, "HOME": home}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)

    assert contexts_file() == folder / FOLDER


@pytest.mark.parametrize("home", [None, "", "mary"])
def test_user_that_the_system_does_not_know_has_no_contexts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 987_654_321)
    if home is not None:
        monkeypatch.setenv("HOME", home)

    assert load_contexts().by_name == {}
    with pytest.raises(StartupError, match="set HOME or XDG_CONFIG_HOME to a whole path"):
        keep_context("c", Context("http://127.0.0.1:1"), "fp_x", in_file=True)
    assert list(tmp_path.iterdir()) == []
