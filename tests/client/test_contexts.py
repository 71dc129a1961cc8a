"""Where contexts are kept: below a home, and never below the directory in which a command happens to run."""

import errno
import os
import pwd
from functools import partial
from pathlib import Path

import pytest

from service.client import contexts
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


@pytest.mark.skipif(os.geteuid() != 0, reason="a file is given to another user")
def test_contexts_of_another_user_say_where_to_keep_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keep_context("c", Context("http://127.0.0.1:1"), "fp_x", in_file=True)
    os.chown(contexts_file(), 65534, 65534)

    with pytest.raises(StartupError, match="is another user's: set HOME or XDG_CONFIG_HOME"):
        load_contexts()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "(Permission denied): set HOME or XDG_CONFIG_HOME to a directory of this user's."),
        (errno.EROFS, "(Read-only file system): set HOME or XDG_CONFIG_HOME to a directory of this user's."),
        (errno.ENOSPC, "(No space left on device)."),
    ],
)
def test_contexts_that_can_not_be_used_say_what_helps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keep = partial(keep_context, "c", Context("http://127.0.0.1:1"), "fp_x", in_file=True)
    keep()
    for where, name, attempt in (
        (contexts, "open_regular", load_contexts),
        (Path, "replace", keep),
        (Path, "mkdir", keep),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(where, name, fail)
            with pytest.raises(StartupError) as caught:
                attempt()
        assert str(caught.value).endswith(said)


def test_file_that_is_a_pipe_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "flow-pipelines").mkdir()
    os.mkfifo(tmp_path / FOLDER, 0o600)

    with pytest.raises(StartupError, match="it is no regular file"):
        load_contexts()
