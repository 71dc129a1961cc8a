"""The files that commands write to: what is open is written to; only a regular file is replaced, by a whole one."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from service.commands.output import OutputFailed, ReaderGone
from service.commands.target import TargetUnusable, open_target
from service.errors import StartupError
from tests.commands.forked import run
from tests.commands.test_output import into, make_device
from tests.factories import World
from tests.process.running import ROOT, environment, wait_for

NOBODY = 65534


def write(target: Path | str, content: bytes = b"new\n") -> None:
    with open_target(str(target)) as file:
        file.write(content)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_target_that_is_new_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    write(tmp_path / "f")

    assert (tmp_path / "f").read_bytes() == b"new\n"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
    assert names(tmp_path) == ["f"]


def test_target_that_is_replaced_keeps_owner_and_mode(tmp_path: Path) -> None:
    file = tmp_path / ("ä" * 127)  # as long as names can be
    file.write_bytes(b"old")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, NOBODY, NOBODY)
    before = file.stat()

    write(file)

    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert (after.st_ino != before.st_ino, file.read_bytes()) == (True, b"new\n")


def test_target_stays_as_it_was_until_all_is_written(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"old")

    def fail() -> None:
        with open_target(str(file)) as output:
            output.write(b"half")
            output.flush()
            assert file.read_bytes() == b"old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert (file.read_bytes(), names(tmp_path)) == (b"old", ["f"])


@pytest.mark.parametrize("chain", [["link"], ["link", "second"]])
def test_target_behind_symbolic_links_is_replaced_and_they_stay(tmp_path: Path, chain: list[str]) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "f").write_bytes(b"old")
    leads_to = "elsewhere/f"
    for name in chain:
        (tmp_path / name).symlink_to(leads_to)
        leads_to = name

    write(tmp_path / chain[-1])

    assert (folder / "f").read_bytes() == b"new\n"
    assert ((tmp_path / chain[-1]).is_symlink(), names(folder)) == (True, ["f"])


def test_target_behind_a_symbolic_link_to_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("f")
    write(tmp_path / "link")

    assert ((tmp_path / "link").is_symlink(), (tmp_path / "f").read_bytes()) == (True, b"new\n")


@pytest.mark.parametrize("named", ["/proc/self/fd/{}", "/dev/fd/{}", "link"])
def test_target_that_is_open_is_written_to_where_it_stands(tmp_path: Path, named: str) -> None:
    """Neither cut off, nor opened anew: that would take a permission, and begin at the start."""
    file = tmp_path / "f"
    with file.open("wb", buffering=0) as opened:
        opened.write(b"before\n")
        (tmp_path / "link").symlink_to(f"/dev/fd/{opened.fileno()}")
        name = str(tmp_path / "link") if named == "link" else named.format(opened.fileno())
        write(name)
        write(name)
        opened.write(b"after\n")

    assert file.read_bytes() == b"before\nnew\nnew\nafter\n"
    assert names(tmp_path) == ["f", "link"]


def test_target_that_is_open_and_was_deleted(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w+b", buffering=0) as opened:
        (tmp_path / "f").unlink()
        write(f"/proc/self/fd/{opened.fileno()}")
        opened.seek(0)
        assert opened.read() == b"new\n"

    assert names(tmp_path) == []


def test_target_that_is_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write(tmp_path / "pipe", b"x" * 300_000)
    reader.join(10)

    assert [len(each) for each in read] == [300_000]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_target_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    read: list[bytes] = []

    def read_all() -> None:
        with os.fdopen(reading, "rb") as pipe:
            read.append(pipe.read())

    reader = threading.Thread(target=read_all)
    reader.start()
    write(f"/dev/fd/{writing}", b"x" * 1_000_000)
    os.close(writing)
    reader.join(10)

    assert [len(each) for each in read] == [1_000_000]


@pytest.mark.parametrize("kind", ["pipe", "open file"])
def test_target_that_is_not_written_to_the_end_ends_within_a_line(tmp_path: Path, kind: str) -> None:
    """Also where no handler runs, so that nobody takes a part of an export for all of it."""
    lines = [b'{"n": %d}\n' % number for number in range(3)]
    for give_up in (True, False):
        output = tmp_path / f"output of {give_up}"
        script = (
            "import os, sys; from service.commands.target import open_target\n"
            f"with open_target('/dev/fd/1') as file:\n [file.write(line) for line in {lines}]; file.flush()\n "
            + ("os.kill(os.getpid(), 9)" if not give_up else "raise SystemExit(0)")
        )
        wrapped = f"{sys.executable} -c \"$0\" {'| cat' if kind == 'pipe' else ''} > '{output}'"
        subprocess.run(["bash", "-c", wrapped, script], cwd=ROOT, check=False)

        assert output.read_bytes() == b"".join(lines)[:-2], give_up


def test_target_keeps_its_name_through_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )

    write(tmp_path / "f")

    assert [Path(each).suffix for each in synced[:1]] == [".unfinished"]
    assert synced[1:] == [str(tmp_path)]


def test_target_whose_reader_has_gone() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(ReaderGone):
        write(f"/dev/fd/{writing}")
    os.close(writing)


def test_target_that_is_a_device_stays_one(tmp_path: Path) -> None:
    nothing, full = make_device(tmp_path / "nothing", 3), make_device(tmp_path / "full", 7)
    (tmp_path / "link").symlink_to("nothing")

    write(nothing)
    write(tmp_path / "link")
    with pytest.raises(OutputFailed, match=r"full can't be written: No space left on device\.$"):
        write(full)

    assert all(stat.S_ISCHR(path.stat().st_mode) for path in (nothing, full))
    assert names(tmp_path) == ["full", "link", "nothing"]


def in_a_circle(folder: Path) -> str:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    return str(folder / "a")


def below_a_file(folder: Path) -> str:
    (folder / "f").write_bytes(b"")
    return str(folder / "f" / "g")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (str, "is a folder, not a file to write to"),
        (lambda folder: f"{folder}/f/", "is a folder, not a file to write to"),
        (lambda _: "", "The name of the file to write to is empty: give a path"),
        (lambda folder: str(folder / "none" / "f"), "there is no folder .*/none; make it first"),
        (below_a_file, "Not a directory"),
        (in_a_circle, "circle of symbolic links"),
        (lambda folder: str(folder / ("x" * 300)), "File name too long"),
        (lambda _: "/dev/fd/999", "Bad file descriptor"),
    ],
)
def test_target_that_is_unusable(tmp_path: Path, name: Callable[[Path], str], reason: str) -> None:
    with pytest.raises(TargetUnusable, match=reason):
        write(name(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed")
def test_target_without_permission(tmp_path: Path) -> None:
    """In a folder where nothing can be made, and a file that is read-only for this user."""
    tmp_path.chmod(0o755)
    open_folder, closed_folder = tmp_path / "open", tmp_path / "closed"
    for folder in (open_folder, closed_folder):
        folder.mkdir()
        (folder / "f").write_bytes(b"old")
    open_folder.chmod(0o777)
    (closed_folder / "f").chmod(0o666)
    child = os.fork()
    if child == 0:
        os.chdir(tmp_path)  # the folders above it are closed to others
        os.setresuid(NOBODY, NOBODY, NOBODY)
        refused = []
        for folder in (open_folder, closed_folder):
            try:
                write(f"{folder.name}/f")
            except TargetUnusable as error:
                refused.append(str(error))
        right = [reason in said for said, reason in zip(refused, ("read-only for", "denied in its"), strict=True)]
        os._exit(0 if all(right) else 1)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert [names(folder) for folder in (open_folder, closed_folder)] == [["f"], ["f"]]
    assert (open_folder / "f").read_bytes() == (closed_folder / "f").read_bytes() == b"old"


ENDLESS = """
import signal, sys, time, click
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # else it is off under nohup
from service.commands.ending import run_command
from service.commands.target import open_target

