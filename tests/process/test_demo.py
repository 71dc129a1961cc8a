"""`make run`: the calls that it prints work, and it leaves no processes behind."""

import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil
import pytest

from tests.process.running import free_port, runs, start, wait_for


@contextmanager
def demo(directory: Path, **settings: str) -> "Iterator[tuple[subprocess.Popen[bytes], str]]":
    """Run a demo; yield its process and its output."""
    log = directory / f"demo-{free_port()}.log"
    ports = {"HTTP_PORT": str(free_port()), "OPS_PORT": "0"}
    with log.open("wb") as output:
        process = start("demo", output=output, **{"DATA_DIR": str(directory / "data"), **ports, **settings})
    try:
        wait_for(lambda: "Ctrl-C" in log.read_text() or process.poll() is not None, within=60, what="the calls to try")
        yield process, log.read_text()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(20)


def answers(printed: str) -> list[dict[str, object]]:
    """Run the printed curl lines; return their answers."""
    lines = re.findall(r"^  curl .*", printed, re.MULTILINE)
    calls = [[*shlex.split(line), "--silent", "--max-time", "10"] for line in lines]
    return [orjson.loads(subprocess.run(call, capture_output=True, check=True).stdout) for call in calls]


def test_demo_prints_calls_that_work_and_keeps_its_data(tmp_path: Path) -> None:
    with demo(tmp_path) as (_, printed):
        listed, updated = answers(printed)
        first_token = re.search(r"fp_\w+", printed)

    assert len(listed["pipelines"]) == 8  # type: ignore[arg-type]  # it is a list, or the test fails here
    names = [pipeline["flowPipelineName"] for pipeline in updated["updated_pipelines"]]  # type: ignore[attr-defined]  # likewise
    assert names == ["Invoices", "Purchase orders"]

    with demo(tmp_path) as (process, printed):
        again, _ = answers(printed)
        assert again == listed
        assert first_token
        assert first_token[0] not in printed
        assert printed.count('"event":"request"') == 0

        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(children, timeout=15)
        assert not [child for child in children if runs(child)]


def test_demo_with_a_database_url_uses_that_database(tmp_path: Path, empty_dsn: str) -> None:
    with demo(tmp_path, DATABASE_URL=empty_dsn) as (_, printed):
        assert len(answers(printed)) == 2

    assert not (tmp_path / "data").exists()


def test_demo_at_a_unix_socket_prints_calls_that_work(tmp_path: Path, empty_dsn: str) -> None:
    socket = tmp_path / "a socket"
    with demo(tmp_path, DATABASE_URL=empty_dsn, HTTP_SOCKET=str(socket)) as (_, printed):
        assert [answer["status"] for answer in answers(printed)] == ["OK", "OK"]

    assert f"unix:{socket}/" not in printed
    assert re.search(r"^  admin page   by a proxy .* PUBLIC_URL", printed, re.MULTILINE)


def test_demo_on_ipv6_prints_calls_that_work(tmp_path: Path, empty_dsn: str) -> None:
    with demo(tmp_path, DATABASE_URL=empty_dsn, HTTP_HOST="::1") as (_, printed):
        assert [answer["status"] for answer in answers(printed)] == ["OK", "OK"]


@pytest.mark.parametrize("variable", ["HTTP_PORT", pytest.param("OPS_PORT", marks=pytest.mark.slow)])
def test_demo_on_a_taken_port_names_the_setting(tmp_path: Path, empty_dsn: str, variable: str) -> None:
    with demo(tmp_path, DATABASE_URL=empty_dsn, OPS_PORT=str(free_port())) as (_, first):
        taken = re.findall(r"127\.0\.0\.1:(\d+)", first)[1 if variable == "OPS_PORT" else 0]
        with demo(tmp_path, DATABASE_URL=empty_dsn, **{variable: taken}) as (process, said):
            assert process.wait(10) == 2

    assert said.splitlines()[-1] == (
        f"flow-pipelines: 127.0.0.1:{taken} can't be listened on (Address already in use):"
        f" set {variable} to another port."
    )


def test_second_demo_leaves_the_token_of_the_first_alone(tmp_path: Path) -> None:
    """It can't serve on the same ports, and has touched nothing when it finds that out."""
    ports = {"HTTP_PORT": str(free_port()), "OPS_PORT": str(free_port())}
    with demo(tmp_path, **ports) as (_, printed):
        with demo(tmp_path, **ports) as (second, said):
            assert second.wait(20) == 2

        listed, updated = answers(printed)

    assert "can't be listened on" in said
    assert (listed["status"], updated["status"]) == ("OK", "OK")
