"""The file of a Unix socket: it replaces what a dead process left, and nothing else."""

import os
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from service.errors import StartupError
from service.http.server.socket_file import SocketFile


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def test_socket_file_has_its_mode_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for mode in (0o600, 0o660, 0o666):
        file = SocketFile(path, mode)
        with file.open(16):
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert connects(path)
            assert list(tmp_path.iterdir()) == [path]
            file.remove()
            assert not list(tmp_path.iterdir())


def test_socket_file_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for left in (path, tmp_path / "s~"):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(left))
    with SocketFile(path, 0o600).open(16):
        assert connects(path)


def test_socket_file_of_a_process_that_serves_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with ExitStack() as stack:
        stack.enter_context(SocketFile(path, 0o600).open(1))
        for _ in range(3):  # also once its queue is full
            with pytest.raises(StartupError, match=r"Another process serves at HTTP_SOCKET '/.*/s'"):
                SocketFile(path, 0o600).open(16)
            queued = stack.enter_context(socket.socket(socket.AF_UNIX))
            queued.setblocking(False)
            with suppress(BlockingIOError):
                queued.connect(str(path))


@pytest.mark.parametrize("kind", ["file", "directory", "link", "fifo", "link to a socket"])
def test_socket_file_replaces_nothing_but_a_socket(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("mine")
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        target = tmp_path / "target"
        if "socket" in kind:
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(target))
        path.symlink_to(target)
    before = os.lstat(path)
    with pytest.raises(StartupError, match="no socket: remove it, or name another path"):
        SocketFile(path, 0o600).open(16)
    assert os.lstat(path).st_ino == before.st_ino


def test_socket_file_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"can't be listened on \(No such file or directory\)"):
        SocketFile(tmp_path / "none" / "s", 0o600).open(16)
    (tmp_path / "s~").write_text("mine")
    with pytest.raises(StartupError, match="can't be listened on"):
        SocketFile(tmp_path / "s", 0o600).open(16)
    assert (tmp_path / "s~").read_text() == "mine"


def test_socket_file_of_another_process_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = SocketFile(path, 0o600)
    with first.open(16):
        path.unlink()
        with SocketFile(path, 0o600).open(16):
            first.remove()
            assert connects(path)