@click.command()
@click.argument("name")
def write(name):
    with open_target(name) as file:
        file.write(b"half")
        file.flush()
        time.sleep(60)

sys.exit(run_command(write, sys.argv[1:], "write"))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_target_unfinished_at_a_signal_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "f").write_bytes(b"old")
    command = [
        "env",
        "--default-signal=HUP",
        sys.executable,
        "-c",
        ENDLESS,
        str(tmp_path / "f"),
    ]  # it is off under nohup
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE) as process:
        wait_for(lambda: len(names(tmp_path)) == 2, 60, "the unfinished file")
        process.send_signal(number)
        _, said = process.communicate(timeout=30)

    assert (process.returncode, said.strip()) == (128 + number, b"")
    assert (names(tmp_path), (tmp_path / "f").read_bytes()) == (["f"], b"old")


async def test_export_to_what_is_open(dsn: str, world: World, tmp_path: Path) -> None:
    """Appended, twice into one file, by names of standard output, and through a symbolic link to it."""
    of = ("--organization", str(world.id))
    line = run("export", "-", *of, DATABASE_URL=dsn).stdout
    (tmp_path / "link").symlink_to("/dev/stdout")

    for wrapped in (
        'echo kept > {f}; "$@" - {of} >> {f}; "$@" /dev/stdout {of} >> {f}',
        '(echo kept; "$@" - {of}; "$@" /dev/fd/1 {of}) > {f}',
        '(echo kept; "$@" {link} {of}; "$@" /dev/stderr {of} 2>&1 | grep -v ^Exported) > {f}',
    ):
        file = tmp_path / "f"
        names_of = {"f": file, "link": tmp_path / "link", "of": " ".join(of)}
        done = into("export", wrapped=wrapped.format(**names_of), DATABASE_URL=dsn)
        assert done.returncode == 0, done.stderr
        assert file.read_text() == f"kept\n{line}{line}", wrapped
    assert names(tmp_path) == ["f", "link"]


