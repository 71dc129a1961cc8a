"""The examples of the documents, run as they are written."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path
from typing import Any

from service.http.routes import ROUTES
from service.transfer.records import parse_line
from tests.commands.forked import run
from tests.process.running import ROOT, wait_for
from tests.process.test_demo import demo

API = ROOT / "docs/reference/api.md"
SET_UP = ROOT / "docs/how-to/set-up.md"
TUTORIAL = ROOT / "docs/tutorial/first-ten-minutes.md"
README = ROOT / "README.md"
REACT = ROOT / "docs/how-to/react.md"
MIGRATE = ROOT / "docs/how-to/migrate-from-the-vendor.md"

DEMO_ADDRESS = "http://127.0.0.1:8080"
"""The address of `make run`, as the documents have it; the tests' own is another."""


def block_after(page: Path, words: str) -> str:
    """Return the first block of code after some words of a page."""
    return page.read_text().split(words)[1].split("```")[1].split("\n", 1)[1]


def curl_lines() -> list[str]:
    block = block_after(API, "<!-- examples: a test runs them in this order -->")
    return [line for line in block.splitlines() if line.startswith("curl ")]


def told(printed: str) -> tuple[str, str]:
    """Return the token and the address that a demo printed."""
    token, address = re.search(r"fp_\w+", printed), re.search(r"http://[\d.:]+", printed)
    assert token
    assert address
    return token[0], address[0]


def test_examples_of_the_api_cover_every_route_and_work(tmp_path: Path, empty_dsn: str) -> None:
    called = set()
    with demo(tmp_path, DATABASE_URL=empty_dsn, AUDIT_SEAL_INTERVAL="1") as (_, printed):
        token, address = told(printed)
        variables = {"AUTH": f"Authorization: Bearer {token}", "API": f"{address}/api/v1"}
        for line in curl_lines():
            said = _answer(line, variables)
            body, status = said.rsplit("\n", 1)
            if "/proof" in line:  # of what may not be sealed yet
                wait_for(lambda: _answer(line, variables).endswith("\n200"), what="the seal")  # noqa: B023 - in this turn
                body, status = _answer(line, variables).rsplit("\n", 1)
            assert status in ("200", "201"), (line, said)
            answer = json.loads(body)
            if "PIPELINE" not in variables:
                variables["PIPELINE"] = answer["pipeline"]["id"]
            if "audit" in answer:
                variables["ENTRY"] = str(answer["audit"][0]["id"])
            if "secret" in answer:
                variables["TOKEN_ID"] = answer["token"]["id"]
            called.add(_route(line, variables))

    assert called == {f"{route.method} {route.path}" for route in ROUTES}


def _answer(line: str, variables: dict[str, str]) -> str:
    """Return the body that a line prints, and the status behind it."""
    return subprocess.run(
        ["sh", "-c", f"{line} --silent --write-out '\\n%{{http_code}}'"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _route(line: str, variables: dict[str, str]) -> str:
    """Return the row of the method table that a line calls."""
    words = shlex.split(re.sub(r"\$(\w+)", lambda name: variables[name[1]], line))
    url = next(word for word in words if word.startswith("http"))
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if "-d" in words else "GET"
    path = url.removeprefix(variables["API"].removesuffix("/api/v1")).split("?")[0]
    for route in ROUTES:
        if route.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), path):
            return f"{method} {route.path}"
    raise AssertionError(line)


def test_commands_of_a_first_installation_work(empty_dsn: str) -> None:
    block = block_after(SET_UP, "<!-- commands: a test runs them in this order -->")
    lines = [line for line in block.splitlines() if line.startswith("flow-pipelines ")]

    for line in lines:
        _, *arguments = shlex.split(line, comments=True)
        assert not re.search(r"[$`|&;<>()*?~]", "".join(arguments)), "a shell would read it otherwise"
        done = run(*arguments, DATABASE_URL=empty_dsn)
        assert done.returncode == 0, (line, done.stderr)

    assert len(lines) == 14
    assert done.stdout.startswith("fp_")


def test_calls_of_the_readme_work(tmp_path: Path, empty_dsn: str) -> None:
    shell = block_after(README, "<!-- calls: a test runs them in this order -->")
    program = block_after(README, "And in Python, without installing anything:")
    with demo(tmp_path, DATABASE_URL=empty_dsn) as (_, printed):
        token, address = told(printed)
        by_curl, by_python = (
            subprocess.run(
                [*command, text.replace(DEMO_ADDRESS, address)],
                env={**os.environ, "TOKEN": token},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for command, text in ((["sh", "-ec"], shell), ([sys.executable, "-c"], program))
        )

    assert shell.count("curl ") == by_curl.count('{"status":"OK"') == 2
    assert "flowPipelineName" in by_python


def test_program_that_converts_the_vendors_data_writes_records(tmp_path: Path) -> None:
    program = textwrap.dedent(block_after(MIGRATE, "derive it from the vendor's own id"))
    (tmp_path / "vendor.json").write_text(block_after(MIGRATE, "It reads this, for example:"))

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True)
    records = [parse_line(line) for line in done.stdout.splitlines()]

    assert [each and each[0] for each in records] == [
        *("organization", "user", "user", "token", "group", "membership", "pipeline", "grant", "job", "assignment")
    ]


def test_tutorial_leads_to_a_revoked_grant(tmp_path: Path, empty_dsn: str) -> None:
    """What it says that is printed is printed, in this order."""
    text = TUTORIAL.read_text().split("## 2. Look")[1]
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "fp_…" not in block]
    expected = "".join(re.findall(r"```text\n(.*?)```", text, re.DOTALL)).splitlines()
    with demo(tmp_path, DATABASE_URL=empty_dsn) as (_, printed):
        token, address = told(printed)
        done = subprocess.run(
            ["sh", "-ec", "".join(blocks).replace(DEMO_ADDRESS, address)],
            cwd=tmp_path,
            env={**os.environ, "TOKEN": token, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert '"status": "ERROR"' not in done.stdout
    lines = iter(done.stdout.splitlines())
    assert [line for line in expected if not any(line in each for each in lines)] == []
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".py"] == []


def test_program_that_reacts_to_jobs_of_a_pipeline_works(tmp_path: Path, empty_dsn: str) -> None:
    program, output = block_after(REACT, "## The program"), tmp_path / "output"
    with demo(tmp_path, DATABASE_URL=empty_dsn) as (_, printed), output.open("wb") as file:
        token, address = told(printed)

        def call(method: str, path: str, body: object = None) -> Any:
            request = urllib.request.Request(
                f"{address}/api/v1{path}",
                None if body is None else json.dumps(body).encode(),
                {"Authorization": f"Bearer {token}"},
                method=method,
            )
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)

        pipeline = call("POST", "/flow/pipeline", {"name": "followed"})["pipeline"]["id"]
        call("PUT", "/jobs/before", {"pipeline_ids": [pipeline]})
        settings = {**os.environ, "SERVER": address, "TOKEN": token, "PIPELINE": pipeline}

        def lines() -> list[str]:
            return [line.split()[0] for line in output.read_text().splitlines()]

        for job, already in (("first", ["before"]), ("second", ["before", "first"])):  # the second after another start
            process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=settings, stdout=file)
            wait_for(lambda: lines() == already)  # noqa: B023 - in this turn
            call("PUT", f"/jobs/{job}", {"pipeline_ids": [pipeline]})
            wait_for(lambda: lines() == [*already, job])  # noqa: B023 - in this turn
            wait_for((tmp_path / "place.txt").exists)
            process.kill()
            process.wait()
            call("PUT", f"/jobs/{job}", {"pipeline_ids": []})