async def test_export_that_can_not_be_written(dsn: str, world: World, tmp_path: Path) -> None:
    await world.raw.executemany(
        "INSERT INTO groups (organization_id, id, name) VALUES ($1, gen_random_uuid(), $2)",
        [(world.id, f"g{number}") for number in range(2000)],
    )
    of = f"--organization {world.id}"
    file = tmp_path / "f"
    file.write_bytes(b"old")

    for wrapped, said, code in (
        (
            f'unset COVERAGE_PROCESS_CONFIG; ulimit -f 8; "$@" {file} {of}',
            f"flow-pipelines: {file} can't be written: File too large.\n",
            2,
        ),
        (f'"$@" - {of} >&-', "flow-pipelines: Standard output can't be written: Bad file descriptor.\n", 2),
        (f'set -o pipefail; "$@" - {of} | head -c 10', "", 141),
        (f'"$@" {tmp_path}/none/f {of}', "there is no folder", 2),
    ):
        done = into("export", wrapped=wrapped, DATABASE_URL=dsn)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1 if said else 0), done.stderr
        assert said in done.stderr
    assert (names(tmp_path), file.read_bytes()) == (["f"], b"old")


def test_export_touches_no_target_before_the_database_is_there(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    done = run("export", str(tmp_path / "f"), DATABASE_URL="postgresql://me@127.0.0.1:1/db")

    assert (done.returncode, "127.0.0.1:1/db can't be reached" in done.stderr) == (2, True)
    assert (names(tmp_path), (tmp_path / "f").read_bytes()) == (["f"], b"old")


def test_target_unusable_is_told_as_what_stands_in_the_way() -> None:
    assert issubclass(TargetUnusable, StartupError)
    assert issubclass(OutputFailed, StartupError)
